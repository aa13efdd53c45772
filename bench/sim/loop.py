"""Searches without a coordinator, for comparison: think, run, keep what measured better than the last one kept.

This is what people run today. The score of a lucky run stays what others have to beat, and nothing is measured twice.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

from bench.sim.campaign import Setting
from bench.sim.landscape import Assumptions, Landscape
from bench.sim.outcome import USES, Outcome
from bench.sim.path import together
from bench.sim.researcher import Commons, Researcher

SEED = 42  # of every run: nobody changes it in the public loop


@dataclass
class _Group:
    """Agents who build on one file: the one that measured best among all that they ran."""

    best: dict[str, int] = field(default_factory=dict)
    score: float = float("inf")
    first: float = 0.0
    busy: float = 0.0
    experiments: int = 0
    records: list[tuple[float, float, float]] = field(default_factory=list)
    path: list[tuple[float, float, float]] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=lambda: {"keep": 0, "discard": 0, "crash": 0})


def loops(assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """A loop per slot, who know nothing of each other; the best number that any of them saw wins."""
    return _groups(assumptions, setting, seed, 1)


def sharing(assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """Loops who all build on the best number that any of them saw."""
    return _groups(assumptions, setting, seed, setting.slots)


def best_of_many(assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """Every change is tried on the file as given, and the best number wins."""
    return _groups(assumptions, setting, seed, setting.slots, build=False)


def _groups(assumptions: Assumptions, setting: Setting, seed: int, size: int, build: bool = True) -> Outcome:
    """All slots, in groups of `size` agents."""
    landscape, seconds = Landscape(assumptions, seed), setting.hours * 3600
    found = [_group(landscape, seconds, f"{seed} {first}", size, build) for first in range(0, setting.slots, size)]
    winner = min(found, key=lambda group: group.score)
    busy = sum(group.busy for group in found)
    verdicts = {word: sum(group.verdicts[word] for group in found) for word in winner.verdicts}
    return Outcome(
        gpu_s=setting.slots * seconds, used={**dict.fromkeys(USES, 0.0), "screen": busy}, booked=busy,
        experiments=sum(group.experiments for group in found), gain=landscape.truth({}) - landscape.truth(winner.best),
        claimed=winner.first - winner.score, score=winner.score, records=tuple(winner.records), verdicts=verdicts,
        path=together([group.path for group in found], setting.slots),
    )  # fmt: skip


def _group(landscape: Landscape, seconds: float, name: str, size: int, build: bool) -> _Group:
    rng, commons = random.Random(f"loop {name}"), Commons()
    agents = [Researcher(landscape.assumptions, landscape.names, rng, commons) for _ in range(size)]
    group = _Group()
    took, score = landscape.measured({}, rng, SEED)
    assert score is not None
    group.score = group.first = score
    group.path.append((took, 0.0, score))
    group.busy = took  # one measures the file as given, and the others wait for it
    events: list[tuple[float, int, dict[str, int], dict[str, int], float | None]] = []

    def go(number: int, now: float) -> None:
        here = group.best if build else {}
        change = agents[number].proposes(here)
        began = now + agents[number].thinks()
        run, score = landscape.measured({**here, **change}, rng, SEED)
        group.busy += max(0.0, min(began + run, seconds) - min(began, seconds))
        heapq.heappush(events, (began + run, number, here, change, score))

    for number in range(size):
        go(number, took)
    while events[0][0] <= seconds:
        now, number, here, change, score = heapq.heappop(events)
        kept = score is not None and score < group.score
        agents[number].hears(here, change, kept)
        group.experiments += 1
        group.verdicts["crash" if score is None else "keep" if kept else "discard"] += 1
        if kept and score is not None:
            new = {**here, **change}
            group.records.append((now * size, landscape.truth(group.best), landscape.truth(new)))
            group.best, group.score = new, score
            group.path.append((now, landscape.truth({}) - landscape.truth(new), score))
        go(number, now)
    return group
