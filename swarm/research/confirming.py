"""When a candidate for best has been measured often enough. A sequential test by posterior bounds, looked at after each run.

Strict gates cost more than false records do: one confirming run and even odds keep the gain (docs/notes). So it goes on only
between two bounds on P(better than best), and ends with `most` runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Gate:
    """Promoted from `runs` runs on with P(better) of at least `p`; under `drop`, or after `most` runs, it did not hold."""

    runs: int = 2
    most: int = 4
    p: float = 0.5
    drop: float = 0.3


def decide(n: int, p: float, gate: Gate) -> Literal["promote", "drop", "again"]:
    """What becomes of a candidate after `n` runs."""
    if n >= gate.runs and p >= gate.p:
        return "promote"
    if n >= max(gate.most, gate.runs) or (n >= gate.runs and p < gate.drop):
        return "drop"
    return "again"
