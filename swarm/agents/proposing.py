"""What a tuner tries next: a few constants of the tip, moved by TPE where it has something to go by.

TPE over the whole space at once is too wild here: with forty constants nearly every proposal breaks something, and an
agent's tip is already good. So each proposal draws one to three constants and leaves all others at the tip's values.
For these few, TPE (Optuna; Bergstra et al. 2011) chooses from everything that anybody measured, projected on them; until
a handful of measurements moved one of them, it is a step of moderate size from the tip instead.
"""

from __future__ import annotations

import logging
import random
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarm.agents.space import Dim

AT_ONCE = (1, 1, 2, 2, 3)  # constants moved by one proposal; each of these is equally likely
LEARNED = 10  # measurements that moved one of the drawn constants before TPE is asked
STEP = 0.3  # of half the range: the spread of a step from the tip (×/÷ 1.9 where the range is ×/÷ 8)
STUDY = 500  # measurements that are looked at: the last ones
TRIES = 40  # draws until one is new
CRASHES = 2  # of a value together with others; alone one is enough


@dataclass(frozen=True)
class Seen:
    """A measurement: where its constants lay, and its loss; None when it failed."""

    at: Mapping[str, float]
    loss: float | None


def propose(
    dims: Mapping[str, Dim], seen: Sequence[Seen], flying: Sequence[Mapping[str, float]], taken: set[str], seed: int,
    allowed: Callable[[Mapping[str, str]], bool] = lambda change: True,
) -> dict[str, str] | None:  # fmt: skip
    """New texts for a few constants; None when nothing new comes to mind. The same arguments give the same answer.

    `flying`: positions of what is being measured. `taken`: signatures (see `signature`) of what was proposed before.
    `allowed`: whether a change keeps a person's constraints.
    """
    if not dims:
        return None
    rng = random.Random(seed)
    now = {name: dim.text(dim.now) for name, dim in dims.items()}
    seen = seen[-STUDY:]
    broken = spoiled(dims, seen)
    for _ in range(TRIES):
        few = drawn(dims, rng)
        if learned(few, seen) < LEARNED:
            at = {dim.name: stepped(dim, rng) for dim in few}
        else:
            at = suggested(few, seen, flying, rng.randrange(1 << 31))
        texts = {name: dim.text(at[name]) for name, dim in dims.items() if name in at}  # in the file's order
        changed = {name: text for name, text in texts.items() if text != now[name]}
        new = changed and signature(now, changed) not in taken
        if new and not broken.intersection(changed.items()) and allowed(changed):
            return changed
    return None


def spoiled(dims: Mapping[str, Dim], seen: Sequence[Seen]) -> set[tuple[str, str]]:
    """Values, by name, that broke the training: a vocabulary that was not prepared, a head that does not divide.

    That is a value of a constant with few values that was never measured, and that crashed as the one thing in its
    measurement that never had been, or twice in whatever company.
    """
    whole = {name: dim for name, dim in dims.items() if dim.whole}
    good = {(name, dim.text(dim.now)) for name, dim in dims.items()}
    good |= {(n, dims[n].text(at)) for s in seen if s.loss is not None for n, at in s.at.items() if n in dims}
    times: Counter[tuple[str, str]] = Counter()
    for s in seen:
        if s.loss is None:
            suspects = [(n, dims[n].text(at)) for n, at in s.at.items() if n in dims]
            suspects = [suspect for suspect in suspects if suspect not in good]
            times.update({suspect: CRASHES if len(suspects) == 1 else 1 for suspect in suspects})
    return {(name, text) for (name, text), count in times.items() if count >= CRASHES and name in whole}


def signature(now: Mapping[str, str], changed: Mapping[str, str]) -> str:
    """One text for one set of values."""
    return ";".join(f"{n}={t}" for n, t in sorted({**now, **changed}.items()))


def drawn(dims: Mapping[str, Dim], rng: random.Random) -> list[Dim]:
    """The constants of one proposal, the heavier ones more often."""
    pool = list(dims.values())
    few: list[Dim] = []
    for _ in range(min(rng.choice(AT_ONCE), len(pool))):
        few.append(pool.pop(rng.choices(range(len(pool)), [d.weight for d in pool])[0]))
    return few


def learned(few: Sequence[Dim], seen: Sequence[Seen]) -> int:
    """How many measurements had another value than the tip in one of these constants."""
    return sum(any(abs(s.at.get(d.name, d.now) - d.now) > 1e-9 for d in few) for s in seen)


def stepped(dim: Dim, rng: random.Random) -> float:
    """A step from where the constant is now."""
    if dim.scale == "choice":
        others = [i for i in range(len(dim.choices)) if i != dim.now]
        return float(rng.choice(others)) if others else dim.now
    if dim.whole:
        return min(max(dim.now + rng.choice((-2, -1, -1, -1, 1, 1, 1, 2)), dim.low), dim.high)
    for _ in range(TRIES):
        at = dim.now + rng.gauss(0, STEP * (dim.high - dim.low) / 2)
        if dim.low <= at <= dim.high:
            return at
    return dim.now


def bad(seen: Sequence[Seen]) -> float:
    """What a failure is worth: clearly worse than everything that was measured."""
    losses = [s.loss for s in seen if s.loss is not None]
    return max(losses) + (max(losses) - min(losses)) + 1e-9 if losses else 1.0


def suggested(
    few: Sequence[Dim], seen: Sequence[Seen], flying: Sequence[Mapping[str, float]], seed: int
) -> dict[str, float]:
    """TPE's answer for these constants."""
    import optuna

    quiet()
    ranges: dict[str, Any] = {dim.name: distribution(dim) for dim in few}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=0)
        study = optuna.create_study(sampler=sampler, direction="minimize")
        state, failed = optuna.trial.TrialState, bad(seen)
        for s in seen:
            if all(dim.name in s.at for dim in few):
                loss = failed if s.loss is None else s.loss
                study.add_trial(_trial(few, ranges, s.at, state.COMPLETE, loss))
        for at in flying:
            if all(dim.name in at for dim in few):
                study.add_trial(_trial(few, ranges, at, state.RUNNING, None))
        params = study.ask(ranges).params
    return {dim.name: float(params[dim.name]) for dim in few}


def distribution(dim: Dim) -> Any:
    """The dimension as Optuna has it: positions, so that its own logarithms are not needed."""
    import optuna

    if dim.scale == "choice":
        return optuna.distributions.CategoricalDistribution(list(range(len(dim.choices))))
    if dim.whole:
        return optuna.distributions.IntDistribution(int(dim.low), int(dim.high))
    return optuna.distributions.FloatDistribution(dim.low, dim.high)


def quiet() -> None:
    """Optuna says much, and none of it is for a pane."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("optuna").setLevel(logging.ERROR)


def _trial(
    few: Sequence[Dim], ranges: Mapping[str, Any], at: Mapping[str, float], state: Any, loss: float | None
) -> Any:
    import optuna

    params = {d.name: round(at[d.name]) if d.whole else at[d.name] for d in few}
    return optuna.trial.create_trial(params=params, distributions=dict(ranges), value=loss, state=state)
