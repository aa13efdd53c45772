"""How a simulated agent does research: it changes a constant or two, and goes on from what it heard last."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from bench.sim.landscape import FAR, ORIGIN, Assumptions, Values

TRIES = 60  # draws until one is new


@dataclass
class Commons:
    """What everybody could read of the others: (constant, value) that was tried."""

    tried: set[tuple[str, int]] = field(default_factory=set)


@dataclass
class Researcher:
    """One agent. It never learns a true value: it sees the file it builds on and the verdicts on what it proposed."""

    assumptions: Assumptions
    names: list[str]
    rng: random.Random
    commons: Commons = field(default_factory=Commons)
    tried: set[tuple[str, int]] = field(default_factory=set)
    leads: list[tuple[str, int]] = field(default_factory=list)  # constant and direction, the freshest last

    def thinks(self) -> float:
        """Seconds until the next proposal is ready."""
        spread = self.assumptions.think_spread
        return self.assumptions.think * math.exp(self.rng.gauss(-spread * spread / 2, spread))

    def proposes(self, here: Values) -> dict[str, int]:
        """New values of one or two constants of the file it builds on."""
        change = self._one(here)
        if self.rng.random() < self.assumptions.twice:
            change |= self._one({**here, **change})
        change = {n: v for n, v in change.items() if v != here.get(n, ORIGIN)} or self._random(here)
        self.tried |= set(change.items())
        self.commons.tried |= set(change.items())
        return change

    def hears(self, was: Values, change: Values, kept: bool) -> None:
        """A verdict on a change of its own: further in that direction, or the other way."""
        for name, value in change.items():
            direction = 1 if value > was.get(name, ORIGIN) else -1
            self.leads.append((name, direction if kept else -direction))

    def _one(self, here: Values) -> dict[str, int]:
        while self.leads and self.rng.random() < self.assumptions.follow:
            name, direction = self.leads.pop()
            value = here.get(name, ORIGIN) + direction
            if self._new(name, value):
                return {name: value}
        for _ in range(TRIES):
            [(name, value)] = self._random(here).items()
            if self._new(name, value):
                break
        return {name: value}

    def _random(self, here: Values) -> dict[str, int]:
        name = self.rng.choice(self.names)
        return {name: here.get(name, ORIGIN) + self.rng.choice((-2, -1, -1, 1, 1, 2))}

    def _new(self, name: str, value: int) -> bool:
        if (name, value) in self.tried or abs(value - ORIGIN) > FAR:
            return False
        return (name, value) not in self.commons.tried or self.rng.random() >= self.assumptions.aware
