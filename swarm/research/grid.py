"""What a person types after `swarm grid`, as factors and cells. Pure.

WEIGHT_DECAY=.05,.1,.2 MATRIX_LR=.02,.04      constants and their values
e0012 e0015 e0020                             kept changes, each in or out
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarm.research.constants import Constant, constants
from swarm.research.factorial import Levels, design

ASK = 64  # cells from which a person has to say yes
MOST = 512  # cells of a wave
VALUES = 32  # of one constant
FACTORS = 9  # twice each is MOST already
NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)\Z", re.S)
OPEN, SHUT = "([{", ")]}"
OUT, IN = "out", "in"  # the levels of a change


@dataclass(frozen=True)
class Factor:
    """`levels`: texts of values, or out and in. `today`: which of them is what the wave's base has; None: none."""

    name: str
    levels: tuple[str, ...]
    today: int | None


def read(words: Sequence[str]) -> dict[str, list[str]] | list[str]:
    """Constants with the texts of their values, or names of experiments.

    Raises ValueError with a sentence for the person: nothing, or a mixture, or one of them twice.
    """
    named = [NAMED.match(word.strip()) for word in words]
    if not words:
        raise ValueError("a wave of what?")
    if len(words) > FACTORS:
        raise ValueError(f"{len(words)} at once are too many for one wave: {FACTORS} at most.")
    if not all(named):
        if any(named):
            raise ValueError("a wave is of constants (NAME=1,2) or of experiments, not of both.")
        twice = sorted({w for w in words if words.count(w) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice.")
        return [word.strip() for word in words]
    found: dict[str, list[str]] = {}
    for match in named:
        assert match is not None
        if match[1] in found:
            raise ValueError(f"{match[1]} is named twice.")
        found[match[1]] = split(match[2])
    return found


def split(text: str) -> list[str]:
    """`1, (2, 3), "a,b"` at its outer commas. Raises ValueError for brackets or quotes that are not closed."""
    parts, depth, quote, now = [], 0, "", ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in OPEN or c in SHUT:
            depth += 1 if c in OPEN else -1
        if c == "," and not depth and not quote:
            parts.append(now.strip())
            now = ""
        else:
            now += c
    if depth or quote:
        raise ValueError(f"{text[:60]!r}: a bracket or a quote is not closed.")
    return [*parts, now.strip()]


def factors(asked: Mapping[str, Sequence[str]], source: str) -> list[Factor]:
    """The factors of constants of this file. Raises ValueError with a sentence for the person."""
    there = constants(source)
    out = []
    for name, texts in asked.items():
        if name not in there:
            near = sorted(n for n in there if n.startswith(name[:3].upper()))[:5]
            what = f" There is {', '.join(near)}." if near else ""
            raise ValueError(f"{name} is no constant with a plain value in the file.{what}")
        out.append(_factor(there[name], list(texts)))
    return out


def _factor(today: Constant, texts: list[str]) -> Factor:
    if len(texts) > VALUES:
        raise ValueError(f"{today.name}: {len(texts)} values are too many, at most {VALUES}.")
    texts = [_text(t, today) for t in texts]
    values = []
    for text in texts:
        alone = constants(f"{today.name} = {text}\nAFTER = 0\n")
        if "AFTER" not in alone or today.name not in alone or alone[today.name].text != text:
            raise ValueError(f"{today.name}: {text[:60]!r} is not a plain value.")
        values.append(alone[today.name].value)
    if len(texts) < 2:
        raise ValueError(
            f"{today.name} needs two values or more to compare, e.g. {today.name}={today.text},{texts[0] or '…'}"
        )
    for n, value in enumerate(values):
        if value in values[:n]:
            raise ValueError(f"{today.name}: {texts[n]} is there twice.")
    same = values.index(today.value) if today.value in values else None
    return Factor(today.name, tuple(today.text if n == same else t for n, t in enumerate(texts)), same)


def _text(text: str, today: Constant) -> str:
    """A word stands for itself where the constant is a text: the shell eats quotes."""
    if isinstance(today.value, str) and text and text[0] not in "'\"":
        return repr(text)
    return text


def changes(names: Sequence[str]) -> list[Factor]:
    """The factors of experiments, each out (as today) or in. Raises ValueError for one alone."""
    if len(names) < 2:
        raise ValueError("one experiment has nothing to be put together with.")
    return [Factor(name, (OUT, IN), 0) for name in names]


def cells(of: Sequence[Factor]) -> list[tuple[Levels, bool]]:
    """All combinations, and whether it is what the base is already."""
    today = tuple(f.today for f in of)
    return [(levels, levels == today) for levels in design([len(f.levels) for f in of])]


def size(of: Sequence[Factor]) -> int:
    """How many cells it has."""
    count = 1
    for factor in of:
        count *= len(factor.levels)
    return count


def told(of: Sequence[Factor], levels: Levels) -> str:
    """A cell in words: `WEIGHT_DECAY=.1 MATRIX_LR=.04`, `e0012 + e0020`."""
    if all(f.levels == (OUT, IN) for f in of):
        return " + ".join(f.name for f, level in zip(of, levels, strict=True) if level) or "none of them"
    return " ".join(f"{f.name}={f.levels[level]}" for f, level in zip(of, levels, strict=True))


def cost(runs: int, minutes: float, slots: int) -> str:
    """What a wave takes, in words. `minutes` 0: nothing has run yet to tell it by."""
    many = f"{runs} run{'s' * (runs != 1)}"
    long = f"about {max(1.0, minutes):.0f} min" if minutes > 0 else "how long is not known before the baseline has run"
    return f"{many}, {slots} at once, {long}" if slots > 1 else f"{many}, {long}"
