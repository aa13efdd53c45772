"""Does searching as a group pay? Ways of spending the same GPU-hours on the same landscapes, side by side.

    python -m bench.policies [--repeats 30] [--jobs 2] [--out docs/policies] [--ways swarm,tpe:dims=60 …] [--set noise=0.003 …]

Three tables: the ways; how the main ones fare where the assumptions are others; the coordinator with other settings. The
ways and their settings stand in `bench/sim/ways.py`, the assumptions in `bench/sim/landscape.py`. Every campaign that was
played is remembered (`--cache`), so what was interrupted goes on, and what is asked again is there at once. With `--out` the
tables are written to FILE.md and the picture to FILE.png.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.depth import named
from bench.sim.cache import Task, outcomes
from bench.sim.campaign import Setting
from bench.sim.landscape import Assumptions
from bench.sim.outcome import Outcome
from bench.sim.path import gains_at, reached
from bench.sim.table import mean, median, ratio, table
from bench.sim.ways import NAMES, parsed, version
from swarm.config import Policy

OURS = "swarm"
WAYS = ("best of many", "random", "tpe", "tpe:favour=1", "loops", "sharing", "apart", OURS)
RIVALS = ("loops", "sharing", "apart", OURS)  # where the assumptions are others
# One assumption at a time; the names are those of Assumptions.
OTHERS: tuple[dict[str, float], ...] = (
    {"noise": 0.0003}, {"noise": 0.004}, {"alike": 0.5}, {"think": 20}, {"think": 300}, {"aware": 0}, {"aware": 1}, {"crashes": 0.1},
    {"clashes": 0.15, "clash": 0.003}, {"useful": 0.15}, {"follow": 0},
)  # fmt: skip
# Settings that are tried, where the code has them and where they are not its own.
TRIED: dict[str, tuple[str, ...]] = {
    "queue": ("0", "2"), "confirm_share": ("0.05", "0.3"), "rebase_every": ("120", "1800"),
    "confirm_runs": ("1", "3"), "confirm_p": ("0.7", "0.9"), "shrink": ("0",), "prior": ("noise",), "paired": ("off",),
    "verify": ("least",), "behind": ("0.15", "0.5"), "stale": ("0",), "stay": ("0", "0.5"), "apart": ("1",),
    "stacks": ("0",), "blank": ("0", "0.1"),
}  # fmt: skip
PARTS = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)  # of the time
MAIN = (
    "way", "true gain × 1000", f"{OURS} has more", "claimed / true", "false records", "reached", "GPU-h to the target",
    "experiments / GPU-h", "busy",
)  # fmt: skip


def names(ways: Sequence[str]) -> list[str]:
    """Each way once, all of them known. Raises SystemExit."""
    for way in ways:
        parsed(way)
    return list(dict.fromkeys(ways))


def tried() -> list[str]:
    """Our own policy with one thing set otherwise, as far as this code has it."""
    found, own = [], Policy().model_dump()
    for name, texts in TRIED.items():
        ways = [f"{OURS}:{name}={text}" for text in texts if name in own]
        found += [way for way in ways if parsed(way)[1][name] != own[name]]
    return found


def row(way: str, found: Sequence[Outcome], ours: Sequence[Outcome], target: float) -> list[str]:
    """The cells of a way; `ours` are the outcomes of our own policy for the same seeds."""
    more = mean((b.gain - a.gain) * 1000 for a, b in zip(found, ours, strict=True))
    times = [reached(o.path, target) / 3600 for o in found]
    records = sum(len(o.records) for o in found)
    return [
        way, str(mean(o.gain * 1000 for o in found)), "" if way == OURS else str(more),
        ratio([(o.claimed, o.gain) for o in found]), f"{ratio([(o.false, len(o.records)) for o in found], 100)} % of {records}",
        f"{sum(t < float('inf') for t in times)} of {len(times)}", _hours(median(times), found[0].gpu_s / 3600),
        str(mean(o.per_hour for o in found)), f"{mean(o.busy for o in found).value:.3f}",
    ]  # fmt: skip


def _hours(found: tuple[float, float, float], end: float) -> str:
    """A median time and its interval."""
    middle, low, high = (f"{t:.1f}" if t < end else f"> {end:.0f}" for t in found)
    return middle if low == high else f"{middle} ({low} to {high})"


def elsewhere(told: str, found: dict[str, list[Outcome]]) -> list[str]:
    """One row of the second table: the gains, and which way is the best there, and what is not told apart from it."""
    gains = {way: [o.gain * 1000 for o in outcomes] for way, outcomes in found.items()}
    best = max(gains, key=lambda way: sum(gains[way]))
    like = [way for way in gains if way != best and _alike(gains[best], gains[way])]
    more = [
        "" if way == OURS else str(mean(a - b for a, b in zip(gains[OURS], gains[way], strict=True))) for way in gains
    ]
    return [told, *(str(mean(values)) for values in gains.values()), *(m for m in more if m),
            f"{best}; not told from it: {', '.join(like)}" if like else best]  # fmt: skip


def _alike(a: Sequence[float], b: Sequence[float]) -> bool:
    difference = mean(x - y for x, y in zip(a, b, strict=True))
    return abs(difference.value) <= difference.half


class Comparison:
    """What the command line asks for, and what came of it."""

    def __init__(self, words: argparse.Namespace) -> None:
        self.words = words
        self.assumptions = replace(Assumptions(), **named(words.set, asdict(Assumptions())))
        self.setting = Setting(words.slots, words.hours)

    def tasks(self, ways: Sequence[str], repeats: int, assumptions: Assumptions | None = None) -> list[Task]:
        """Repeat by repeat, so that an early end leaves the ways at equal numbers."""
        a = assumptions or self.assumptions
        return [Task(way, a, self.setting, seed) for seed in range(repeats) for way in ways]

    def play(self, tasks: Sequence[Task]) -> dict[Any, list[Outcome]]:
        """Outcomes in the order of the seeds, by assumptions and way."""
        found: dict[Any, list[Outcome]] = {}
        for task, outcome in zip(tasks, outcomes(tasks, self.words.jobs, self.words.cache), strict=True):
            found.setdefault((task.assumptions, task.way), []).append(outcome)
        return found

    def ways(self) -> dict[str, list[Outcome]]:
        """The first table's."""
        ways = names([*self.words.ways.split(","), OURS])
        found = self.play(self.tasks(ways, self.words.repeats))
        return {way: found[self.assumptions, way] for way in ways}

    def others(self) -> list[list[str]]:
        """The rows of the second table."""
        made = [(told(change), replace(self.assumptions, **_typed(change))) for change in ({}, *OTHERS)]
        tasks = [t for _, a in made for t in self.tasks(RIVALS, self.words.few, a)]
        found = self.play(tasks)
        return [elsewhere(name, {way: found[a, way] for way in RIVALS}) for name, a in made]

    def settings(self) -> list[list[str]]:
        """The rows of the third table."""
        ways = names([OURS, *(self.words.settings.split(",") if self.words.settings else tried())])
        found = self.play(self.tasks(ways, self.words.tries))
        ours = found[self.assumptions, OURS]
        return [row(way, found[self.assumptions, way], ours, self.words.target) for way in ways]


def along(ways: dict[str, list[Outcome]]) -> str:
    """How far our own policy is ahead of the others at parts of the time, pair by pair."""
    end = ways[OURS][0].gpu_s
    gains = {way: [gains_at(o.path, [end * part for part in PARTS]) for o in found] for way, found in ways.items()}

    def ahead(way: str, i: int) -> str:
        return str(mean((a[i] - b[i]) * 1000 for a, b in zip(gains[OURS], gains[way], strict=True)))

    head = [f"{OURS} −", *(f"{end * part / 3600:.0f} GPU-h" for part in PARTS)]
    return table(head, [[way, *(ahead(way, i) for i in range(len(PARTS)))] for way in ways if way != OURS])


def told(change: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in change.items()) or "as assumed"


def _typed(change: dict[str, float]) -> dict[str, Any]:
    return {name: type(getattr(Assumptions(), name))(value) for name, value in change.items()}


def page(compared: Comparison, ways: dict[str, list[Outcome]]) -> str:
    """The tables that were asked for, as markdown."""
    words, end = compared.words, compared.setting.slots * compared.setting.hours
    parts = [
        f"Assumed: {', '.join(f'{name} {value:g}' for name, value in asdict(compared.assumptions).items())}.\n"
        f"Code: coordinator {version(OURS)}, loops {version('loops')}, TPE {version('tpe')}.",
        f"## The ways: {words.slots} GPUs, {words.hours:g} hours, {words.repeats} landscapes\n"
        f"Target: {words.target * 1000:g}, that is: from when on what is called best is truly worth it until the end.\n\n"
        + table(MAIN, [row(way, found, ways[OURS], words.target) for way, found in ways.items()]),
        f"## Ahead on the way: differences of true gain × 1000\n\n{along(ways)}",
    ]
    if words.few:
        head = ("assumption", *RIVALS, *(f"{OURS} − {way}" for way in RIVALS if way != OURS), "best")
        parts.append(f"## Other assumptions: true gain × 1000 after {end:g} GPU-hours, {words.few} landscapes\n\n"
                     + table(head, compared.others()))  # fmt: skip
    if words.tries:
        parts.append(f"## Settings of our own policy, {words.tries} landscapes\n\n" + table(MAIN, compared.settings()))
    return "\n\n".join(parts) + "\n"


def command(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=30, help="landscapes")
    parser.add_argument("--few", type=int, default=8, help="landscapes for each other assumption; 0: no such table")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--target", type=float, default=0.015, help="true gain")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(NAMES)}, each with :NAME=VALUE …")
    parser.add_argument("--tries", type=int, default=10, help="landscapes for each setting of ours; 0: no such table")
    parser.add_argument("--settings", default="", metavar="WAYS", help="instead of those that are tried by default")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "swarm-policies.jsonl")
    parser.add_argument("--out", type=Path, help="FILE: tables to FILE.md, the picture to FILE.png")
    parser.add_argument("--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE", help="an assumption")
    return parser.parse_args(words)


def main() -> None:
    began, compared = time.monotonic(), Comparison(command())
    ways = compared.ways()
    text = page(compared, ways)
    print(text)
    if out := compared.words.out:
        from bench.sim.picture import draw

        out.with_suffix(".md").write_text(f"# Policies compared: `python -m bench.policies`\n\n{text}")
        draw(ways, out.with_suffix(".png"))
    print(f"means ± 95 %; {(time.monotonic() - began) / 60:.1f} min")


if __name__ == "__main__":
    main()
