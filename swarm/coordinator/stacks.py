"""stacks: where a slot has nothing to do, kept changes of different agents are measured together on best.

A stack that loses is taken apart, and what does not stack is noted for everybody's recall.
"""

from __future__ import annotations

import json
import math

from swarm.coordinator import house, pollinate
from swarm.coordinator.world import World
from swarm.research.experiment import Experiment
from swarm.research.pollination import lineage
from swarm.research.stacking import Members, bisect, choose

LOOKED_AT = 60  # kept experiments, the best ones
FEW = 4  # slots for each stack that may be open at a time
LOST = ("discard", "crash", "conflict")


def propose(w: World) -> bool:
    """Queue the next stack, or the next part of one that lost; or write down what did not stack. Returns whether it did."""
    if not w.policy.stacks or w.campaign.state != "searching" or w.campaign.best is None:
        return False
    return any(w.once(("stacks",), lambda: [_propose(w, str(w.campaign.best))]))


def _propose(w: World, best: str) -> bool:
    stacks = _stacks(w, best)
    tried = {frozenset(json.loads(e.stack_of or "[]")): _lost(e) for e in stacks}
    if sum(lost is None for lost in tried.values()) >= max(1, len(w.slots()) // FEW):
        return False
    lost = {members: bool(word) for members, word in tried.items() if word is not None}
    explained = _explained(w)
    for e in stacks:
        members = frozenset(json.loads(e.stack_of or "[]"))
        if e.depth or not tried[members] or e.id in explained:
            continue
        step = bisect(members, lost)
        if step.culprit is not None:
            _note(w, e, step.culprit, {frozenset(json.loads(x.stack_of or "[]")): x for x in stacks})
            return True
        if step.ask is not None and step.ask not in tried:
            _queue(w, best, step.ask, 1)
            return True
    culprits = [explained[e.id] for e in stacks if e.id in explained]
    chosen = choose(_candidates(w), _held(w, best), tried, culprits)
    if chosen:
        _queue(w, best, frozenset(chosen), 0)
    return bool(chosen)


def _stacks(w: World, best: str) -> list[Experiment]:
    """The house's own on this best, in order; with depth what was taken apart."""
    return w.ledger.all(
        Experiment, "INDEXED BY experiments_by_agent WHERE campaign=? AND agent=? AND origin='stack' AND base=? "
        "AND verdict IS NOT 'cancelled' ORDER BY rowid",
        w.campaign.id, house.NAME, best,
    )  # fmt: skip


def _lost(e: Experiment) -> bool | None:
    """Whether it is worse than best; None while it is measured."""
    if e.verdict == "answered":  # measured before as another one, or in best already
        return e.p_better is not None and e.p_better < 0.5
    if (e.reason or "").startswith("machine"):
        return False  # it says nothing of the changes; they are not tried again
    return None if e.verdict is None else e.verdict in LOST


def _explained(w: World) -> dict[str, Members]:
    """Stacks that lost, by what was found out to be the reason."""
    rows = w.ledger.rows("SELECT experiment, data FROM events WHERE campaign=? AND kind='unstacked'", w.campaign.id)
    return {str(ident): frozenset(json.loads(data)["members"]) for ident, data in rows}


def _candidates(w: World) -> list[tuple[str, str]]:
    """Kept and not dropped, of agents (and of waves); the best first."""
    order = "ASC" if w.campaign.better == "lower" else "DESC"
    rows = w.ledger.rows(
        "SELECT id, agent, origin FROM experiments WHERE campaign=? AND verdict='keep' AND dropped=0 AND klass=? "
        f"AND agent IS NOT NULL AND parent IS NOT NULL ORDER BY estimate {order} LIMIT ?", w.campaign.id, w.home, LOOKED_AT
    )  # fmt: skip
    own = ("stack", "blank")
    return [(str(i), str(agent)) for i, agent, origin in rows if not (agent == house.NAME and origin in own)]


def _held(w: World, best: str) -> set[str]:
    """Experiments whose changes best contains: its lineage, and what was stacked in it."""
    held = set(lineage(best, pollinate.parents(w)))
    marks = ", ".join("?" * len(held))
    rows = w.ledger.rows(f"SELECT stack_of FROM experiments WHERE id IN ({marks}) AND stack_of IS NOT NULL", *held)
    return held | {str(member) for (members,) in rows for member in json.loads(members)}


def _queue(w: World, best: str, members: Members, depth: int) -> None:
    names = sorted(members)
    kind = "code" if any(w.ledger.experiment(m).kind == "code" for m in names) else "const"
    with w.ledger.tx():
        ident = house.add(w, "stack", best, f"{' + '.join(names)} on {best}", kind, names, depth)
        w.say("stacked", house.NAME, ident, stack=ident, members=names, why="a slot was free")


def _note(w: World, e: Experiment, culprit: Members, measured: dict[Members, Experiment]) -> None:
    """Once per stack that lost: the fewest changes that lose together, and by how much against their sum."""
    names = sorted(culprit)
    x = measured.get(culprit, e)
    text = f"{' and '.join(names)} {'does not help' if len(names) == 1 else 'do not stack'} on {e.base}"
    delta, alone = _gained(w, x), [_gained(w, w.ledger.experiment(n)) for n in names]
    if delta is None:
        text += f": {x.verdict}" + (f" ({x.reason.splitlines()[0][:200]})" if x.reason else "")
    elif all(alone):
        total = sum(d for d, _ in filter(None, alone))
        se = math.sqrt(delta[1] ** 2 + sum(s**2 for _, s in filter(None, alone)))
        against = "what it gained where it was found" if len(names) == 1 else "their sum"
        text += f": {delta[0] - total:+.2g} ± {se:.1g} against {against}"
    with w.ledger.tx():
        w.say("unstacked", house.NAME, e.id, members=names, text=text)
        house.note(w, text)


def _gained(w: World, e: Experiment) -> tuple[float, float] | None:
    """What an experiment of the swarm gained over its base, any other over its parent, as a score; and the standard error."""
    on = e.base if e.agent == house.NAME else e.parent
    mine, theirs = w.beliefs.of(e.same_as or e.id, w.home), w.beliefs.of(on, w.home)
    if mine is None or theirs is None:
        return None
    return w.sign * (mine.m - theirs.m), math.sqrt(mine.v + theirs.v)
