"""What a tuner alone would have found for the same GPU time: the accounting of a live control, and the comparison.

The control is small beside the swarm, so at any moment both are compared at what the smaller one has used: each with what
it called best when it had used so many seconds of slots. What was called best then is valued by all that is known of it now.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarm.research.judging import Belief, p_less

Span = tuple[float, float]  # from, to: a slot in use, in seconds of one clock
AHEAD = 0.95  # P from which one of the two is called ahead


@dataclass(frozen=True)
class Promoted:
    """What was best from `at` on, until it was taken back (None: it stands)."""

    experiment: str
    at: float
    withdrawn: float | None


@dataclass(frozen=True)
class Comparison:
    """At `seconds` of slots each: what each called best, what is believed of it, P(the swarm's is better)."""

    seconds: float
    control: str
    swarm: str
    control_is: Belief
    swarm_is: Belief
    p: float


def due(used: float, coming: float, whole: float, share: float) -> bool:
    """Whether the control is given the next free slot: what it used and what its runs under way will take (slot-seconds)
    is less than its share of the `whole` that was used, by everybody."""
    return share > 0 and used + coming < share * whole


def spent(spans: Iterable[Span], at: float) -> float:
    """Slot-seconds used until a moment; of what goes on then, the part until then."""
    return math.fsum(min(end, at) - start for start, end in spans if start < at)


def moment(spans: Sequence[Span], seconds: float) -> float | None:
    """When so many slot-seconds had been used for the first time; None when that was never so."""
    edges = sorted(
        [(start, 1) for start, end in spans if end > start] + [(end, -1) for start, end in spans if end > start]
    )
    going, used, last = 0, 0.0, edges[0][0] if edges else 0.0
    if seconds <= 0:
        return last
    for at, change in edges:
        step = going * (at - last)
        if used + step >= seconds:
            return last + (seconds - used) / going
        used, going, last = used + step, going + change, at
    return last if math.isclose(used, seconds) else None  # rounding at the very end


def best_at(promotions: Iterable[Promoted], at: float, baseline: str) -> str:
    """What was called best at a moment: the last promotion until then that had not been taken back by then."""
    best = baseline
    for p in sorted(promotions, key=lambda p: p.at):
        if p.at <= at and (p.withdrawn is None or p.withdrawn > at):
            best = p.experiment
    return best


def equal_hours(control: Sequence[Span], swarm: Sequence[Span]) -> tuple[float, float, float] | None:
    """Slot-seconds that both have used, and the moments at which the control and the swarm had. None: one used nothing."""
    most = min(spent(control, math.inf), spent(swarm, math.inf))
    if most <= 0:
        return None
    mine, theirs = moment(control, most), moment(swarm, most)
    return None if mine is None or theirs is None else (most, mine, theirs)


def compared(seconds: float, control: tuple[str, Belief], swarm: tuple[str, Belief]) -> Comparison:
    """Both beliefs are losses. The same experiment (the baseline, while neither found anything) is no better than itself."""
    p = 0.5 if control[0] == swarm[0] else p_less(swarm[1], control[1])
    return Comparison(seconds, control[0], swarm[0], control[1], swarm[1], p)


def word(p: float) -> str:
    """The outcome in a few words."""
    return "swarm" if p >= AHEAD else "control" if p <= 1 - AHEAD else "none"
