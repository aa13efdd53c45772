"""Who is behind, and what of theirs is worth carrying over."""

from __future__ import annotations

from collections.abc import Mapping

BEHIND = 0.3  # P(tip better than best) below which an agent is behind


def lineage(ident: str, parents: Mapping[str, str | None]) -> list[str]:
    """The experiment itself, its parent, and so on to the baseline."""
    seen: dict[str, None] = {}  # ordered
    at: str | None = ident
    while at is not None and at not in seen:
        seen[at] = None
        at = parents.get(at)
    return list(seen)


def behind(tip: str, best: str, parents: Mapping[str, str | None], p_tip_better: float, withdrawn: set[str]) -> bool:
    """Whether the tip lacks best and is not as good, or stands on a best that was withdrawn.

    What best itself stands on does not count, whatever was withdrawn there.
    """
    own = _beyond(tip, best, parents)
    if any(x in withdrawn for x in own):
        return True
    return best not in lineage(tip, parents) and p_tip_better < BEHIND


def own_changes(tip: str, best: str, parents: Mapping[str, str | None], withdrawn: set[str]) -> list[str]:
    """What the tip has and best has not, oldest first, without what was withdrawn."""
    return [x for x in reversed(_beyond(tip, best, parents)) if x not in withdrawn]


def _beyond(tip: str, best: str, parents: Mapping[str, str | None]) -> list[str]:
    """The part of the tip's lineage that is not best's."""
    shared = set(lineage(best, parents))
    return [x for x in lineage(tip, parents) if x not in shared]
