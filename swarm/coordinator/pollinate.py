"""pollinate: agents that are behind get best, and their own kept changes measured again on top of it."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import confirm, judge, seeding
from swarm.coordinator.world import LIVE, World
from swarm.research.experiment import NO_WORKERS, Agent, Run
from swarm.research.pollination import behind, lineage, own_changes

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


def who_is_behind(w: World) -> list[Agent]:
    """Worst first."""
    best = w.campaign.best
    if best is None:
        return []
    tree, gone = parents(w), withdrawn(w)
    found: list[tuple[float, Agent]] = []
    for agent in w.agents(*LIVE):
        p = confirm.p_over_best(w, agent.tip)
        if (
            agent.kind not in NO_WORKERS
            and behind(agent.tip, best, tree, 0.0 if p is None else p, gone)
            and settled(w, agent)
        ):
            found.append((0.0 if p is None else p, agent))
    return [agent for _, agent in sorted(found, key=lambda pair: (pair[0], pair[1].name))]


def pollinate(w: World) -> bool:
    """Periodically and after each promotion; never all at once. Returns whether anybody was moved."""
    if w.campaign.state != "searching" or w.now < w.timers.get("pollinate", 0.0):
        return False
    late = who_is_behind(w)
    moving = w.ledger.value(
        "SELECT COUNT(*) FROM experiments WHERE campaign=? AND rebase_onto IS NOT NULL AND stage!='done'", w.campaign.id
    )
    most = max(1, len([a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS]) // 4) - int(moving)
    for agent in late[: max(0, most)]:
        rebase(w, agent)
    if len(late) <= most:
        w.timers["pollinate"] = w.now + w.policy.rebase_every
    return bool(late) and most > 0


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
    live = [a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS]
    late = {a.name for a in who_is_behind(w)}
    on_it = [a.name for a in live if best in lineage(a.tip, tree)]
    stays = [a.name for a in live if a.name not in late and a.name not in on_it]
    return {
        "told": len(live),
        "on_it": on_it,
        "behind": sorted(late),
        "stays": stays,
        "at_once": max(1, len(live) // 4),
    }
