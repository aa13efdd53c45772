"""house: the swarm's own experiments, which no agent wrote: cells of a wave, stacks, blank runs. Their author is no worker.

Each has the parent it was made for (its `base`) and is judged against it; kept, it is a candidate for best like any other,
but nobody's own base moves. Its commit is made when a slot is free for it, as with every change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from swarm.coordinator.world import World
from swarm.research.experiment import Slot

NAME = "swarm"
KIND = "house"
AHEAD = "ahead"  # taken by any slot, though not twice running from an owner that waits
ASKED = "asked"  # the same on the slots of the agent that asked; elsewhere when nobody wants the slot
SPARE = "spare"  # only where a slot has nothing to do for a while


@dataclass(frozen=True)
class Waiting:
    """An experiment of the house that is queued, how pressing it is, and which agent asked for it."""

    experiment: str
    rank: str
    agent: str | None


def ensure(w: World) -> None:
    """The author's row. To be called in a transaction."""
    if w.ledger.agent(w.campaign.id, NAME) is None:
        best = w.campaign.best or w.campaign.baseline
        w.ledger.add(
            "agents", name=NAME, campaign=w.campaign.id, kind=KIND, state="waiting", base=best, tip=best, created=w.now
        )  # fmt: skip


def add(
    w: World, origin: str, base: str, description: str, kind: str = "const", members: list[str] | None = None,
    depth: int = 0, ident: str | None = None,
) -> str:  # fmt: skip
    """Queue an experiment on `base`; `members`: whose changes it puts together; `ident`: its name, where that is known.

    To be called in a transaction.
    """
    ensure(w)
    ident = ident or w.ledger.next_experiment()
    w.ledger.add(
        "experiments", id=ident, campaign=w.campaign.id, agent=NAME, origin=origin, kind=kind, stage="queued",
        description=description[:2000], base=base, depth=depth, stack_of=json.dumps(members) if members else None,
        created=w.now,
    )  # fmt: skip
    return ident


def note(w: World, text: str) -> None:
    """What the swarm found out by itself, where everybody's recall finds it. To be called in a transaction."""
    ident = int(w.ledger.value("SELECT COALESCE(MAX(id), 0) + 1 FROM notes"))
    w.ledger.add("notes", id=ident, campaign=w.campaign.id, agent=NAME, text=text, at=w.now)
    w.say("noted", NAME, None, note=ident)


# --- whose turn it is ---------------------------------------------------------------------------------------------


def queue(w: World) -> list[Waiting]:
    """What waits, in order; read once for all free slots."""
    sql = (
        "SELECT e.id, e.origin, v.author FROM experiments e INDEXED BY experiments_by_agent "
        "LEFT JOIN cells c ON c.experiment=e.id LEFT JOIN waves v ON v.id=c.wave "
        "WHERE e.campaign=? AND e.agent=? AND e.stage='queued' ORDER BY e.rowid"
    )
    rows = w.once(("house",), lambda: w.ledger.rows(sql, w.campaign.id, NAME))
    return [Waiting(ident, _rank(origin, author), author) for ident, origin, author in rows]


def _rank(origin: str, author: str | None) -> str:
    if origin == "stack":
        return SPARE
    return ASKED if author is not None else AHEAD


def ahead(w: World, slot: Slot) -> Iterator[str]:
    """What comes before the slot's own queue."""
    if slot.klass != w.home:
        return
    waiting = [x for x in queue(w) if _wants(x, slot)]
    if waiting and not _had_its_turn(w, slot):
        yield from (x.experiment for x in waiting)


def behind(w: World, slot: Slot) -> Iterator[str]:
    """What comes after the slot's own queue."""
    if slot.klass == w.home:
        yield from (x.experiment for x in queue(w) if _wants(x, slot))


def spare(w: World, slot: Slot) -> Iterator[str]:
    """What fills the time of a slot that nobody has anything for: all of it."""
    if slot.klass == w.home:
        yield from (x.experiment for x in queue(w))


def _wants(x: Waiting, slot: Slot) -> bool:
    return x.rank == AHEAD or (x.rank == ASKED and slot.agent in (None, x.agent))


def _had_its_turn(w: World, slot: Slot) -> bool:
    """Whether the slot's last run was the house's while somebody of this slot waits with something."""
    if slot.agent is not None and slot.agent not in w.queueing():
        return False
    if slot.agent is None and not w.queueing() - {NAME}:
        return False
    last = w.ledger.value("SELECT run FROM attempts WHERE slot=? ORDER BY rowid DESC LIMIT 1", slot.id)
    author = w.ledger.value("SELECT e.agent FROM runs r JOIN experiments e ON e.id=r.experiment WHERE r.id=?", last)
    return bool(author == NAME)
