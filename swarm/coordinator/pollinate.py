"""pollinate: agents that are behind get best, and their own kept changes measured again on top of it."""

from __future__ import annotations

import math
from typing import Any

from swarm.coordinator import confirm, judge, seeding
from swarm.coordinator.world import LIVE, World
from swarm.research import pollination as rules
from swarm.research.experiment import NO_WORKERS, Agent, Promotion, Run
from swarm.research.pollination import lineage, own_changes

PATIENCE = 3  # results that an agent gets on what it adopted, before it can be rebased


def parents(w: World) -> dict[str, str | None]:
    return {name: node.parent for name, node in w.beliefs.nodes.items()}


def withdrawn(w: World) -> set[str]:
    """Experiments whose promotion was taken back and that are not best again."""
    rows = w.ledger.rows(
        "SELECT DISTINCT p.experiment FROM promotions p WHERE p.campaign=? AND p.withdrawn IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM promotions q WHERE q.experiment=p.experiment AND q.withdrawn IS NULL)", w.campaign.id
    )  # fmt: skip
    return {str(r[0]) for r in rows}


def planned(w: World) -> rules.Plan:
    """Who is to be moved onto best, and who looks elsewhere on purpose; nobody where the agents work apart."""
    best, policy = w.campaign.best, w.policy
    if best is None or policy.apart:
        return rules.Plan((), ())
    how = rules.Rules(
        policy.behind, policy.behind_gap, policy.stale, policy.stale_after, policy.stay, policy.stay_within
    )
    tree, gone = parents(w), withdrawn(w)
    promoted = w.ledger.all(Promotion, "WHERE campaign=? AND withdrawn IS NULL ORDER BY id", w.campaign.id)
    return rules.plan([_standing(w, a, best, tree, gone, promoted, how) for a in people(w)], how)


def people(w: World) -> list[Agent]:
    """The agents that live, without persons."""
    return [a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS]


def _standing(
    w: World, agent: Agent, best: str, tree: dict[str, str | None], gone: set[str], promoted: list[Promotion], how: rules.Rules
) -> rules.Standing:  # fmt: skip
    lost = rules.lost(agent.tip, best, tree, gone)
    own = bool(own_changes(agent.tip, best, tree, gone))
    on_best = best in lineage(agent.tip, tree) and not lost
    p = confirm.p_over_best(w, agent.tip)
    mine, theirs, sd = w.beliefs.of(agent.tip, w.home), w.beliefs.of(best, w.home), w.beliefs.noise(w.home).sd
    gap = (mine.m - theirs.m) / sd if mine and theirs and sd else math.inf
    missed = rules.missed(agent.tip, [x.experiment for x in promoted], tree)
    many = not on_best and 0 < how.stale <= missed
    results = _results(w, agent.name, promoted[-missed].experiment) if many else 0
    free = on_best or settled(w, agent)
    return rules.Standing(agent.name, on_best, lost, 0.0 if p is None else p, gap, missed, results, free, own)


def _results(w: World, name: str, promoted: str) -> int:
    """How many verdicts an agent had since a promotion."""
    sql = "SELECT MAX(seq) FROM events WHERE campaign=? AND kind='promoted' AND experiment=?"
    since = w.ledger.value(sql, w.campaign.id, promoted)
    sql = "SELECT COUNT(*) FROM events WHERE agent=? AND seq>? AND kind='judged'"
    return int(w.ledger.value(sql, name, since or 0))


def pollinate(w: World) -> bool:
    """Periodically and after each promotion; never all at once. Returns whether anybody was moved."""
    if w.campaign.state != "searching" or w.now < w.timers.get("pollinate", 0.0):
        return False
    plan = planned(w)
    moving = w.ledger.value(
        "SELECT COUNT(*) FROM experiments WHERE campaign=? AND rebase_onto IS NOT NULL AND stage!='done'", w.campaign.id
    )
    most = rules.at_once(len(people(w))) - int(moving)
    for name in plan.late[: max(0, most)]:
        rebase(w, w.agent(name))
    for name in plan.stay:
        _told_to_stay(w, name)
    if len(plan.late) <= most:
        w.timers["pollinate"] = w.now + w.policy.rebase_every
    return bool(plan.late) and most > 0


def _told_to_stay(w: World, name: str) -> None:
    """Once for each best."""
    told = "SELECT 1 FROM events WHERE campaign=? AND kind='stays' AND agent=? AND experiment=?"
    if w.ledger.value(told, w.campaign.id, name, w.campaign.best) is None:
        w.say("stays", name, w.campaign.best, on=w.agent(name).tip)


def rebase(w: World, agent: Agent) -> None:
    """tip := best; its own kept changes become one stack on it, or else best is measured once more on its slot."""
    best = w.campaign.best
    assert best is not None
    with w.ledger.tx():
        made, own = move(w, agent, best)
        if made is None:
            _reference(w, best)
        w.say("rebased", agent.name, best, was=agent.tip, stack=made, kept=own)


def move(w: World, agent: Agent, onto: str) -> tuple[str | None, list[str]]:
    """tip := onto, the old one pinned. Returns the stack of the agent's own kept changes (if any) and these."""
    own = own_changes(agent.tip, onto, parents(w), withdrawn(w))
    w.pin(f"refs/tips/{agent.name}/{agent.tip}", w.commit_of(agent.tip))
    w.set_agent(agent.name, tip=onto)
    return (judge.stack(w, w.agent(agent.name), own, onto=onto) if own else None), own


def settled(w: World, agent: Agent) -> bool:
    """Whether the agent had its results since it last chose for itself what to build on (adopt)."""
    chosen = w.ledger.value(
        "SELECT MAX(seq) FROM events WHERE agent=? AND campaign=? AND kind='adopted'", agent.name, w.campaign.id
    )
    if chosen is None:
        return True
    since = w.ledger.value("SELECT COUNT(*) FROM events WHERE agent=? AND seq>? AND kind='judged'", agent.name, chosen)
    return int(since) >= PATIENCE


def _reference(w: World, best: str) -> None:
    if not w.ledger.all(Run, "WHERE experiment=? AND status IN ('queued','running')", best):
        w.ledger.add_run(best, "reference", w.home, w.key(w.home), w.now, seeding.studying(w, best, w.home))


def outlook(w: World) -> dict[str, Any]:
    """Who builds on best already, who will be rebased, who stays for now."""
    best, tree = w.campaign.best, parents(w)
    live, plan = people(w), planned(w)
    late = set(plan.late)
    on_it = [a.name for a in live if best in lineage(a.tip, tree)]
    stays = [a.name for a in live if a.name not in {*late, *plan.stay, *on_it}]
    return {
        "told": len(live),
        "on_it": on_it,
        "behind": sorted(late),
        "stays": stays,
        "elsewhere": list(plan.stay),
        "at_once": rules.at_once(len(live)),
    }
