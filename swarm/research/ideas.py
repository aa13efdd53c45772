"""The backlog of ideas: who may have one, what becomes of it, and who comes first. Pure.

A claim is a lease: it lasts while its holder is heard of. An idea that is being measured stays with whoever submitted it,
however long that takes; its verdict is its outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STATES = ("open", "claimed", "done", "dropped")
LEASE = 7200.0  # seconds after its holder was last heard of; the longest turn of a client takes one hour
MOST_OPEN = 50  # ideas of one agent that nobody tried yet: one that only writes them is told to try one
MOST_HELD = 3  # claims of one agent
LONGEST = 2000  # characters of an idea
EVIDENCE = 500
LISTED = 500.0  # priorities above it are of entries of a person's list
UNTRIED = ("conflict", "cancelled")  # verdicts of what was never measured


@dataclass(frozen=True)
class Idea:
    """A row of the backlog. `author` None: a person. `experiment`: what tries it, or tried it last."""

    id: int
    campaign: int
    author: str | None
    text: str
    evidence: str | None
    priority: float
    state: str  # one of STATES, as it was written last; see `stands`
    holder: str | None
    until: float | None  # end of the lease, seconds since 1970
    experiment: str | None
    outcome: str | None
    at: float
    ended: float | None


@dataclass(frozen=True)
class Standing:
    """What an idea is now: `open`, `claimed` (by `holder`), `done` or `dropped`."""

    state: str
    holder: str | None = None


def stands(idea: Idea, alive: bool, verdict: str | None, now: float) -> Standing:
    """What has become of an idea since its row was written. `alive`: whether its holder still works here; `verdict`: of its
    experiment, None while that is under way (or where there is none)."""
    if idea.state != "claimed":
        return Standing(idea.state)
    if idea.experiment is not None and verdict not in UNTRIED:
        return Standing("done") if verdict else Standing("claimed", idea.holder)
    if idea.experiment is not None or not alive or now >= (idea.until or 0.0):
        return Standing("open")
    return Standing("claimed", idea.holder)


def refusal(idea: Idea, standing: Standing, who: str, held: int) -> str:
    """Why `who`, holding `held` others, may not have it; empty when they may (or have it already)."""
    if standing.state in ("done", "dropped"):
        tried = f"it was tried as {idea.experiment}" if idea.experiment else f"it is {standing.state}"
        return f"idea {idea.id} is over: {tried}{f' ({idea.outcome})' if idea.outcome else ''}"
    if standing.holder == who:
        return ""
    if standing.holder is not None:
        busy = f", being measured as {idea.experiment}" if idea.experiment else ""
        return f"idea {idea.id} is {standing.holder}'s{busy}"
    if held >= MOST_HELD:
        return f"you hold {held} ideas already"
    return ""


def order(idea: Idea) -> tuple[float, int]:
    """Who comes first: the higher priority, then the older one."""
    return (-idea.priority, idea.id)


def of_list(n: int) -> float:
    """The priority of the n-th entry (from 1) of a person's list: above what agents write, in the list's order."""
    return 2 * LISTED - n / 1000.0


def bounded(priority: float, person: bool = False) -> float:
    """A priority as it may be given: 0..10 by an agent, up to 100 by a person."""
    return min(100.0 if person else 10.0, max(0.0, priority))


def numbered(entries: Sequence[str]) -> dict[str, int]:
    """The first number of each entry of a list, from 1."""
    found: dict[str, int] = {}
    for n, text in enumerate(entries, 1):
        found.setdefault(text, n)
    return found
