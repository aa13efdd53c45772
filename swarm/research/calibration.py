"""How well an agent foresees what its changes do: what it expected against what was measured. Pure.

The score of a probability forecast is the Brier score, the mean of (p − outcome)² (G. W. Brier, Verification of forecasts
expressed in terms of probability, Monthly Weather Review 78, 1950): 0 is perfect, 0.25 is what always saying 0.5 gets. The
outcome is whether the change was better than its parent. Changes of the score are compared with the *shrunk* effect.

None of this reaches a verdict: whether a change is kept is settled by its runs alone. An author's hopes are no
measurement, an agent that expects too much would otherwise talk its own changes into being kept, and one that is rarely
right could not be right for once. A forecast only orders what waits to be measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

ENOUGH = 5  # predictions, before anything is made of them
PRIOR = 5.0  # predictions' worth of doubt in `believed`
MOST = 3.0  # times what was expected that is believed at most


@dataclass(frozen=True)
class Calibration:
    """Running sums over the judged predictions of one agent. `x`: the expected change of the score, `y`: the shrunk one."""

    n: int = 0  # predictions of a change
    error: float = 0.0  # Σ (y − x)
    x: float = 0.0  # Σ |x|
    xx: float = 0.0  # Σ x²
    xy: float = 0.0  # Σ xy
    np: int = 0  # predictions with a probability
    squares: float = 0.0  # Σ (p − outcome)²

    @property
    def bias(self) -> float | None:
        """Mean of measured minus expected, in units of the score; None without a prediction."""
        return self.error / self.n if self.n else None

    @property
    def brier(self) -> float | None:
        """The Brier score, 0..1; None where no probability was given."""
        return self.squares / self.np if self.np else None

    @property
    def slope(self) -> float | None:
        """What comes of an expectation on average: measured over expected, by least squares through the origin."""
        return self.xy / self.xx if self.xx > 0 else None

    def of_change(self, x: float, y: float) -> Calibration:
        """With one more: `x` was expected, `y` measured."""
        return replace(
            self, n=self.n + 1, error=self.error + y - x, x=self.x + abs(x), xx=self.xx + x * x, xy=self.xy + x * y
        )

    def of_chance(self, p: float, better: bool) -> Calibration:
        """With one more: better with probability `p` it was said to be."""
        return replace(self, np=self.np + 1, squares=self.squares + (p - float(better)) ** 2)


def believed(expect: float, known: Calibration) -> tuple[float, float]:
    """The change to reckon with where an agent expects `expect`, and how much the forecast counts (0..1).

    The regression of outcome on expectation, shrunk towards nothing: without a history an expectation says nothing.
    Orders queues; never for verdicts (see above).
    """
    weight = known.n / (known.n + PRIOR)
    slope = known.slope
    if slope is None or not math.isfinite(slope):
        return 0.0, 0.0
    return weight * max(-MOST, min(MOST, slope)) * expect, weight


def clause(expect: float | None, effect: float | None, known: Calibration) -> str:
    """What an agent is told with a result: `you expected −0.002, it was +0.0004; over 12 you expect 3× too much`."""
    if expect is None:
        return ""
    was = f", it was {_signed(effect)}" if effect is not None else ", and nothing was measured"
    habit = habits(known)
    return f"you expected {_signed(expect)}{was}{f'; over {known.n} you {habit}' if habit else ''}"


def habits(known: Calibration) -> str:
    """`expect 3× too much`, from ENOUGH predictions on; empty before."""
    slope = known.slope
    if known.n < ENOUGH or slope is None:
        return ""
    if slope <= 0.1:
        return "foresee nothing of what is measured"
    if slope < 0.8:
        return f"expect {1 / slope:.1f}× too much"
    return f"expect {slope:.1f}× too little" if slope > 1.25 else "expect about what comes"


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")
