"""Deciding under noise. Everything here is a loss: lower is better.

The posterior of an effect under a normal prior, and the pooled standard deviation of repeated measurements, are the
textbook ones (Gelman et al., Bayesian Data Analysis, 3rd ed., ch. 2). Showing the shrunk value instead of the raw one is
the remedy for the optimiser's curse (Smith & Winkler, Management Science 2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LIMIT = 1.0  # standard errors by which an estimate is shrunk at most
FLOOR = 1e-6  # the noise of what always measures the same: nothing is divided by zero
TIE = (0.45, 0.55)  # P strictly between these is a tie: fewer lines win


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one run about another of the same commit, and the degrees of freedom behind it."""

    sd: float
    df: float

    @property
    def exact(self) -> bool:
        """Whether all that was repeated came out the same: a number is then what it is, and no luck to be discounted."""
        return self.df > 0 and self.sd <= FLOOR


@dataclass(frozen=True)
class Belief:
    """A normal posterior: mean and variance."""

    m: float
    v: float


def pooled(
    groups: Iterable[Sequence[float]], prior_sd: float | None = None, prior_df: float = 2.0, floor: float = FLOOR
) -> Noise:
    """Pooled sd of groups of repeated measurements: s² = Σ(nᵢ−1)sᵢ² / Σ(nᵢ−1), with a weak prior if one is given."""
    squares, df = (prior_sd**2 * prior_df, prior_df) if prior_sd is not None else (0.0, 0.0)
    for group in groups:
        if len(group) < 2:
            continue
        mean = math.fsum(group) / len(group)
        squares += math.fsum((x - mean) ** 2 for x in group)
        df += len(group) - 1
    return Noise(max(floor, math.sqrt(squares / df)) if df else floor, df)


def posterior(parent: Belief | None, mean: float, n: int, sd: float, tau: float) -> Belief:
    """The parent's belief widened by the effect's prior N(0, tau²), updated by the mean of n runs of noise sd.

    Without a parent the prior is flat. `n` is at least 1. An effect far beyond the prior is not shrunk away: the estimate
    stays within LIMIT standard errors of the mean of its own runs (limited translation: Efron & Morris, Journal of the
    American Statistical Association 67, 1972). Else a child without any effect would look better than a parent that
    was shrunk too far.
    """
    own = sd * sd / n
    if parent is None:
        return Belief(mean, own)
    prior = parent.v + tau * tau
    if own + prior == 0.0:
        return Belief(mean, 0.0)
    weight = prior / (prior + own)
    shift = (1 - weight) * (parent.m - mean)
    most = LIMIT * math.sqrt(own)
    if abs(shift) > most:
        return Belief(mean + math.copysign(most, shift), own)
    return Belief(mean + shift, weight * own)


def p_better(mean: float, n: int, parent: Belief, sd: float) -> float:
    """P(the change is better than its parent) with a neutral prior, from the mean of its n runs."""
    return _below(mean - parent.m, sd * sd / n + parent.v)


def p_less(a: Belief, b: Belief) -> float:
    """P(a < b), the two taken as independent."""
    return _below(a.m - b.m, a.v + b.v)


def _below(difference: float, variance: float) -> float:
    """P(X < 0) for X normal. Without variance the sign decides."""
    if variance <= 0.0:
        return 1.0 if difference < 0 else 0.5 if difference == 0 else 0.0
    return 0.5 * math.erfc(difference / math.sqrt(2 * variance))


def verdict(p: float, lines: int) -> str:
    """keep or discard; at a tie a change that removes lines is kept and one that adds lines is not."""
    if TIE[0] < p < TIE[1] and lines != 0:
        return "keep" if lines < 0 else "discard"
    return "keep" if p >= 0.5 else "discard"


def detectable(sd: float, n: int = 1) -> float:
    """The difference that n runs against n runs tell apart at 5 % (one-sided) with power 0.8: 2.49 sd sqrt(2/n)."""
    return 2.49 * sd * math.sqrt(2.0 / n)
