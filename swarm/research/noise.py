"""The spread of repeated runs: what another seed does, what the same seed does again, and what is believed of few of them.

One-way variance components by the method of moments, unbalanced (Searle, Casella & McCulloch, Variance Components, 1992,
ch. 3), each pooled over the commits that were measured more than once; their degrees of freedom after Satterthwaite
(Biometrics Bulletin 2, 1946). Everything is in the units of the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FLOOR = 1e-6  # the noise where nothing is known of it
SURE = 2.0  # degrees of freedom from which runs that are all alike say that nothing is noisy
GUESS = 0.002  # the noise of a run that nothing is known of, as a share of the score: public runs, and the template's


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one run about another of the same commit, and the degrees of freedom behind it.

    `exact`: all that was repeated came out the same: a number is then what it is, and no luck to be discounted.
    `seed`, `repeat`: what of it is the seed's, and what the same seed shows again; None where no seed was repeated.
    """

    sd: float
    df: float
    exact: bool = False
    seed: float | None = None
    repeat: float | None = None


@dataclass
class Squares:
    """Sums over commits: squares between the seeds of a commit and within a seed. Two of them add up."""

    between: float = 0.0
    between_df: float = 0.0
    within: float = 0.0
    within_df: float = 0.0
    size: float = 0.0  # Σ (N − Σ nᵢ²/N): so many runs a seed, times the degrees of freedom between

    def add(self, other: Squares, times: int = 1) -> None:
        """Add what another commit shows; `times` -1 takes it away again."""
        self.between += times * other.between
        self.between_df += times * other.between_df
        self.within += times * other.within
        self.within_df += times * other.within_df
        self.size += times * other.size


def squares(runs: Mapping[int, Sequence[float]]) -> Squares:
    """Of one commit: its scores by seed."""
    groups = [g for g in runs.values() if g]
    total = sum(len(g) for g in groups)
    if total < 2:
        return Squares()
    mean = math.fsum(x for g in groups for x in g) / total
    means = [math.fsum(g) / len(g) for g in groups]
    within = math.fsum((x - m) ** 2 for g, m in zip(groups, means, strict=True) for x in g)
    between = math.fsum(len(g) * (m - mean) ** 2 for g, m in zip(groups, means, strict=True))
    alike = len({x for g in groups for x in g}) == 1  # a mean of equal numbers may differ from them in the last bit
    return Squares(
        0.0 if alike else between, len(groups) - 1, 0.0 if alike else within, total - len(groups),
        total - math.fsum(len(g) ** 2 for g in groups) / total,
    )  # fmt: skip


def noise(found: Squares, guess: float = 0.0, df: float = 2.0) -> Noise:
    """The spread of one run about another with another seed.

    `guess` (worth `df` degrees of freedom) keeps a few runs that were alike by luck from being believed: it raises what
    was found, and never lowers it. Where SURE says that nothing is noisy it has no say. The guess 0 is none.
    """
    if found.between == 0.0 and found.within == 0.0 and found.between_df >= SURE:
        return Noise(min(FLOOR, 1e-9 * guess) if guess > 0.0 else FLOOR, found.between_df, exact=True)
    variance, known, seed, repeat = _components(found)
    if guess > 0.0:
        variance = max(variance, (df * guess * guess + known * variance) / (df + known))
    return Noise(math.sqrt(variance) if variance > 0.0 else FLOOR, known, False, seed, repeat)


def _components(found: Squares) -> tuple[float, float, float | None, float | None]:
    """Variance of a run, its degrees of freedom, sd of the seed and of the same seed."""
    if found.within_df == 0:
        return (found.between / found.between_df if found.between_df else 0.0), found.between_df, None, None
    within = found.within / found.within_df
    if found.between_df == 0:
        return within, found.within_df, None, math.sqrt(within)
    between, runs = found.between / found.between_df, found.size / found.between_df
    seed = (between - within) / runs
    if seed <= 0.0:  # the seed shows nothing: all runs are of one kind
        df = found.between_df + found.within_df
        variance = (found.between + found.within) / df
        return variance, df, 0.0, math.sqrt(variance)
    a, b = between / runs, (1.0 - 1.0 / runs) * within
    df = (a + b) ** 2 / (a * a / found.between_df + b * b / found.within_df)
    return seed + within, df, math.sqrt(seed), math.sqrt(within)


def pooled(
    groups: Iterable[Sequence[float]], prior_sd: float | None = None, prior_df: float = 2.0, floor: float = FLOOR
) -> Noise:
    """Pooled sd of groups of repeated measurements: s² = Σ(nᵢ−1)sᵢ² / Σ(nᵢ−1), with a weak prior if one is given."""
    total = Squares()
    for group in groups:
        total.add(squares(dict(enumerate([x] for x in group))))
    found = noise(total, prior_sd or 0.0, prior_df)
    return Noise(max(floor, found.sd), found.df, found.exact)
