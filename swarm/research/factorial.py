"""What a factorial wave says: main effects, two-way interactions, the best cell. Everything is a loss: lower is better.

Effects are those of Box, Hunter & Hunter, Statistics for Experimenters (2nd ed., ch. 5): of a factor with two levels the
mean at the second minus the mean at the first, of a pair of these half the difference of the one's effects at the other's
levels. With more levels it is each level's mean against the mean of all. They are found by least squares on sum-to-zero
columns (Searle, Linear Models, ch. 5), each cell weighted by its runs, so that cells may be missing; what the cells that
are there cannot tell is None. Standard errors come from the noise of the hardware class, not from the residuals: a wave is
small, the class has seen many repeats.

The value of a cell is shrunk towards what the factors say without their interactions, and these towards no effect, each
by the spread that noise does not explain (empirical Bayes, positive part: Efron & Morris, Journal of the American
Statistical Association 70, 1975). Without that, the best of many cells is the luckiest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from swarm.research.judging import Belief, p_less
from swarm.research.squares import SMALL, Row, gram, independent, inverse, quadratic

Levels: TypeAlias = tuple[int, ...]
COLUMNS = 200  # of the design matrix: pairs of many levels are not looked at beyond that


@dataclass(frozen=True)
class Cell:
    """A measured combination: which level of each factor, the mean of its `n` runs."""

    levels: Levels
    mean: float
    n: int


@dataclass(frozen=True)
class Effect:
    """`p`: the probability that it makes the loss smaller."""

    value: float
    se: float
    p: float


@dataclass(frozen=True)
class Main:
    """One factor. `levels`: each level against the mean of all; `change`: second minus first, where there are two."""

    levels: tuple[Effect | None, ...]
    change: Effect | None


@dataclass(frozen=True)
class Pair:
    """How two factors change each other's effects. `at`: the levels where it is clearest; `sure`: beyond chance at 5 %."""

    factors: tuple[int, int]
    at: tuple[int, int]
    effect: Effect
    sure: bool


@dataclass(frozen=True)
class Analysis:
    """`cells`: what is believed of each measured cell, in the order given; `best`: which of them is lowest."""

    main: tuple[Main, ...]
    pairs: tuple[Pair, ...]
    cells: tuple[Belief, ...]
    best: int | None


def design(counts: Sequence[int]) -> list[Levels]:
    """All combinations of so many levels each; the last factor changes fastest."""
    return list(itertools.product(*(range(n) for n in counts)))


def analyse(counts: Sequence[int], cells: Sequence[Cell], sd: float) -> Analysis:
    """What these cells say. `counts`: levels of each factor; `sd`: of one run about another of the same commit (may be 0)."""
    if not cells:
        return Analysis(tuple(Main((None,) * n, None) for n in counts), (), (), None)
    there = [sorted({c.levels[f] for c in cells}) for f in range(len(counts))]
    columns = _columns(there)
    fit = _Fit(columns, there, cells, sd)
    main = tuple(_main(fit, f, n) for f, n in enumerate(counts))
    pairs = (_pair(fit, a, b) for a, b in itertools.combinations(range(len(counts)), 2))
    beliefs = _shrunk(columns, there, cells, sd)
    best = min(range(len(cells)), key=lambda i: (beliefs[i].m, i))
    return Analysis(main, tuple(p for p in pairs if p is not None), beliefs, best)


# --- effects ------------------------------------------------------------------------------------------------------


def _main(fit: _Fit, factor: int, count: int) -> Main:
    there = fit.there[factor]
    rows = {level: fit.part({factor: level}) for level in there}
    levels = tuple(fit.effect(rows[level]) if level in rows and len(there) > 1 else None for level in range(count))
    if count != 2 or len(there) != 2:
        return Main(levels, None)
    return Main(levels, fit.effect(_sum(rows[1], rows[0], -1.0)))


def _pair(fit: _Fit, a: int, b: int) -> Pair | None:
    """Of two factors with two levels the classic effect; else the combination farthest from the two's sum."""
    found = []
    for i, j in itertools.product(fit.there[a], fit.there[b]):
        effect = fit.effect(fit.part({a: i, b: j}))
        if effect is not None:
            found.append((effect, (i, j)))
    if not found:
        return None
    two = len(fit.there[a]) == len(fit.there[b]) == 2
    if two:
        effect, at = found[-1]
        effect = Effect(2 * effect.value, 2 * effect.se, effect.p)
    else:
        effect, at = max(found, key=lambda pair: (_clear(pair[0]), -found.index(pair)))
    chance = 2 * min(effect.p, 1 - effect.p) * (1 if two else len(found))
    return Pair((a, b), at, effect, chance < 0.05 and abs(effect.value) > SMALL)


def _clear(effect: Effect) -> float:
    return abs(effect.value) / effect.se if effect.se else math.inf if abs(effect.value) > SMALL else 0.0


# --- least squares ------------------------------------------------------------------------------------------------


def _columns(there: Sequence[Sequence[int]]) -> dict[tuple[tuple[int, int], ...], int]:
    """A number for the mean, each factor's levels but the last, and each pair of these (small ones first)."""
    single = [[((f, level),) for level in levels[:-1]] for f, levels in enumerate(there)]
    names: list[tuple[tuple[int, int], ...]] = [(), *itertools.chain.from_iterable(single)]
    for one, other in sorted(itertools.combinations(single, 2), key=lambda pair: len(pair[0]) * len(pair[1])):
        if len(names) + len(one) * len(other) <= COLUMNS:
            names += [x + y for x, y in itertools.product(one, other)]
    return {name: number for number, name in enumerate(names)}


def _coded(there: Sequence[int], factor: int, level: int) -> dict[tuple[int, int], float]:
    """Sum-to-zero: a level is its own column, the last one minus all of them."""
    if level != there[-1]:
        return {(factor, level): 1.0}
    return {(factor, other): -1.0 for other in there[:-1]}


def _sum(a: Row, b: Row, times: float) -> Row:
    return {k: a.get(k, 0.0) + times * b.get(k, 0.0) for k in {*a, *b}}


class _Fit:
    """The weighted least squares of the mean, all factors and all pairs; columns that others make up are left out."""

    def __init__(
        self,
        columns: Mapping[tuple[tuple[int, int], ...], int],
        there: Sequence[Sequence[int]],
        cells: Sequence[Cell],
        sd: float,
    ) -> None:
        self.columns, self.there, self.sd = columns, there, sd
        rows = [self.row(c.levels) for c in cells]
        normal = gram(rows, [c.n for c in cells], len(columns))
        self.kept = independent(normal)
        self.inverse = inverse([[normal[i][j] for j in self.kept] for i in self.kept])
        right = [
            math.fsum(c.n * c.mean * row.get(k, 0.0) for c, row in zip(cells, rows, strict=True)) for k in self.kept
        ]
        self.beta = [math.fsum(a * b for a, b in zip(line, right, strict=True)) for line in self.inverse]
        self.lost = self._confounded(normal)

    def row(self, levels: Levels) -> Row:
        """A cell's line of the matrix."""
        line = {self.columns[()]: 1.0}
        for f in range(len(levels)):
            line |= self.part({f: levels[f]})
        for a, b in itertools.combinations(range(len(levels)), 2):
            line |= self.part({a: levels[a], b: levels[b]})
        return {k: v for k, v in line.items() if v}

    def part(self, at: Mapping[int, int]) -> Row:
        """What a factor's level, or a pair of them, adds to a line: also the contrast that measures it."""
        coded = [_coded(self.there[f], f, level) for f, level in at.items()]
        line: Row = {}
        for names in itertools.product(*coded):
            number = self.columns.get(tuple(names))
            if number is not None:
                line[number] = math.prod(coded[i][name] for i, name in enumerate(names))
        return line

    def effect(self, contrast: Row) -> Effect | None:
        """Its value; None where the cells cannot tell it from another, or there is nothing to it."""
        if not contrast or any(k in self.lost for k, v in contrast.items() if v):
            return None
        c = [contrast.get(k, 0.0) for k in self.kept]
        value = math.fsum(x * b for x, b in zip(c, self.beta, strict=True))
        se = self.sd * math.sqrt(max(0.0, quadratic(c, self.inverse)))
        return Effect(value, se, _p(value, se))

    def _confounded(self, normal: Sequence[Sequence[float]]) -> set[int]:
        """Columns that say nothing: those left out, and of the factors' own those that a left-out one is made of.

        A pair's column that was left out is taken to be zero, as usual: few pairs matter.
        """
        out = [k for k in range(len(normal)) if k not in set(self.kept)]
        own = {number for name, number in self.columns.items() if len(name) == 1}
        lost = set(out)
        for k in (k for k in out if k in own):
            right = [normal[i][k] for i in self.kept]
            made_of = [math.fsum(a * b for a, b in zip(line, right, strict=True)) for line in self.inverse]
            lost |= {i for i, share in zip(self.kept, made_of, strict=True) if i in own and abs(share) > SMALL}
        return lost


def _p(value: float, se: float) -> float:
    return p_less(Belief(value, se * se), Belief(0.0, 0.0)) if abs(value) > SMALL or se else 0.5


# --- cells --------------------------------------------------------------------------------------------------------


def _shrunk(
    columns: Mapping[tuple[tuple[int, int], ...], int],
    there: Sequence[Sequence[int]],
    cells: Sequence[Cell],
    sd: float,
) -> tuple[Belief, ...]:
    """Each cell: the mean, the factors' effects as far as they stand out of the noise, and so of its own departure."""
    names = [name for name in columns if len(name) <= 1]
    fit = _Fit({name: n for n, name in enumerate(names)}, there, cells, sd)
    lines = [[fit.row(c.levels).get(k, 0.0) for k in fit.kept] for c in cells]
    fitted = [math.fsum(x * b for x, b in zip(line, fit.beta, strict=True)) for line in lines]
    spread = _unexplained(cells, fitted, len(fit.kept), sd)
    effects = [{level: fit.effect(fit.part({f: level})) for level in levels} for f, levels in enumerate(there)]
    trust = [_trust([e for e in of.values() if e is not None]) for of in effects]
    found = []
    for c, line, mean in zip(cells, lines, fitted, strict=True):
        own = sd * sd / c.n
        doubt = sd * sd * quadratic(line, fit.inverse)
        weight = spread / (spread + own) if spread + own > 0.0 else 1.0
        mine = [(e, t) for of, level, t in zip(effects, c.levels, trust, strict=True) if (e := of[level]) is not None]
        m = mean + weight * (c.mean - mean) - math.fsum((1 - t) * e.value for e, t in mine)
        sure = max(0.0, doubt - math.fsum((1 - t) * e.se**2 for e, t in mine))
        found.append(Belief(m, sure + weight * max(0.0, own - doubt)))
    return tuple(found)


def _trust(effects: Sequence[Effect]) -> float:
    """How much of a factor's effects is believed: what of their squares noise alone does not explain (positive part)."""
    squares = math.fsum(e.value**2 for e in effects)
    return max(0.0, 1 - math.fsum(e.se**2 for e in effects) / squares) if squares > 0.0 else 1.0


def _unexplained(cells: Sequence[Cell], fitted: Sequence[float], columns: int, sd: float) -> float:
    """The variance of cells about the factors' sum beyond noise, by moments; with nothing left to see it, noise's own."""
    free = len(cells) - columns
    if free <= 0:
        return sd * sd
    squares = math.fsum(c.n * (c.mean - m) ** 2 for c, m in zip(cells, fitted, strict=True))
    runs = math.fsum(c.n for c in cells) / len(cells)
    return max(0.0, (squares / free - sd * sd) / runs)
