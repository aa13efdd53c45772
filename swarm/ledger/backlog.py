"""The backlog of ideas as screens and tools show it. A lease that ran out, or an experiment that was judged, is seen here too."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from swarm.ledger.search import Asked
from swarm.research.ideas import STATES, Idea, order, stands

COLUMNS = ", ".join(f"i.{f.name}" for f in fields(Idea))
LIVING = ("starting", "thinking", "waiting", "limited", "crashed")
MOST = 10_000


@dataclass(frozen=True)
class Counts:
    """How many ideas there are of each state."""

    of: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.of.values())

    @property
    def untried(self) -> float | None:
        """The share that nobody ever tried or dropped; None where there is none."""
        left = self.of.get("open", 0) + self.of.get("claimed", 0)
        return left / self.total if self.total else None


def counts(ledger: Asked, campaign: int) -> Counts:
    """From the index alone."""
    rows = ledger.rows("SELECT state, COUNT(*) FROM ideas WHERE campaign=? GROUP BY state", campaign)
    return Counts({str(state): int(n) for state, n in rows})


def listed(ledger: Asked, campaign: int, now: float, n: int = 20, over: bool = False) -> list[Idea]:
    """The first `n` as they stand: open ones and claimed ones in their order; with `over` then those that are tried or
    dropped, the newest first."""
    rows = [row for state in STATES[:2] for row in _of(ledger, campaign, state, "i.priority DESC, i.id", n)]
    rows += [row for state in STATES[2:] if over for row in _of(ledger, campaign, state, "i.ended DESC, i.id DESC", n)]
    living = {
        str(a) for (a, s) in ledger.rows("SELECT name, state FROM agents WHERE campaign=?", campaign) if s in LIVING
    }
    found = []
    for *values, verdict in rows:
        idea = Idea(*values)
        is_ = stands(idea, idea.holder in living, verdict, now)
        outcome = idea.outcome if idea.state == is_.state or is_.state != "done" else verdict
        found.append(replace(idea, state=is_.state, holder=is_.holder, outcome=outcome))
    going = sorted((i for i in found if i.state in STATES[:2]), key=order)
    return (going + [i for i in found if i.state in STATES[2:] and over])[:n]


def _of(ledger: Asked, campaign: int, state: str, by: str, n: int) -> list[tuple[Any, ...]]:
    return ledger.rows(
        f"SELECT {COLUMNS}, e.verdict FROM ideas i LEFT JOIN experiments e ON e.id=i.experiment "
        f"WHERE i.campaign=? AND i.state=? ORDER BY {by} LIMIT ?", campaign, state, n
    )  # fmt: skip
