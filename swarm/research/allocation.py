"""What to measure again: where one more run may change which is called best, and is worth most when it does.

The knowledge gradient for independent normal beliefs (Frazier, Powell & Dayanik, INFORMS Journal on Computing 21, 2009): how
much lower the best mean is expected to be after one more run of an option. Like OCBA's ratios (Chen et al., Discrete Event
Dynamic Systems 10, 2000) it looks at close rivals and at what is uncertain, and needs no budget named beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WORTH = 0.01  # of the noise of a run: an expected gain below that is none
FAR = 3.0  # standard deviations by which a result misses what was expected of it: a surprise


@dataclass(frozen=True)
class Option:
    """Something measured `n` times: its belief (mean and variance; lower is better), and the variance of one run."""

    ident: str
    m: float
    v: float
    error: float
    n: int
    expected: float | None = None  # what its author said that it would come to


def gradients(options: Sequence[Option]) -> list[float]:
    """The expected gain of one more run of each option; 0 where there is nothing to compare it with."""
    if len(options) < 2:
        return [0.0] * len(options)
    first, second = sorted(o.m for o in options)[:2]
    out = []
    for o in options:
        moves = math.sqrt(o.v * o.v / (o.v + o.error)) if o.v > 0.0 else 0.0
        rival = second if o.m == first else first
        out.append(moves * _beyond(-abs(o.m - rival) / moves) if moves > 0.0 else 0.0)
    return out


def _beyond(z: float) -> float:
    """E max(0, Z + z) of a standard normal Z: φ(z) + z Φ(z)."""
    return max(0.0, math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) + z * 0.5 * math.erfc(-z / math.sqrt(2)))


def again(options: Sequence[Option], most: int) -> str | None:
    """Which to measure once more, of those measured fewer than `most` times; None when none is worth a run.

    First where it may change what is best, then a claim of one run that nobody expected.
    """
    worth = [(g, o) for g, o in zip(gradients(options), options, strict=True) if o.n < most]
    gain, option = max(worth, key=lambda pair: (pair[0], pair[1].ident), default=(0.0, None))
    if option is not None and gain > WORTH * math.sqrt(option.error):
        return option.ident
    odd = [(miss, o.ident) for _, o in worth if o.n == 1 and (miss := surprise(o)) > FAR]
    return max(odd)[1] if odd else None


def surprise(o: Option) -> float:
    """By how many standard deviations it missed what was expected."""
    spread = math.sqrt(o.v + o.error)
    return abs(o.m - o.expected) / spread if o.expected is not None and spread > 0.0 else 0.0
