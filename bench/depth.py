"""How deep should an agent's queue be? True progress per GPU-hour and the busy share of the GPUs at depth 0, 1 and 2.

    python -m bench.depth [--repeats N] [--slots 1,8] [--hours 10,2] [--set noise=0.003 …] [--policy idle_after=1e9 …]

The real coordinator plays simulated campaigns under a virtual clock (`bench/sim`). Depth: how many submissions of an
agent may wait beside the one that runs (`policy: queue:`); at 0 it thinks while its GPU waits. `loop` is the loop
without a coordinator, one per GPU. Every way searches the same landscapes, so differences are taken pair by pair.
The assumptions stand in `bench/sim/landscape.py` and are printed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from bench.sim.campaign import Setting, simulate
from bench.sim.landscape import Assumptions
from bench.sim.loop import loops
from bench.sim.outcome import Outcome
from bench.sim.table import everywhere, mean, table

HEAD = ("slots", "hours", "way", "busy", "busy with new", "confirm", "measure again", "experiments / GPU-h",
        "true progress / GPU-h × 1000", "more than depth 0", "claimed / true", "false records")  # fmt: skip


def play(way: str, assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """One repeat of one row."""
    if way == "loop":
        return loops(assumptions, setting, seed)
    return simulate(assumptions, replace(setting, policy={**setting.policy, "queue": int(way)}), seed)


def row(setting: Setting, way: str, found: list[Outcome], sequential: list[Outcome]) -> list[str]:
    """The cells of a way; `sequential` are the outcomes at depth 0 for the same seeds."""
    gains = [o.gain_per_hour * 1000 for o in found]
    before = [o.gain_per_hour * 1000 for o in sequential]
    more = "" if way == "0" else f"{mean(a - b for a, b in zip(gains, before, strict=True))}"
    records = sum(len(o.records) for o in found)
    true = sum(o.gain for o in found)
    return [
        str(setting.slots), f"{setting.hours:g}", way if way == "loop" else f"depth {way}",
        *(str(mean(values)) for values in (
            [o.busy for o in found], [o.own for o in found], [o.used["confirm"] / o.gpu_s for o in found],
            [o.used["reference"] / o.gpu_s for o in found], [o.per_hour for o in found], gains)),
        more, f"{sum(o.claimed for o in found) / true:.2f}" if true else "–",
        f"{sum(o.false for o in found) / records:.0%} of {records}" if records else "none",
    ]  # fmt: skip


def named(words: list[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """`name=value` words as numbers of the type that the name has. Raises SystemExit for a name that is not known."""
    pairs = dict(word.split("=", 1) for word in words)
    if odd := [name for name in pairs if name not in known]:
        raise SystemExit(f"no such setting: {', '.join(odd)}. There are: {', '.join(known)}")
    return {name: type(known[name])(float(text)) for name, text in pairs.items()}


def main() -> None:
    from swarm.config import Policy

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--slots", default="1,8")
    parser.add_argument("--hours", default="10,2", help="of a campaign, for each number of slots")
    parser.add_argument("--ways", default="loop,0,1,2")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1))
    parser.add_argument("--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE", help="an assumption")
    parser.add_argument("--policy", action="extend", nargs="+", default=[], metavar="NAME=VALUE")
    words = parser.parse_args()
    assumptions = replace(Assumptions(), **named(words.set, asdict(Assumptions())))
    policy = named(words.policy, Policy().model_dump())
    sizes = zip(words.slots.split(","), words.hours.split(","), strict=True)
    settings = [Setting(int(slots), float(hours), policy) for slots, hours in sizes]
    ways = list(dict.fromkeys([*words.ways.split(","), "0"]))
    seeds = range(words.first, words.first + words.repeats)
    print("assumed: " + ", ".join(f"{name} {value:g}" for name, value in asdict(assumptions).items()))
    began = time.monotonic()
    tasks = [(way, assumptions, s, seed) for s in settings for way in ways for seed in seeds]
    answers = iter(everywhere(play, tasks, words.jobs))
    rows = []
    for setting in settings:
        found = {way: [next(answers) for _ in seeds] for way in ways}
        rows += [row(setting, way, found[way], found["0"]) for way in ways]
    print(table(HEAD, rows))
    print(f"{len(seeds)} repeats, means ± 95 %; {time.monotonic() - began:.0f} s for {len(tasks)} campaigns")


if __name__ == "__main__":
    main()
