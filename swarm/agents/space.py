"""What an optimiser may try: for every tunable UPPERCASE constant a range around the value it has now. Pure.

Each constant is moved on a scale where equal steps mean equal things: learning rates by factors, betas by factors of
their distance from 1, batch sizes by doublings, ratios evenly. A position on that scale is a number; `text` turns it
into what stands in the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from swarm.errors import SwarmError
from swarm.research.constants import Constant
from swarm.research.constraints import ORDER, UNCHANGED, Constraint, read_here

FACTOR = 8.0  # floats: at most so many times more or less than now
DOUBLINGS = 2  # powers of two: at most so many up or down, and not below 8
DIGITS = 3  # significant ones of a float that is written
FRACTION = re.compile(r"(^|_)(RATIO|FRAC|FRACTION|BETA\d*|MOMENTUM|DROPOUT|PROB|EMA)(_|$)")
DECAY = re.compile(r"(^|_)(WD|DECAY)(_|$)")
# For a weight decay that is 0 now: a factor leads nowhere from there.
LADDER = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
# Never touched: a luckier seed is not a better program, and the others are the machine's or the measurement's.
LEFT_ALONE = re.compile(r"(^|_)(SEED|DEVICE|EVAL|VAL|LOG|PRINT|DEBUG|TIME|BUDGET)(_|$)")
# What moves the loss most in this field; drawn more often.
OFTEN = re.compile(r"(^|_)(LR|BATCH|DEPTH|WIDTH|SEQ|ASPECT|WARMDOWN)(_|$)")
HEAVY = 6.0

Choice = int | float | bool | str | None


@dataclass(frozen=True)
class Dim:
    """One constant. Positions lie in [`low`, `high`]; whole ones only when `whole`.

    scale: log (position = ln value) | rest (= ln(1 − value)) | even (= value) | power (= log2 value) | ladder (= the
    index in `choices`) | choice (the same, and the order means nothing).
    """

    name: str
    scale: str
    low: float
    high: float
    now: float
    sign: int = 1
    integer: bool = False
    shift: bool = False  # written as 2**n
    choices: tuple[Choice, ...] = ()
    weight: float = 1.0

    @property
    def whole(self) -> bool:
        return self.scale in ("power", "ladder", "choice") or (self.integer and self.scale == "even")

    def text(self, position: float) -> str:
        """What stands in the file for a position."""
        if self.choices:
            return repr(self.choices[round(position)])
        if self.scale == "power":
            return f"2**{round(position)}" if self.shift else str(self.sign * 2 ** round(position))
        value, digits = position, DIGITS
        if self.scale == "log":
            value = math.exp(position)
        elif self.scale == "rest":
            value, digits = 1 - _rounded(math.exp(position)), DIGITS + 2
        return str(self.sign * round(value)) if self.integer else repr(self.sign * _rounded(value, digits))

    def position(self, value: object) -> float | None:
        """Where a value lies, or None when it lies outside the range."""
        if self.choices:
            return next((float(i) for i, c in enumerate(self.choices) if c == value and type(c) is type(value)), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        found = _at(self.scale, self.sign * value)
        if found is None or not self.low - 1e-9 <= found <= self.high + 1e-9:
            return None
        if self.whole and abs(found - round(found)) > 1e-9:
            return None
        return min(max(found, self.low), self.high)


def space(
    found: Mapping[str, Constant],
    options: Mapping[str, object] | None = None,
    gpu: bool = False,
    rules: Iterable[Constraint] = (),
) -> dict[str, Dim]:
    """The dimensions of what is found in a file. `options`: `only` names, `space` ranges or choices by name.

    `gpu`: which of NAME and NAME_GPU is read on this machine; the other is left out. `rules`: a person's constraints.
    Raises SwarmError for options that cannot be read.
    """
    wanted, told = read_options(options or {})
    dims: dict[str, Dim] = {}
    for name, constant in found.items():
        if wanted is not None and name not in wanted:
            continue
        if name in told:
            dims[name] = _told(constant, told[name])
        elif not LEFT_ALONE.search(name) or wanted is not None:
            dim = around(constant) if _read_here(name, found, gpu) else None
            if dim is not None:
                dims[name] = dim
    for rule in rules:
        name = read_here(rule.name, found, gpu)
        if name in dims:
            bound = bounded(dims.pop(name), rule, found[name].value)
            dims |= {name: bound} if bound is not None else {}
    return {name: dims[name] for name in found if name in dims}


def bounded(dim: Dim, rule: Constraint, value: object) -> Dim | None:
    """The dimension within a constraint, but for its value of now, which stays; None when nothing is left to move.

    Ends that are not reached (`<`, `!=`) and rounding are not looked at here: what is proposed is checked again.
    """
    if rule.sign in (UNCHANGED, "=="):
        return None
    if rule.sign == "in" or dim.choices:
        return _chosen(dim, rule, value)
    if rule.sign not in ORDER:
        return dim
    end = _at(dim.scale, dim.sign * float(rule.values[0]))  # type: ignore[arg-type]
    if end is None:
        return dim
    upper = (rule.sign in ("<", "<=")) == (dim.sign > 0 and dim.scale != "rest")
    low, high = (dim.low, min(dim.high, end)) if upper else (max(dim.low, end), dim.high)
    if dim.whole:
        low, high = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    low, high = min(low, dim.now), max(high, dim.now)
    return replace(dim, low=low, high=high) if low < high else None


def _chosen(dim: Dim, rule: Constraint, value: object) -> Dim | None:
    given = rule.values if rule.sign == "in" else dim.choices
    choices = [c for c in given if isinstance(c, Choice) and rule.allows(c)]
    if not isinstance(value, Choice):
        return None
    if not any(type(c) is type(value) and c == value for c in choices):
        choices.insert(0, value)
    at = next(i for i, c in enumerate(choices) if type(c) is type(value) and c == value)
    scale = dim.scale if dim.choices and at == round(dim.now) else "choice"
    found = replace(dim, scale=scale, low=0, high=len(choices) - 1, now=float(at), choices=tuple(choices))
    return found if len(choices) > 1 else None


def read_options(options: Mapping[str, object]) -> tuple[frozenset[str] | None, dict[str, object]]:
    """`only` and `space` of a tuner's options. Raises SwarmError when they are not of their form."""
    only, told = options.get("only"), options.get("space", {})
    only = only.split(",") if isinstance(only, str) else only
    if only is not None and not (isinstance(only, list | tuple) and all(isinstance(n, str) for n in only)):
        raise SwarmError("the tuner's option `only` is a list of names.", 'For example: {"only": ["MATRIX_LR"]}')
    good = isinstance(told, dict) and all(isinstance(v, list | tuple | dict) and v for v in told.values())
    if not isinstance(told, dict) or not good:
        raise SwarmError(
            "the tuner's option `space` gives a range or choices by name.",
            'For example: {"space": {"MATRIX_LR": {"low": 0.01, "high": 0.1}, "WINDOW_PATTERN": ["L", "SSSL"]}}',
        )
    for name, given in told.items():
        if isinstance(given, dict):
            _limits(str(name), given)
    return (None if only is None else frozenset(n.strip() for n in only)), {str(k): v for k, v in told.items()}


def around(constant: Constant) -> Dim | None:
    """The range around the value a constant has now; None for what is left alone (strings, tuples, a bare 0)."""
    name, value = constant.name, constant.value
    weight = HEAVY if OFTEN.search(name) else 1.0
    if isinstance(value, bool):
        return Dim(name, "choice", 0, 1, float(value), choices=(False, True), weight=weight)
    if isinstance(value, int):
        return _integer(constant, value, weight)
    if not isinstance(value, float) or not math.isfinite(value):
        return None
    if 0 <= value <= 1 and FRACTION.search(name):
        return _fraction(name, value, weight)
    if value == 0:
        return Dim(name, "ladder", 0, len(LADDER) - 1, 0, choices=LADDER, weight=weight) if DECAY.search(name) else None
    at = math.log(abs(value))
    step = math.log(FACTOR)
    return Dim(name, "log", at - step, at + step, at, sign=1 if value > 0 else -1, weight=weight)


def placed(dims: Mapping[str, Dim], values: Mapping[str, object]) -> dict[str, float]:
    """The positions of these values; those that are missing or out of range are left out."""
    found = {name: dim.position(values.get(name)) for name, dim in dims.items()}
    return {name: at for name, at in found.items() if at is not None}


def _integer(constant: Constant, value: int, weight: float) -> Dim | None:
    if value <= 0:
        return None  # nothing says how large it may be
    if value >= 8 and value & (value - 1) == 0:
        at = value.bit_length() - 1
        return Dim(
            constant.name, "power", max(3, at - DOUBLINGS), at + DOUBLINGS, at,
            shift=constant.text.replace(" ", "").startswith("2**"), weight=weight,
        )  # fmt: skip
    if value <= 16:
        return Dim(constant.name, "even", max(1, value // 2), value * 2, value, integer=True, weight=weight)
    low, high = math.log(max(1, value / 4)), math.log(value * 4)
    return Dim(constant.name, "log", low, high, math.log(value), integer=True, weight=weight)


def _fraction(name: str, value: float, weight: float) -> Dim:
    """Numbers that mean a part of something stay between 0 and 1."""
    if value == 0:
        return Dim(name, "even", 0.0, 0.3, 0.0, weight=weight)
    if 0.8 <= value < 1:
        at = math.log(1 - value)
        return Dim(name, "rest", at - math.log(FACTOR), min(at + math.log(FACTOR), math.log(0.98)), at, weight=weight)
    if value < 0.1:
        at = math.log(value)
        return Dim(name, "log", at - math.log(FACTOR), at + math.log(FACTOR), at, weight=weight)
    return Dim(name, "even", min(0.02, value), max(0.98, value), value, weight=weight)


def _told(constant: Constant, given: object) -> Dim:
    """A person's own range or choices."""
    name = constant.name
    if isinstance(given, Mapping):
        low, high = _limits(name, given)
        scale = "log" if given.get("log", low > 0) and low > 0 else "even"
        ends = [_at(scale, low), _at(scale, high)]
        now = _at(scale, float(constant.value)) if isinstance(constant.value, int | float) else None
        a, b = (float(e) for e in ends if e is not None)
        integer = isinstance(constant.value, int) and not isinstance(constant.value, bool)
        return Dim(name, scale, a, b, min(max(a if now is None else now, a), b), integer=integer, weight=HEAVY)
    assert isinstance(given, Sequence)
    choices = tuple(given)
    now = next((i for i, c in enumerate(choices) if c == constant.value and type(c) is type(constant.value)), 0)
    return Dim(name, "choice", 0, len(choices) - 1, float(now), choices=choices, weight=HEAVY)


def _limits(name: str, given: Mapping[str, object]) -> tuple[float, float]:
    low, high = given.get("low"), given.get("high")
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not low < high:
        raise SwarmError(f"the tuner's range of {name} needs a low and a higher high.", '{"low": 0.01, "high": 0.1}')
    return float(low), float(high)


def _read_here(name: str, found: Iterable[str], gpu: bool) -> bool:
    """Of a pair NAME, NAME_GPU one is read on this machine."""
    names = set(found)
    if name.endswith("_GPU"):
        return gpu or name.removesuffix("_GPU") not in names
    return not gpu or f"{name}_GPU" not in names


def _at(scale: str, value: float) -> float | None:
    if scale == "even":
        return float(value)
    if scale == "rest":
        return math.log(1 - value) if value < 1 else None
    if value <= 0:
        return None
    return math.log2(value) if scale == "power" else math.log(value)


def _rounded(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")
