"""Does searching as a group pay? Ways of spending the same GPU-hours on the same landscapes, side by side.

    python -m bench.policies [--repeats N] [--slots 8] [--hours 4] [--set noise=0.003 …]

best of many   every change is tried on the file as given; the best number wins
loops          a loop per GPU, nobody knows of the others; the best number wins
sharing        the same, but all build on the best number that anybody saw, at once and unconfirmed
apart          the coordinator with its confirmations, but an agent of its own for each GPU; the best estimate wins
swarm          the coordinator as it is: late binding, confirmation, agents that are behind are rebased onto best
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from bench.depth import named
from bench.sim.campaign import Setting, simulate
from bench.sim.landscape import Assumptions
from bench.sim.loop import best_of_many, loops, sharing
from bench.sim.outcome import USES, Outcome
from bench.sim.table import everywhere, mean, table

HEAD = (
    "way",
    "busy",
    "experiments / GPU-h",
    "true progress × 1000",
    "more than loops",
    "claimed / true",
    "false records",
)


def apart(assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """A campaign of one agent for every slot; of what each calls best the one with the best estimate is taken."""
    alone = [simulate(assumptions, replace(setting, slots=1, stream=n), seed) for n in range(setting.slots)]
    winner = min(alone, key=lambda outcome: outcome.score)
    verdicts = {word: sum(o.verdicts.get(word, 0) for o in alone) for o in alone for word in o.verdicts}
    return replace(
        winner, gpu_s=sum(o.gpu_s for o in alone), used={use: sum(o.used[use] for o in alone) for use in USES},
        booked=sum(o.booked for o in alone), experiments=sum(o.experiments for o in alone), verdicts=verdicts,
    )  # fmt: skip


WAYS: dict[str, Callable[[Assumptions, Setting, int], Outcome]] = {
    "best of many": best_of_many, "loops": loops, "sharing": sharing, "apart": apart, "swarm": simulate,
}  # fmt: skip


def play(way: str, assumptions: Assumptions, setting: Setting, seed: int) -> Outcome:
    """One repeat of one row."""
    return WAYS[way](assumptions, setting, seed)


def row(way: str, found: list[Outcome], alone: list[Outcome]) -> list[str]:
    """The cells of a way; `alone` are the outcomes of the loops for the same seeds."""
    gains, before = ([o.gain * 1000 for o in outcomes] for outcomes in (found, alone))
    records, true = sum(len(o.records) for o in found), sum(o.gain for o in found)
    return [
        way, str(mean(o.busy for o in found)), str(mean(o.per_hour for o in found)), str(mean(gains)),
        "" if way == "loops" else str(mean(a - b for a, b in zip(gains, before, strict=True))),
        f"{sum(o.claimed for o in found) / true:.2f}" if true else "–",
        f"{sum(o.false for o in found) / records:.0%} of {records}" if records else "none",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--hours", type=float, default=4)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1))
    parser.add_argument("--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE", help="an assumption")
    words = parser.parse_args()
    assumptions = replace(Assumptions(), **named(words.set, asdict(Assumptions())))
    ways = list(dict.fromkeys([*words.ways.split(","), "loops"]))
    print("assumed: " + ", ".join(f"{name} {value:g}" for name, value in asdict(assumptions).items()))
    began = time.monotonic()
    setting = Setting(words.slots, words.hours)
    tasks = [(way, assumptions, setting, seed) for way in ways for seed in range(words.repeats)]
    answers = iter(everywhere(play, tasks, words.jobs))
    found = {way: [next(answers) for _ in range(words.repeats)] for way in ways}
    print(table(HEAD, [row(way, found[way], found["loops"]) for way in ways]))
    print(
        f"{words.slots} slots for {words.hours:g} h, {words.repeats} repeats, means ± 95 %; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
