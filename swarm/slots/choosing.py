"""Which GPUs or cores a spawn gets: those asked for, if they are there, not taken and not in use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from swarm.errors import SwarmError, UsageError
from swarm.slots import nvidia
from swarm.slots.machine import cores, cpu_model, torch_version
from swarm.slots.nvidia import Gpu


@dataclass(frozen=True)
class Place:
    """A slot to be: where one run at a time goes. `devices`: UUIDs, or cores like `cpu:0`, joined by commas."""

    id: str
    devices: str
    accelerator: str
    torch: str
    device_nodes: tuple[str, ...] = ()
    busy: str = ""


def parse_gpus(text: str | int) -> int | tuple[int, ...]:
    """`8` is how many; `0,2,5`, `0-3` and `0,` say which. Raises UsageError."""
    words = str(text).replace(" ", "")
    if re.fullmatch(r"\d+", words):
        if int(words) < 1:
            raise UsageError("--gpus 0 is no GPU.", "GPU number 0 alone is --gpus 0,   · how many: --gpus 8")
        return int(words)
    if not re.fullmatch(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*,?", words):
        raise UsageError(f"--gpus {text}: a number of GPUs, or a list of them.", "--gpus 8   or   --gpus 0,2,5")
    named: list[int] = []
    for part in words.rstrip(",").split(","):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    if not named:
        raise UsageError(f"--gpus {text}: a number of GPUs, or a list of them.", "--gpus 8   or   --gpus 0,2,5")
    twice = [str(n) for n, times in Counter(named).items() if times > 1]
    if twice:
        raise UsageError(f"--gpus {text} names {', '.join(twice)} twice.")
    return tuple(named)


def choose(
    device: str,
    wanted: str | int | None,
    *,
    per_run: int = 1,
    taken: Mapping[str, str] | None = None,
    force: bool = False,
    python: str | None = None,
) -> list[Place]:
    """The slots of a spawn. `device`: auto, cuda or cpu. `taken`: devices of slots that live here already, by id.

    On `auto` without a GPU nothing is guessed: a CPU is asked for by name. `force` takes GPUs that others use.

    Raises SwarmError for what is not there, taken or busy, UsageError for a list that cannot be read.
    """
    asked = None if wanted is None else parse_gpus(wanted)
    held = {d for devices in (taken or {}).values() for d in devices.split(",")}
    if device == "cpu":
        return _cpu_places(asked, held, set(taken or {}), torch_version(python))
    there = nvidia.gpus()
    if not there:
        raise nvidia.no_gpus()
    chosen = _pick(there, asked, held, force, per_run)
    torch = torch_version(python)
    sets = [chosen[i : i + per_run] for i in range(0, len(chosen), per_run)]
    return [_gpu_place(some, torch) for some in sets]


def _cpu_places(asked: int | tuple[int, ...] | None, held: set[str], ids: set[str], torch: str) -> list[Place]:
    mine = cores()
    free = [i for i, core in enumerate(mine) if f"cpu:{core}" not in held]
    if isinstance(asked, tuple):
        gone = [str(i) for i in asked if i >= len(mine)]
        used = [str(i) for i in asked if i < len(mine) and i not in free]
        if gone or used:
            what = f"has no core {', '.join(gone)}" if gone else f"core {', '.join(used)} is taken already"
            raise SwarmError(_cores(mine, what), _fewer(free))
        free = list(asked)
    elif asked is not None:
        if asked > len(free):
            raise SwarmError(_cores(mine, f"{asked} were asked for, {len(free)} are free"), _fewer(free))
        free = free[:asked]
    if not free:
        raise SwarmError(_cores(mine, "all are taken already"), "Free some: swarm stop AGENT, or swarm stop")
    model = cpu_model()
    return [Place(str(i), f"cpu:{mine[i]}", model, torch) for i in free]


def _cores(mine: Sequence[int], what: str) -> str:
    return f"this machine has {len(mine)} core{'s' if len(mine) != 1 else ''} for runs: {what}."


def _fewer(free: Sequence[int]) -> str:
    if not free:
        return "Free some: swarm stop AGENT, or swarm stop"
    return f"One run needs a core of its own: --gpus {len(free)}. More agents can share them: --agents tuner:{len(free) + 1}"


def _pick(
    there: Sequence[Gpu], asked: int | tuple[int, ...] | None, held: set[str], force: bool, per: int
) -> list[Gpu]:
    by_index = {g.index: g for g in there}
    if isinstance(asked, tuple):
        gone = [str(i) for i in asked if i not in by_index]
        if gone:
            raise SwarmError(f"no GPU {', '.join(gone)} here.", f"There are: {_numbers(there)}")
        chosen = [by_index[i] for i in asked]
        used = [g.id for g in chosen if g.uuid in held]
        if used:
            raise SwarmError(f"taken already: GPU {', '.join(used)}.", _free_ones(there, held))
        if (busy := [g for g in chosen if g.busy]) and not force:
            raise _busy(busy)
    else:
        free = [g for g in there if g.uuid not in held]
        chosen = [g for g in free if not g.busy] + ([g for g in free if g.busy] if force else [])
        if asked is None:
            chosen = chosen[: len(chosen) - len(chosen) % per]
        if not chosen or (asked or 0) > len(chosen):
            _too_few(there, free, chosen, asked)
        chosen = chosen[:asked]
    if len(chosen) % per:
        raise SwarmError(
            f"a run of this task needs {per} GPUs: {len(chosen)} cannot be shared out evenly.", f"--gpus {per}"
        )
    return chosen


def _too_few(there: Sequence[Gpu], free: Sequence[Gpu], idle: Sequence[Gpu], asked: int | None) -> None:
    if asked is None or asked <= len(free):
        raise _busy([g for g in free if g.busy]) if free else SwarmError("all GPUs are taken already.", "swarm status")
    if asked > len(there):
        raise SwarmError(f"{asked} GPUs were asked for; this machine has {len(there)}.", f"--gpus {max(1, len(idle))}")
    raise SwarmError(f"{asked} GPUs were asked for; {len(free)} are not taken yet.", f"--gpus {max(1, len(free))}")


def _busy(those: Sequence[Gpu]) -> SwarmError:
    who = "; ".join(f"GPU {g.id}: {g.busy}" for g in those)
    return SwarmError(
        f"somebody else is using {who}.",
        "Take others (--gpus 0,2,5), wait, or share all the same: --force (runs get slower)",
    )


def _free_ones(there: Sequence[Gpu], held: Collection[str]) -> str:
    free = [g for g in there if g.uuid not in held and not g.busy]
    return f"Free: {_numbers(free)}" if free else "None is free: swarm stop AGENT"


def _numbers(some: Iterable[Gpu]) -> str:
    return ", ".join(g.id for g in some)


def _gpu_place(some: Sequence[Gpu], torch: str) -> Place:
    names = Counter(g.name for g in some)
    accelerator = " + ".join(f"{n} × {name}" if len(some) > 1 else name for name, n in names.items())
    nodes = tuple(dict.fromkeys(node for g in some for node in g.device_nodes))
    busy = "; ".join(f"GPU {g.id}: {g.busy}" for g in some if g.busy)
    return Place("-".join(g.id for g in some), ",".join(g.uuid for g in some), accelerator, torch, nodes, busy)
