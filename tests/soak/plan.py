"""What happens when: a pure function of the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

# how often, among all faults. tmux is rare: all agents start anew after it, and one that falls eight times in a row with
# less than five minutes between is given up (coordinator/watch.py).
FAULTS = {
    "kill coordinator": 16, "kill keeper": 4, "kill both": 4, "kill agent": 24, "kill run": 30, "kill tmux": 1, "kill helper": 8,
    "disk full": 8, "clock": 8, "stop pid": 30,
}  # fmt: skip
ACTS = {"promote": 5, "undo": 2, "try": 5, "tell": 5, "pause": 1}
GAP, ACT_GAP = 3.0, 4.0  # seconds between two, on average
DAY = 86_400.0
JUMPS = (2.0, 30.0, 600.0, 7200.0, DAY, 40 * DAY)


@dataclass(frozen=True)
class Event:
    """`at`: seconds after the begin. `pick` in [0, 1) says which of those that are there then. `size`: seconds."""

    at: float
    what: str
    pick: float
    size: float

    def __str__(self) -> str:
        size = f" {self.size:+.1f} s" if self.what in ("clock", "disk full", "stop pid", "pause", "kill both") else ""
        return f"{self.at:7.1f} {self.what}{size}"


def faults(seed: int, seconds: float, disk: bool = True) -> list[Event]:
    """The faults of a soak of so many seconds. Times of disk, stops and jumps are in `size`."""
    weights = {what: often for what, often in FAULTS.items() if disk or what != "disk full"}
    return _events(random.Random(f"{seed}/faults"), seconds, weights, GAP)


def acts(seed: int, seconds: float) -> list[Event]:
    """What the owner does meanwhile."""
    return _events(random.Random(f"{seed}/acts"), seconds, ACTS, ACT_GAP)


def _events(dice: random.Random, seconds: float, weights: dict[str, int], gap: float) -> list[Event]:
    found, at = [], 0.0
    while (at := at + dice.expovariate(1 / gap)) < seconds:
        what = dice.choices(list(weights), list(weights.values()))[0]
        found.append(Event(at, what, dice.random(), _size(what, dice)))
    return found


def _size(what: str, dice: random.Random) -> float:
    if what == "clock":
        return dice.choice((0.0, *JUMPS, *(-j for j in JUMPS)))
    return min(dice.expovariate(1 / 3.0), 12.0)
