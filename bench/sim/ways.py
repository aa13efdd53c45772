"""Ways of spending GPU-hours, as words of a command line: a name and settings, `swarm:queue=0:confirm_share=0.3`.

best of many   every change is tried on the file as given; the best number wins
loops          a loop per GPU, nobody knows of the others; the best number wins
sharing        the same, but all build on the best number that anybody saw, at once and unconfirmed
random, tpe    a few constants are set by chance, or by Optuna's TPE; no time to think; the best number wins
apart          the coordinator with its confirmations, but a campaign of one agent for each GPU; the best estimate wins
swarm          the coordinator as it is: late binding, confirmation, agents that are behind are rebased onto best

Settings of `apart` and `swarm` are those of `policy:` in swarm.yaml, or constants of the code by their dotted name
(`swarm:coordinator.confirm.MOST=6`): what has no setting can be tried, too. Those of `random` and `tpe` are `Space`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.sim import loop, numeric
from bench.sim.campaign import Setting, simulate
from bench.sim.landscape import Assumptions
from bench.sim.numeric import Space
from bench.sim.outcome import USES, Outcome
from bench.sim.path import thinned, together
from swarm.config import Policy

COORDINATED = ("apart", "swarm")
PLAIN: dict[str, Callable[[Assumptions, Setting, int], Outcome]] = {
    "best of many": loop.best_of_many, "loops": loop.loops, "sharing": loop.sharing,
}  # fmt: skip
NUMERIC = {"random": numeric.chance, "tpe": numeric.tpe}
NAMES = (*PLAIN, *NUMERIC, *COORDINATED)


def parsed(way: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of a way. Raises SystemExit for what there is not."""
    name, *words = way.split(":")
    if odd := [word for word in words if "=" not in word]:
        raise SystemExit(f"{way}: {odd[0]} is no NAME=VALUE")
    texts = dict(word.split("=", 1) for word in words)
    if name in COORDINATED:
        return name, _policy(way, texts)
    if name in NUMERIC:
        return name, _space(way, texts)
    if name not in PLAIN:
        raise SystemExit(f"no such way: {name}. There are: {', '.join(NAMES)}")
    if texts:
        raise SystemExit(f"{name} has no settings")
    return name, {}


def _policy(way: str, texts: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in texts.items():
        if "." in name:
            module, constant = _constant(way, name)
            found[name] = type(getattr(module, constant))(float(text))
        elif name in Policy.model_fields:
            found[name] = getattr(Policy.model_validate({name: text}), name)
        else:
            raise SystemExit(f"{way}: no such setting: {name}. There are: {', '.join(Policy.model_fields)}")
    return found


def _space(way: str, texts: Mapping[str, str]) -> dict[str, Any]:
    known = asdict(Space())
    if odd := [name for name in texts if name not in known]:
        raise SystemExit(f"{way}: no such setting: {odd[0]}. There are: {', '.join(known)}")
    return {name: type(known[name])(int(text)) for name, text in texts.items()}


def _constant(way: str, name: str) -> tuple[Any, str]:
    """The module and the name of a constant, `research.judging.LIMIT`."""
    where, _, constant = name.rpartition(".")
    try:
        module = importlib.import_module(f"swarm.{where}")
        getattr(module, constant)
    except (ImportError, AttributeError):
        raise SystemExit(f"{way}: swarm/{where.replace('.', '/')}.py has no {constant}") from None
    return module, constant


def play(way: str, assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """One repeat of one way."""
    name, said = parsed(way)
    if name in PLAIN:
        outcome = PLAIN[name](assumptions, setting, seed)
    elif name in NUMERIC:
        outcome = NUMERIC[name](assumptions, setting, seed, Space(**said))
    else:
        settings = {key: value for key, value in said.items() if "." not in key}
        with _changed(way, {key: value for key, value in said.items() if "." in key}):
            run = apart if name == "apart" else simulate
            outcome = run(assumptions, replace(setting, policy={**setting.policy, **settings}), seed)
    return replace(outcome, path=thinned(outcome.path))


@contextlib.contextmanager
def _changed(way: str, values: Mapping[str, Any]) -> Iterator[None]:
    """Constants of the code at other values for a while."""
    places = [(*_constant(way, name), value) for name, value in values.items()]
    before = [getattr(module, constant) for module, constant, _ in places]
    try:
        for module, constant, value in places:
            setattr(module, constant, value)
        yield
    finally:
        for (module, constant, _), value in zip(places, before, strict=True):
            setattr(module, constant, value)


def apart(assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """A campaign of one agent for every slot; of what each calls best the one with the best estimate is taken."""
    alone = [simulate(assumptions, replace(setting, slots=1, stream=n), seed) for n in range(setting.slots)]
    winner = min(alone, key=lambda outcome: outcome.score)
    verdicts = {word: sum(o.verdicts.get(word, 0) for o in alone) for o in alone for word in o.verdicts}
    return replace(
        winner, gpu_s=sum(o.gpu_s for o in alone), used={use: sum(o.used[use] for o in alone) for use in USES},
        booked=sum(o.booked for o in alone), experiments=sum(o.experiments for o in alone), verdicts=verdicts,
        path=together([o.path for o in alone], setting.slots),
    )  # fmt: skip


@cache
def version(name: str) -> str:
    """What an outcome of a way was played with: the code that takes part, as twelve letters."""
    here, swarm = Path(__file__).parent, Path(__file__).parents[2] / "swarm"
    own = "loop" if name in PLAIN else "loop numeric" if name in NUMERIC else "campaign stage played_git"
    files = [here / f"{module}.py" for module in f"landscape researcher outcome path {own}".split()]
    if name in COORDINATED:
        parts = [swarm / part for part in ("coordinator", "research", "ledger", "repo")]
        files += [path for part in parts for path in part.rglob("*") if path.suffix in (".py", ".sql")]
        files.append(swarm / "config.py")
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:12]
