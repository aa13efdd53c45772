"""What a person forbids in a program: the lines under `# Constraints`, checked against the constants of a file. Pure.

    # Constraints
    - DEPTH >= 6
    - WINDOW_PATTERN in {"SSSL", "SL"}
    - VOCAB_SIZE unchanged

A line names one UPPERCASE constant. Numbers compare with numbers, other values only for equality. A name with a twin
NAME_GPU means the one of the two that is read on the machine. Whatever else stands there is unreadable: it is said to the
person, and nothing is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from swarm.research import sections
from swarm.research.constants import Constant, constants

TITLE = "Constraints"
UNCHANGED = "unchanged"
MOST = 200  # lines that are looked at
LONGEST = 400  # characters of one
BULLET = re.compile(r"([-*+]|\d{1,3}[.)])\s+")
LINE = re.compile(r"([A-Z][A-Z0-9_]*)\s*(>=|<=|==|!=|<|>|\bin\b)\s*(.+)")
SAME = re.compile(r"([A-Z][A-Z0-9_]*)\s+(?:is\s+|stays\s+)?unchanged")
PAIRS = {"{": "}", "[": "]", "(": ")"}
ORDER: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, "<": lambda a, b: a < b,
}  # fmt: skip


@dataclass(frozen=True)
class Constraint:
    """One line. `values`: what the constant is compared with; several only for `in`, none for `unchanged`."""

    name: str
    sign: str  # >= <= < > == != in unchanged
    values: tuple[object, ...]
    text: str  # as the person wrote it

    def allows(self, value: object) -> bool:
        """Whether a constant of this value keeps it. `unchanged` is not decided here: see `broken`."""
        if self.sign in ORDER:
            (wanted,) = self.values
            return _number(value) and _number(wanted) and ORDER[self.sign](value, wanted)  # type: ignore[arg-type]
        found = any(_same(value, wanted) for wanted in self.values)
        return found != (self.sign == "!=")


@dataclass(frozen=True)
class Rules:
    """The constraints of a program, and the lines that are none."""

    constraints: tuple[Constraint, ...] = ()
    unreadable: tuple[str, ...] = ()

    def __add__(self, other: Rules) -> Rules:
        """Both, each line once."""
        return Rules(
            tuple(dict.fromkeys(self.constraints + other.constraints)),
            tuple(dict.fromkeys(self.unreadable + other.unreadable)),
        )


def read(program: str) -> Rules:
    """The rules of a program's text."""
    good: list[Constraint] = []
    bad: list[str] = []
    for raw in _lines(program):
        found = one(raw)
        if found is None:
            bad.append(raw[:LONGEST])
        else:
            good.append(found)
    return Rules(tuple(dict.fromkeys(good)), tuple(dict.fromkeys(bad)))


def _lines(program: str) -> list[str]:
    found = []
    for line in sections.lines(program, TITLE):
        text = BULLET.sub("", line.strip(), count=1).strip() if BULLET.match(line.strip()) else line.strip()
        if text:
            found.append(" ".join(text.split()))
    return found[:MOST]


def one(line: str) -> Constraint | None:
    """A line as a constraint; None when it is none. Text after ` # ` is the person's remark."""
    text = line.partition(" # ")[0].replace("`", "").strip().rstrip(".;,").strip()
    if len(text) > LONGEST:
        return None
    if same := SAME.fullmatch(text):
        return Constraint(same[1], UNCHANGED, (), text)
    match = LINE.fullmatch(text)
    if match is None:
        return None
    name, sign, rest = match[1], match[2], match[3].strip()
    values = _several(rest) if sign == "in" else _single(rest)
    if not values or (sign in ORDER and not _number(values[0])):
        return None
    return Constraint(name, sign, values, text)


def _single(text: str) -> tuple[object, ...]:
    found = constants(f"X = {text}\n")
    return (found["X"].value,) if set(found) == {"X"} and found["X"].text == text else ()


def _several(text: str) -> tuple[object, ...]:
    if len(text) < 3 or PAIRS.get(text[0]) != text[-1]:
        return ()
    inside = text[1:-1].strip().rstrip(",")
    found = constants(f"X = ({inside},)\n")
    values = found["X"].value if set(found) == {"X"} else ()
    return values if isinstance(values, tuple) else ()


def broken(
    rules: Iterable[Constraint],
    given: Mapping[str, Constant],
    before: Mapping[str, Constant],
    after: Mapping[str, Constant],
    gpu: bool = False,
) -> list[str]:
    """What a change of a file's constants from `before` to `after` breaks, a sentence each.

    `given` are the constants of the task as the person gave it: `unchanged` means as there. A value that the change
    leaves alone breaks nothing: it is not the doing of whoever submits.
    """
    said = []
    for rule in rules:
        name = read_here(rule.name, given, gpu)
        first, was, now = given.get(name), before.get(name), after.get(name)
        if now is None:
            said += [f"{rule.text}: {name} is no plain constant of the file any more"] if was is not None else []
        elif was is not None and _same(was.value, now.value):
            continue
        elif rule.sign == UNCHANGED:
            if first is not None and not _same(first.value, now.value):
                said.append(f"{rule.text}: {name} is {now.text}, it was {first.text}")
        elif not rule.allows(now.value):
            said.append(f"{rule.text}: {name} is {now.text}")
    return [" ".join(text.split())[:LONGEST] for text in said]


def doubts(rules: Rules, given: Mapping[str, Constant], gpu: bool = False) -> list[str]:
    """What a person should know of the rules before anybody works: lines that say nothing, or that the task breaks."""
    said = [f"cannot be checked: {text}" for text in rules.unreadable]
    for rule in rules.constraints:
        name = read_here(rule.name, given, gpu)
        if name not in given:
            said.append(f"{rule.text}: the task has no constant {name}")
        elif rule.sign != UNCHANGED and not rule.allows(given[name].value):
            said.append(f"{rule.text}: in the task as given {name} is {given[name].text}")
    return [" ".join(text.split())[:LONGEST] for text in said]


def read_here(name: str, names: Iterable[str], gpu: bool) -> str:
    """Of a pair NAME, NAME_GPU the one that is read on this machine."""
    return f"{name}_GPU" if gpu and f"{name}_GPU" in set(names) else name


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: object, b: object) -> bool:
    """Equality without Python's 1 == True; 6 and 6.0 are the same number."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return (_number(a) and _number(b) and a == b) or (type(a) is type(b) and a == b)
