"""Who is behind, who looks elsewhere on purpose, and what of theirs is worth carrying over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BEHIND = 0.3  # P(tip better than best) below which an agent is behind
FEW = 4  # agents; of fewer nobody stays on another branch on purpose
AT_ONCE = 0.25  # of the agents are moved at once, one at least


@dataclass(frozen=True)
class Rules:
    """When an agent is behind. `gap`: also by so many sd of one run. `stale`: also when its tip lacks so many promotions, has
    got `stale_after` results since the first of them, and is not better than best. `stay`: the share of the agents that
    looks elsewhere on purpose, unless by more than `wide` sd of one run behind."""

    behind: float = BEHIND
    gap: float | None = None
    stale: int = 3
    stale_after: int = 6
    stay: float = 0.25
    wide: float = 4.0


@dataclass(frozen=True)
class Standing:
    """An agent and what it builds on, beside best. `gap`: how much worse than best, in sd of one run (negative: better).

    `settled`: it has had its results on what it chose itself, so that it can be moved. `lost`: its tip stands on a best that
    was withdrawn. `own`: its tip has something that best has not; what best itself stands on is no branch to stay on.
    """

    agent: str
    on_best: bool = False
    lost: bool = False
    p: float = 0.0
    gap: float = math.inf
    missed: int = 0
    results: int = 0
    settled: bool = True
    own: bool = True


@dataclass(frozen=True)
class Plan:
    """`late`: to be moved onto best, worst first. `stay`: behind, and left where they are on purpose."""

    late: tuple[str, ...]
    stay: tuple[str, ...]


def plan(agents: Sequence[Standing], rules: Rules) -> Plan:
    """Who is moved and who looks elsewhere. The same agents in whatever order give the same answer.

    Where there are two agents or more, one at least builds on best, or is about to.
    """
    elsewhere = [a for a in agents if not a.on_best]
    late = [a for a in elsewhere if a.settled and _late(a, rules)]
    stay = _staying(elsewhere, len(agents), rules)
    moved = sorted((a for a in late if a.agent not in stay), key=_worst)
    if not moved and len(agents) > 1 and len(elsewhere) == len(agents):
        moved = sorted((a for a in elsewhere if a.settled), key=_worst)[:1]
    names = tuple(a.agent for a in moved)
    return Plan(names, tuple(sorted(a.agent for a in late if a.agent not in names)))


def _late(a: Standing, rules: Rules) -> bool:
    if a.lost or a.p < rules.behind or (rules.gap is not None and a.gap > rules.gap):
        return True
    return 0 < rules.stale <= a.missed and a.results >= rules.stale_after and a.p < 0.5


def _staying(elsewhere: Iterable[Standing], agents: int, rules: Rules) -> set[str]:
    """Of those on other branches the best ones, as many as the share allows."""
    if agents < FEW:
        return set()
    able = sorted(
        (a for a in elsewhere if a.own and not a.lost and a.gap <= rules.wide), key=lambda a: (a.gap, a.agent)
    )
    return {a.agent for a in able[: min(int(rules.stay * agents), agents - 1)]}


def _worst(a: Standing) -> tuple[float, float, str]:
    return a.p, -a.gap, a.agent


def at_once(agents: int) -> int:
    """How many agents may be on the move at a time."""
    return max(1, int(AT_ONCE * agents))


def missed(tip: str, promoted: Sequence[str], parents: Mapping[str, str | None]) -> int:
    """How many of the last promotions (oldest first, none of them withdrawn) the tip does not contain."""
    has = set(lineage(tip, parents))
    for count, ident in enumerate(reversed(promoted)):
        if ident in has:
            return count
    return len(promoted)


def diverse(ranked: Sequence[str], parents: Mapping[str, str | None], most: int) -> list[str]:
    """The first `most` of `ranked` (best first) of which none is in the lineage of another: good, and different."""
    found: list[str] = []
    for ident in ranked:
        if len(found) == most:
            break
        line = lineage(ident, parents)
        if not any(other in line or ident in lineage(other, parents) for other in found):
            found.append(ident)
    return found


def lineage(ident: str, parents: Mapping[str, str | None]) -> list[str]:
    """The experiment itself, its parent, and so on to the baseline."""
    seen: dict[str, None] = {}  # ordered
    at: str | None = ident
    while at is not None and at not in seen:
        seen[at] = None
        at = parents.get(at)
    return list(seen)


def lost(tip: str, best: str, parents: Mapping[str, str | None], withdrawn: set[str]) -> bool:
    """Whether the tip stands on a best that was withdrawn. What best itself stands on does not count."""
    return any(x in withdrawn for x in _beyond(tip, best, parents))


def own_changes(tip: str, best: str, parents: Mapping[str, str | None], withdrawn: set[str]) -> list[str]:
    """What the tip has and best has not, oldest first, without what was withdrawn."""
    return [x for x in reversed(_beyond(tip, best, parents)) if x not in withdrawn]


def _beyond(tip: str, best: str, parents: Mapping[str, str | None]) -> list[str]:
    """The part of the tip's lineage that is not best's."""
    shared = set(lineage(best, parents))
    return [x for x in lineage(tip, parents) if x not in shared]
