"""Deciding under noise. Everything here is a loss: lower is better.

The posterior of an effect under a normal prior is the textbook one (Gelman et al., Bayesian Data Analysis, 3rd ed., ch. 2);
under the prior that was fitted to the campaign: `effects.py`. Showing the shrunk value instead of the raw one is
the remedy for the optimiser's curse (Smith & Winkler, Management Science 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from swarm.research.effects import Effects, believe
from swarm.research.seeds import Seeds

LIMIT = 1.0  # standard errors by which an estimate is shrunk at most
TIE = (0.45, 0.55)  # P strictly between these is a tie: fewer lines win


@dataclass(frozen=True)
class Belief:
    """A normal posterior: mean and variance."""

    m: float
    v: float


def measured(runs: Sequence[tuple[int, float]], sd: float, seeds: Seeds | None = None) -> Belief:
    """The mean of some runs (seed and loss; at least one) and its variance, without what their seeds do to all alike."""
    if seeds is None:
        return Belief(math.fsum(x for _, x in runs) / len(runs), sd * sd / len(runs))
    seen = [seeds.corrected(seed, loss) for seed, loss in runs]
    weight = math.fsum(1 / v for _, v in seen)
    return Belief(math.fsum(x / v for x, v in seen) / weight, 1 / weight)


def posterior(
    parent: Belief | None,
    mean: float,
    n: int,
    sd: float,
    tau: float,
    limit: float = LIMIT,
    prior: Effects | None = None,
) -> Belief:
    """The parent's belief widened by the effect's prior N(0, tau²), updated by the mean of n runs of noise sd.

    Without a parent the prior is flat. `n` is at least 1. An effect far beyond the prior is not shrunk away: the estimate
    stays within `limit` standard errors of the mean of its own runs (limited translation: Efron & Morris, Journal of the
    American Statistical Association 67, 1972). Else a child without any effect would look better than a parent that
    was shrunk too far. A fitted `prior` of effects needs no such limit (its widths reach as far as the finds) and takes the
    place of tau.
    """
    own = sd * sd / n
    if parent is None:
        return Belief(mean, own)
    if prior is not None and own > 0.0:
        return _fitted(parent, mean, own, prior)
    before = parent.v + tau * tau
    if own + before == 0.0:
        return Belief(mean, 0.0)
    weight = before / (before + own)
    shift = (1 - weight) * (parent.m - mean)
    most = limit * math.sqrt(own)
    if abs(shift) > most:
        return Belief(mean + math.copysign(most, shift), own)
    return Belief(mean + shift, weight * own)


def _fitted(parent: Belief, mean: float, own: float, prior: Effects) -> Belief:
    """Parent + effect, seen with an error of variance `own`: of what was seen beyond the effect, the error has its share."""
    whole = own + parent.v
    effect = believe(prior, mean - parent.m, whole)
    share = own / whole
    return Belief(mean - share * (mean - parent.m - effect.m), share * share * effect.v + share * parent.v)


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
