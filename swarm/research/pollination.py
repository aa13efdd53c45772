"""Who is behind, and what of theirs is worth carrying over."""

from __future__ import annotations

from collections.abc import Mapping

BEHIND = 0.3  # P(tip better than best) below which an agent is behind


def lineage(ident: str, parents: Mapping[str, str | None]) -> list[str]:
    """The experiment itself, its parent, and so on to the baseline."""
    out: list[str] = []
    at: str | None = ident
    while at is not None and at not in out:
        out.append(at)
        at = parents.get(at)
    return out


def behind(tip: str, best: str, parents: Mapping[str, str | None], p_tip_better: float, withdrawn: set[str]) -> bool:
    """Whether the tip lacks best and is not as good, or stands on a best that was withdrawn."""
    line = lineage(tip, parents)
    if best in line:
        return False
    return p_tip_better < BEHIND or any(x in withdrawn for x in line)


def own_changes(tip: str, best: str, parents: Mapping[str, str | None], withdrawn: set[str]) -> list[str]:
    """What the tip has and best has not, oldest first, without what was withdrawn."""
    shared = set(lineage(best, parents))
    line = [x for x in lineage(tip, parents) if x not in shared]
    return [x for x in reversed(line) if x not in withdrawn]
