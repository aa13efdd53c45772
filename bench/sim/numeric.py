"""Searches that set constants without a thought: TPE alone and random, on all slots at once.

They see which constants there are and what runs measured, never a true value. The best number wins. They need no time to
think and no file to read: a GPU gets its next run at once.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bench.sim.campaign import Setting
from bench.sim.landscape import ORIGIN, Assumptions, Landscape
from bench.sim.loop import SEED
from bench.sim.outcome import USES, Outcome


@dataclass(frozen=True)
class Space:
    """What is searched, and how. Ways of the command line set these: `tpe:dims=60:span=2`."""

    dims: int = 14  # constants, drawn for each landscape; 14 were read from train.py in arXiv 2603.24647
    span: int = 3  # steps either way
    favour: bool = False  # draw them from those that can be improved: somebody told it which these are
    startup: int = 10  # random trials before TPE begins (Optuna's default)
    multivariate: bool = False  # of TPE (Optuna's default)


class Chooser(Protocol):
    """Says what to try next, and is told what came of it (None: it crashed)."""

    def ask(self) -> tuple[Any, dict[str, int]]: ...

    def tell(self, ticket: Any, values: Mapping[str, int], score: float | None) -> None: ...


class Tpe:
    """Optuna's TPE with the constant liar for what runs elsewhere. A crash is told as clearly worse than all that ran."""

    def __init__(self, names: list[str], space: Space, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        low, high = ORIGIN - space.span, ORIGIN + space.span
        self.ranges: dict[str, Any] = {name: optuna.distributions.IntDistribution(low, high) for name in names}
        self.study = optuna.create_study(sampler=self._sampler(space, seed))
        self.best, self.worst = float("inf"), float("-inf")

    def _sampler(self, space: Space, seed: int) -> Any:
        import warnings

        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # both are called experimental
            return optuna.samplers.TPESampler(
                seed=seed, constant_liar=True, multivariate=space.multivariate, n_startup_trials=space.startup
            )

    def ask(self) -> tuple[Any, dict[str, int]]:
        trial = self.study.ask(self.ranges)
        return trial, dict(trial.params)

    def tell(self, ticket: Any, values: Mapping[str, int], score: float | None) -> None:
        import optuna

        if score is None:
            score = 2 * self.worst - self.best + 1e-9
        else:
            self.best, self.worst = min(self.best, score), max(self.worst, score)
        if ticket is not None:
            self.study.tell(ticket, score)
        else:  # the file as given, which nobody asked for
            params = {name: values.get(name, ORIGIN) for name in self.ranges}
            self.study.add_trial(optuna.trial.create_trial(params=params, distributions=self.ranges, value=score))


class Chance:
    """Every constant anywhere, each time anew."""

    def __init__(self, names: list[str], space: Space, seed: int) -> None:
        self.names, self.span, self.rng = names, space.span, random.Random(f"chance {seed}")

    def ask(self) -> tuple[Any, dict[str, int]]:
        return None, {name: ORIGIN + self.rng.randint(-self.span, self.span) for name in self.names}

    def tell(self, ticket: Any, values: Mapping[str, int], score: float | None) -> None:
        pass


def tpe(assumptions: Assumptions, setting: Setting, seed: int, space: Space) -> Outcome:
    """TPE alone, with a worker per slot."""
    return _numeric(assumptions, setting, seed, space, Tpe)


def chance(assumptions: Assumptions, setting: Setting, seed: int, space: Space) -> Outcome:
    """Random search, with a worker per slot."""
    return _numeric(assumptions, setting, seed, space, Chance)


def _numeric(
    assumptions: Assumptions, setting: Setting, seed: int, space: Space, kind: type[Tpe] | type[Chance]
) -> Outcome:
    land, seconds, slots = Landscape(assumptions, seed), setting.hours * 3600, setting.slots
    rng = random.Random(f"numeric {seed} {setting.stream}")
    chooser: Chooser = kind(drawn(land, space, seed), space, seed)
    took, first = land.measured({}, rng, SEED)  # one measures the file as given, and the others wait for it
    assert first is not None
    chooser.tell(None, {}, first)
    best: dict[str, int] = {}
    score, busy, verdicts = first, took, {"keep": 0, "discard": 0, "crash": 0}
    records: list[tuple[float, float, float]] = []
    path = [(took * slots, 0.0, first)]
    going: list[tuple[float, int, Any, dict[str, int], float | None]] = []

    def go(number: int, now: float) -> None:
        nonlocal busy
        ticket, values = chooser.ask()
        run, result = land.measured(values, rng, SEED)
        busy += min(now + run, seconds) - now
        heapq.heappush(going, (now + run, number, ticket, values, result))

    for number in range(slots):
        go(number, took)
    while going[0][0] <= seconds:
        now, number, ticket, values, result = heapq.heappop(going)
        chooser.tell(ticket, values, result)
        verdicts["crash" if result is None else "keep" if result < score else "discard"] += 1
        if result is not None and result < score:
            records.append((now * slots, land.truth(best), land.truth(values)))
            best, score = values, result
            path.append((now * slots, land.truth({}) - land.truth(values), result))
        go(number, now)
    return Outcome(
        gpu_s=slots * seconds, used={**dict.fromkeys(USES, 0.0), "screen": busy}, booked=busy,
        experiments=sum(verdicts.values()), gain=land.truth({}) - land.truth(best), claimed=first - score, score=score,
        records=tuple(records), verdicts=verdicts, path=tuple(path),
    )  # fmt: skip


def drawn(land: Landscape, space: Space, seed: int) -> list[str]:
    """The constants that are searched, in the file's order."""
    pool = [name for name in land.names if name in land.best_at] if space.favour else land.names
    chosen = set(random.Random(f"dims {seed}").sample(pool, min(space.dims, len(pool))))
    return [name for name in land.names if name in chosen]
