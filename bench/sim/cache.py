"""Outcomes in a file, a line of JSON each, so that a comparison that was interrupted goes on where it was."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from bench.sim.campaign import Setting
from bench.sim.landscape import Assumptions
from bench.sim.outcome import Outcome
from bench.sim.ways import parsed, play, version


class Task(NamedTuple):
    """One repeat of one way."""

    way: str
    assumptions: Assumptions
    setting: Setting
    seed: int

    @property
    def key(self) -> str:
        """The same for the same question put to the same code."""
        told = [self.way, asdict(self.assumptions), asdict(self.setting), self.seed, version(parsed(self.way)[0])]
        return json.dumps(told, sort_keys=True)


def _on_stderr(text: str) -> None:
    print(f"\r{text}   ", end="", file=sys.stderr, flush=True)


def outcomes(tasks: Sequence[Task], jobs: int, file: Path, say: Callable[[str], None] = _on_stderr) -> list[Outcome]:
    """What each task came to: remembered in `file`, or played in `jobs` processes and written there as soon as known."""
    known, keys = read(file), [task.key for task in tasks]
    missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in known}
    began = time.monotonic()
    if missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.write("\n")  # a line that was cut off stays alone
            for number, (key, outcome) in enumerate(_played(missing, jobs), 1):
                known[key] = outcome
                out.write(json.dumps({"key": key, "outcome": asdict(outcome)}) + "\n")
                out.flush()
                left = (time.monotonic() - began) / number * (len(missing) - number)
                say(f"{number} of {len(missing)} campaigns, about {left / 60:.0f} min more")
    return [known[key] for key in keys]


def _played(tasks: Mapping[str, Task], jobs: int) -> Iterator[tuple[str, Outcome]]:
    """As they become known."""
    if jobs == 1:
        yield from ((key, play(*task)) for key, task in tasks.items())
        return
    with ProcessPoolExecutor(jobs) as pool:
        going = {pool.submit(play, *task): key for key, task in tasks.items()}
        try:
            yield from ((going[future], future.result()) for future in as_completed(going))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def read(file: Path) -> dict[str, Outcome]:
    """All that the file remembers; a line that was cut off is not there."""
    found: dict[str, Outcome] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        told = row["outcome"]
        for name in ("records", "path"):
            told[name] = tuple(tuple(step) for step in told[name])
        found[row["key"]] = Outcome(**told)
    return found
