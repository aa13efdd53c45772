"""What a patch says, in a few words: which constants it changes, or how many lines."""

from __future__ import annotations

from swarm.research.constants import changes

MOST = 6  # constants named


def in_words(patch: str | None) -> str:
    """`MATRIX_LR 0.04→0.028`, or `+12 −3 lines` where more than constants changed; empty for an empty patch."""
    old, new = sides(patch or "")
    if not old and not new:
        return ""
    found = changes("\n".join(old), "\n".join(new))
    if found and len(found) == len(old) == len(new):
        more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
        return ", ".join([*found[:MOST], *more])
    return ", ".join([*found[:MOST], f"+{len(new)} −{len(old)} lines"])


def names(patch: str | None) -> frozenset[str]:
    """The constants that a patch gives another value; empty where it does more than that."""
    old, new = sides(patch or "")
    found = changes("\n".join(old), "\n".join(new))
    return frozenset(c.split(" ", 1)[0] for c in found) if len(found) == len(old) == len(new) else frozenset()


def sides(patch: str) -> tuple[list[str], list[str]]:
    """The lines taken away and the lines put in, of all files."""
    old: list[str] = []
    new: list[str] = []
    inside = False
    for line in patch.split("\n"):
        if line.startswith("diff "):
            inside = False
        elif line.startswith("@@"):
            inside = True
        elif inside and line.startswith("-"):
            old.append(line[1:])
        elif inside and line.startswith("+"):
            new.append(line[1:])
    return old, new
