"""Loss curves for simulated runs, drawn from real ones (`bench.curves`).

A value of a constant gets the curve of a real change whose final effect, in units of the noise, is among the nearest to its
own: with all that is misleading about it. What is drawn for a value stays so for the whole landscape; the effects of several
constants on the curve add up, as those on the score nearly do.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.sim.landscape import ORIGIN, Landscape, Values
from swarm.runner.curve import MARKS, Point

NEAREST = 7
BASE = 3.0  # nats per token; only differences matter
UNIT = 0.03  # nats: the noise of a curve at any mark


@dataclass(frozen=True)
class Change:
    """A real change in units of the noise: its final effect (+ is worse), and that on the loss at each mark."""

    final: float
    at: Mapping[float, float]


def changes_of(
    found: Mapping[
        str, tuple[Sequence[tuple[float, Mapping[float, float]]], Sequence[tuple[float, Mapping[float, float]]]]
    ],
) -> tuple[Change, ...]:
    """From what was measured: by file, (score, curve) of its own runs and of its changes."""
    changes = []
    for own, changed in found.values():
        scores = [score for score, _ in own]
        marks = [n / MARKS for n in range(1, MARKS) if all(n / MARKS in curve for _, curve in [*own, *changed])]
        spread = {m: (statistics.fmean(c[m] for _, c in own), statistics.stdev(c[m] for _, c in own)) for m in marks}
        for score, curve in changed:
            final = (score - statistics.fmean(scores)) / statistics.stdev(scores)
            changes.append(Change(final, {m: (curve[m] - centre) / sd for m, (centre, sd) in spread.items()}))
    return tuple(changes)


@dataclass
class Drawn:
    """The curves of one landscape."""

    changes: tuple[Change, ...]
    seed: int
    _of: dict[tuple[str, int], Change] = field(default_factory=dict)

    def curve(self, landscape: Landscape, values: Values, rng: random.Random) -> list[Point]:
        """One run's loss at each mark."""
        noise = landscape.assumptions.noise
        moved = [
            self._drawn(name, value, -landscape.effect(name, value) / noise)
            for name, value in values.items()
            if value != ORIGIN
        ]
        marks = sorted(set.intersection(*(set(c.at) for c in self.changes)))
        return [(m, BASE + 3 * (1 - m) + UNIT * (sum(c.at[m] for c in moved) + rng.gauss(0, 1))) for m in marks]

    def _drawn(self, name: str, value: int, final: float) -> Change:
        """A change without any effect has none on the curve either."""
        if final == 0:
            return Change(0.0, dict.fromkeys(self.changes[0].at, 0.0) | {m: 0.0 for c in self.changes for m in c.at})
        if (name, value) not in self._of:
            near = sorted(self.changes, key=lambda change: abs(change.final - final))[:NEAREST]
            self._of[name, value] = random.Random(f"curve {self.seed} {name} {value}").choice(near)
        return self._of[name, value]
