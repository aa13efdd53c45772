"""What is searched: constants with true, noise-free effects, made up to look like the public campaigns.

All sizes are in the units of the metric (val_bpb, lower is better). Every figure is an assumption and a parameter.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

ORIGIN = 100  # what every constant is as given: a whole number, moved by steps
FAR = 6  # steps from there that are ever tried
LINE = re.compile(r"^(K\d\d) = (\d+)$", re.M)
Values = Mapping[str, int]  # constants that are not as given


@dataclass(frozen=True)
class Assumptions:
    """The defaults are calibrated to what is public of one GPU's loop; see `docs/notes/2026-11-21-depth.md`."""

    constants: int = 60
    useful: float = 0.4  # share of the constants that can be improved at all
    useless: float = 0.3  # share without any effect; the rest only do harm
    gain: float = 0.003  # mean of the most that a useful constant can gain (exponential)
    reach: int = 3  # steps to its best value: 1 to so many, either way; twice as far is as good as nothing
    harm: float = 0.004  # mean loss per step of a harmful constant (exponential)
    clashes: float = 0.05  # share of the pairs of constants that do not go together
    clash: float = 0.0015  # mean loss when both of such a pair are moved (exponential)
    ceiling: float = 0.06  # gains do not add up beyond this: a sum s is worth ceiling * (1 - exp(-s / ceiling))
    start: float = 1.0  # the baseline's true value
    noise: float = 0.0015  # standard deviation of one run
    alike: float = 0.0  # share of its variance that a seed brings to all files alike; the rest is each file's own
    repeat: float = 0.1  # standard deviation of the same file with the same seed once more, in noise; 0.00017 of 0.002
    crashes: float = 0.03  # share of the values that crash, always
    run: float = 300.0  # seconds of a run
    run_spread: float = 3.0  # its standard deviation
    crash: float = 60.0  # seconds until a crash
    think: float = 60.0  # mean seconds of an agent's thinking; the distribution is log-normal
    think_spread: float = 0.6  # standard deviation of its logarithm
    look: float = 0.25  # seconds between the coordinator's looks: a run waits for one of them, evenly distributed
    follow: float = (
        0.5  # share of the proposals that go on from the last result, where there is something to go on from
    )
    twice: float = 0.15  # share of the proposals that move two constants
    aware: float = 0.5  # probability that an agent knows of a value that another one has tried


class Landscape:
    """One draw of the assumptions. Two landscapes of one seed are the same."""

    def __init__(self, assumptions: Assumptions, seed: int) -> None:
        a = self.assumptions = assumptions
        self.seed = seed
        rng = random.Random(f"landscape {seed}")
        self.names = [f"K{number:02}" for number in range(a.constants)]
        self.best_at: dict[str, int] = {}
        self.height: dict[str, float] = {}
        self.slope: dict[str, float] = {}
        for name in self.names:
            kind = rng.random()
            if kind < a.useful:
                self.best_at[name] = rng.randint(1, a.reach) * rng.choice((-1, 1))
                self.height[name] = rng.expovariate(1 / a.gain)
            elif kind >= a.useful + a.useless:
                self.slope[name] = rng.expovariate(1 / a.harm)
        pairs = [(x, y) for i, x in enumerate(self.names) for y in self.names[i + 1 :]]
        self.against = {pair: rng.expovariate(1 / a.clash) for pair in pairs if rng.random() < a.clashes}
        far = range(ORIGIN - FAR, ORIGIN + FAR + 1)
        self.broken = {(n, v) for n in self.names for v in far if v != ORIGIN and rng.random() < a.crashes}

    def effect(self, name: str, value: int) -> float:
        """The gain of one constant alone (negative: harm)."""
        steps = value - ORIGIN
        if name in self.best_at:
            return self.height[name] * (1 - ((steps - self.best_at[name]) / self.best_at[name]) ** 2)
        return -self.slope.get(name, 0.0) * abs(steps)

    def truth(self, values: Values) -> float:
        """The noise-free score of a file."""
        moved = {n: v for n, v in values.items() if v != ORIGIN}
        total = math.fsum(self.effect(n, v) for n, v in sorted(moved.items()))
        total -= math.fsum(size for (x, y), size in self.against.items() if x in moved and y in moved)
        most = self.assumptions.ceiling
        return self.assumptions.start - (most * (1 - math.exp(-total / most)) if total > 0 else total)

    def crashes(self, values: Values) -> bool:
        """Whether one of the values cannot run."""
        return any(item in self.broken for item in values.items())

    def measured(self, values: Values, rng: random.Random, seed: int | None = None) -> tuple[float, float | None]:
        """One run: its seconds, and its score (None: it crashed). Without a seed its luck is like no other run's."""
        a = self.assumptions
        if self.crashes(values):
            return a.crash, None
        return max(1.0, rng.gauss(a.run, a.run_spread)), self.truth(values) + self._luck(values, rng, seed)

    def _luck(self, values: Values, rng: random.Random, seed: int | None) -> float:
        """What a score has from its seed: a part that all files share, a part of this file's own, and hardly anything else."""
        a = self.assumptions
        if seed is None:
            return rng.gauss(0.0, a.noise)
        moved = sorted((n, v) for n, v in values.items() if v != ORIGIN)
        shared = random.Random(f"seed {self.seed} {seed}").gauss(0.0, a.noise * math.sqrt(a.alike))
        own = random.Random(f"run {self.seed} {seed} {moved}").gauss(0.0, a.noise * math.sqrt(1 - a.alike))
        return shared + own + rng.gauss(0.0, a.noise * a.repeat)

    def source(self, values: Values) -> str:
        """The training script with these values."""
        return "".join(f"{name} = {values.get(name, ORIGIN)}\n" for name in self.names)


def values_of(source: str) -> dict[str, int]:
    """The constants of a script that are not as given."""
    return {name: int(text) for name, text in LINE.findall(source) if int(text) != ORIGIN}
