"""What was called best over time, and how good it truly was: curves, and the time to a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Step = tuple[
    float, float, float
]  # seconds, true gain of what is called best from then on, the score it is believed to have
Path = tuple[Step, ...]


def together(paths: Sequence[Sequence[Step]], slots: int) -> Path:
    """Searches side by side: at any time the one that believes its best to score lowest. Seconds become GPU-seconds."""
    events = sorted((at, number, gain, score) for number, path in enumerate(paths) for at, gain, score in path)
    latest: dict[int, tuple[float, float]] = {}  # believed score and gain, by search
    steps: list[Step] = []
    for at, number, gain, score in events:
        latest[number] = (score, gain)
        best, called = min(latest.values())
        if not steps or steps[-1][1:] != (called, best):
            steps.append((at * slots, called, best))
    return tuple(steps)


def thinned(path: Sequence[Step]) -> Path:
    """Only the steps at which another gain is called best."""
    return tuple(step for before, step in pairwise([(0.0, math.nan, 0.0), *path]) if step[1] != before[1])


def gains_at(path: Sequence[Step], moments: Sequence[float]) -> list[float]:
    """The true gain of what is called best at each of these moments, which ascend; nothing is called best at first."""
    found, number, gain = [], 0, 0.0
    for moment in moments:
        while number < len(path) and path[number][0] <= moment:
            gain = path[number][1]
            number += 1
        found.append(gain)
    return found


def reached(path: Sequence[Step], target: float) -> float:
    """The moment from which what is called best is truly worth `target` and stays so; infinity where it never is.

    Who was there by luck and went back to something worse was not there.
    """
    since = math.inf
    for at, gain, _ in path:
        since = min(since, at) if gain >= target else math.inf
    return since
