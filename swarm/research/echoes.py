"""Whether a change repeats or undoes an earlier one, judged by the two diffs and never by their words. Pure.

A change is what it does to constants, as values by name, and the code lines that it takes away and puts in. A trailing
comment, a blank line, another way to write the same number are no difference. Where a line both goes and comes it stayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarm.research.constants import constants
from swarm.research.patch import sides

PHRASES = 6  # looked up at most
SHORTEST = 6  # characters of a line that says something by itself


@dataclass(frozen=True)
class Change:
    """`constants`: name to (value before, value after) as Python writes them; `gone` and `come`: code lines, counted."""

    constants: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    gone: Mapping[str, int] = field(default_factory=dict)
    come: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.constants or self.gone or self.come)


def change_of(patch: str | None) -> Change:
    """What a diff does."""
    old, new = (_bare(lines) for lines in sides(patch or ""))
    before, after = _constants(old), _constants(new)
    moved = {n: (before[n], after[n]) for n in before if n in after}
    gone, come = (Counter(line for line in lines if _name(line) not in moved) for lines in (old, new))
    return Change({n: pair for n, pair in moved.items() if pair[0] != pair[1]}, dict(gone - come), dict(come - gone))


def repeats(new: Change, old: Change) -> bool:
    """Whether `new` does what `old` did: the same constants to the same values, the same lines taken away and put in."""
    if new.empty or set(new.constants) != set(old.constants):
        return False
    same = all(new.constants[n][1] == old.constants[n][1] for n in new.constants)
    return same and new.gone == old.gone and new.come == old.come


def undoes(new: Change, old: Change) -> bool:
    """Whether all that `new` does takes something of `old` back: constants to the values that `old` moved them from, lines
    out that it put in and in that it took away."""
    if new.empty or not all(n in old.constants and new.constants[n][1] == old.constants[n][0] for n in new.constants):
        return False
    if not (_within(new.gone, old.come) and _within(new.come, old.gone)):
        return False
    lines = [*new.gone, *new.come]
    return bool(new.constants) or any(len(line.strip()) >= SHORTEST for line in lines) or _inverse(new, old)


def phrases(patch: str | None) -> list[str]:
    """Texts of which an earlier diff must hold every one to be an echo of this; the longest lines say most."""
    change, new = change_of(patch), _bare(sides(patch or "")[1])
    found = [line for line in new if _name(line) in change.constants]
    lines = sorted({*change.gone, *change.come}, key=lambda line: (-len(line), line))
    return [text.strip() for text in [*found, *lines] if any(c.isalnum() for c in text)][:PHRASES]


# --- lines --------------------------------------------------------------------------------------------------------


def bare(line: str) -> str:
    """A line of Python without its trailing comment and blanks; what stands in quotes is no comment."""
    quote, at = "", 0
    while at < len(line):
        c = line[at]
        if quote:
            if c == "\\":
                at += 1
            elif line.startswith(quote, at):
                at += len(quote) - 1
                quote = ""
        elif c in "'\"":
            quote = line[at : at + 3] if line[at : at + 3] in ("'''", '"""') else c
            at += len(quote) - 1
        elif c == "#":
            return line[:at].rstrip()
        at += 1
    return line.rstrip()


def _bare(lines: list[str]) -> list[str]:
    return [text for text in map(bare, lines) if text]


def _name(line: str) -> str:
    """The name that a line gives a value, where it begins with one."""
    return line.partition("=")[0].partition(":")[0].strip() if line[:1].isalpha() or line[:1] == "_" else ""


def _constants(lines: list[str]) -> dict[str, str]:
    """The constants that these lines set, each on one of its own, with their values; one that is set twice is code."""
    named = Counter(_name(line) for line in lines)
    found: dict[str, str] = {}
    for line in lines:
        name = _name(line)
        if named[name] == 1 and name.isupper() and name in (there := constants(line)):
            found[name] = repr(there[name].value)
    return found


def _within(part: Mapping[str, int], whole: Mapping[str, int]) -> bool:
    return all(count <= whole.get(line, 0) for line, count in part.items())


def _inverse(new: Change, old: Change) -> bool:
    return new.gone == old.come and new.come == old.gone
