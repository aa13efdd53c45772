"""Whether a run that is still going can be given up, from the loss it has printed so far. Pure; losses, lower is better.

Three rules. The median stopping rule is Google Vizier's (Golovin et al., KDD 2017, section 3.2.2). Successive halving is
the asynchronous one (Li et al., MLSys 2020) in its stopping form: nothing is paused and taken up again, what is not among
the best at a rung ends there. The third compares with the parent's own curve: an agent's change differs from its parent
in one thing, so the parent is the nearest there is to what the run would have been without it.

None of them sees what a change of the schedule does: a longer warmdown makes the early loss worse and the last one
better. Nor are losses per token comparable where the vocabulary changes. `docs/notes/2026-11-21-early.md` has figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from swarm.research.noise import Noise

Kind = Literal["median", "halving", "parent"]
Curve = Mapping[float, float]  # share of the budget → loss
DEFAULTS: Mapping[Kind, float] = {"median": 0.5, "halving": 3.0, "parent": 12.0}
LEAST = 5  # other runs, before one is compared with them
LEAST_DF = 3  # degrees of freedom of the noise, before anything is given in its units
STEP = 0.05  # marks of a curve lie at multiples of it


@dataclass(frozen=True)
class Rule:
    """`by`: median: the share of the others that must be better (0.5: half of them); halving: of how many one goes on;
    parent: by how many standard deviations of the noise at that mark it must be worse. Nothing ends before `since`.
    """

    kind: Kind
    by: float
    since: float = 0.3

    def due(self, mark: float) -> bool:
        """Whether a curve is looked at where this share of the budget is used up."""
        if mark < self.since - 1e-9 or mark > 1 - STEP / 2:
            return False
        return self.kind != "halving" or any(abs(mark - rung) < 1e-9 for rung in rungs(self.by))


def rungs(of: float) -> list[float]:
    """The shares 1/of, 1/of², … of the budget, each at the next mark."""
    found = []
    share = 1 / of
    while share >= STEP:
        found.append(math.ceil(share / STEP - 1e-9) * STEP)
        share /= of
    return found


def by_median(mine: Curve, others: Sequence[Curve], mark: float, share: float = 0.5) -> float | None:
    """What the run had to reach by `mark` and did not: that share of the others' averages up to there; else None.

    Vizier's rule: its best so far against the median of the others' running averages. Averages are over the marks that
    all of them have.
    """
    means = []
    for other in others:
        until = [loss for at, loss in other.items() if at <= mark + 1e-9]
        if mark in other:
            means.append(math.fsum(until) / len(until))
    best = min((loss for at, loss in mine.items() if at <= mark + 1e-9), default=None)
    if best is None or len(means) < LEAST:
        return None
    bar = quantile(means, share)
    return bar if best > bar else None


def by_halving(mine: Curve, others: Sequence[Curve], mark: float, of: float) -> float | None:
    """The loss of the last that goes on at this rung, where the run is not among the best 1/`of` of all that came there."""
    there = sorted([other[mark] for other in others if mark in other])
    if mark not in mine or len(there) < LEAST:
        return None
    places = max(1, math.floor((len(there) + 1) / of))
    bar = there[places - 1]
    return bar if mine[mark] > bar else None


def by_parent(mine: Curve, parents: Sequence[Curve], mark: float, noise: Noise, by: float) -> float | None:
    """The mean loss of its parent's runs at this mark, where the run is worse by more than `by` units of noise."""
    theirs = [curve[mark] for curve in parents if mark in curve]
    if mark not in mine or not theirs or noise.df < LEAST_DF:
        return None
    mean = math.fsum(theirs) / len(theirs)
    worse = mine[mark] - mean > by * noise.sd * math.sqrt(1 + 1 / len(theirs))
    return mean if worse else None


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies (between two of them: a straight line)."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def why(rule: Rule, mark: float, loss: float, bar: float) -> str:
    """The reason as people and agents read it."""
    whose = {
        "median": f"{rule.by:.0%} of the others had {bar:.4g} or less on average by then",
        "halving": f"the best one in {rule.by:g} had {bar:.4g} or less",
        "parent": f"its parent had {bar:.4g}",
    }
    where = {"median": ", and ", "halving": " where ", "parent": " where "}
    return f"ended at {100 * mark:.0f} % of its budget: loss {loss:.4g}{where[rule.kind]}{whose[rule.kind]}"
