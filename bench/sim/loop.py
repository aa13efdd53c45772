"""The loop without a coordinator: think, run, keep what measured better than the last one kept. One GPU, one agent.

This is what people run today (and what `many` isolated ones are): the score of a lucky run stays what others have to
beat, and nothing is measured twice.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.sim.campaign import Setting
from bench.sim.landscape import Assumptions, Landscape
from bench.sim.outcome import USES, Outcome
from bench.sim.researcher import Researcher


@dataclass
class _Loop:
    best: dict[str, int]
    score: float
    first: float
    busy: float
    experiments: int
    records: list[tuple[float, float, float]]
    verdicts: dict[str, int]


def loops(assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """As many loops as there are slots, who know nothing of each other; the best number that any of them saw wins."""
    landscape = Landscape(assumptions, seed)
    found = [_loop(landscape, setting.hours * 3600, seed, number) for number in range(setting.slots)]
    winner = min(found, key=lambda loop: loop.score)
    busy = sum(loop.busy for loop in found)
    verdicts = {word: sum(loop.verdicts[word] for loop in found) for word in winner.verdicts}
    return Outcome(
        gpu_s=setting.slots * setting.hours * 3600, used={**dict.fromkeys(USES, 0.0), "screen": busy}, booked=busy,
        experiments=sum(loop.experiments for loop in found), gain=landscape.truth({}) - landscape.truth(winner.best),
        claimed=winner.first - winner.score, records=tuple(winner.records), verdicts=verdicts,
    )  # fmt: skip


def _loop(landscape: Landscape, seconds: float, seed: int, number: int) -> _Loop:
    rng = random.Random(f"loop {seed} {number}")
    agent = Researcher(landscape.assumptions, landscape.names, rng)
    now, score = landscape.measured({}, rng)
    assert score is not None
    loop = _Loop({}, score, score, now, 0, [], {"keep": 0, "discard": 0, "crash": 0})
    while True:
        change = agent.proposes(loop.best)
        began = now + agent.thinks()
        took, score = landscape.measured(new := {**loop.best, **change}, rng)
        now = began + took
        loop.busy += max(0.0, min(now, seconds) - began)
        if now > seconds:
            return loop
        kept = score is not None and score < loop.score
        agent.hears(loop.best, change, kept)
        loop.experiments += 1
        loop.verdicts["crash" if score is None else "keep" if kept else "discard"] += 1
        if kept and score is not None:
            loop.records.append((now, landscape.truth(loop.best), landscape.truth(new)))
            loop.best, loop.score = new, score
