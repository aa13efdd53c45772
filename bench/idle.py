"""How long a slot idles between two queued runs, beside what starting a process costs by hand.

    python -m bench.idle [SECONDS]

A swarm by the real command line runs trainings that sleep 1 s, its queue always full, for SECONDS (30) with one slot and
with two. Each training prints when its first and its last line ran; the gap between two on one slot is everything from
that last line to the next first one. The floor is the same gap where a loop calls the same runner (with bubblewrap and
Python) on ready-made checkouts, one after the other, while as many loops run as there are slots. They take turns.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.field import Field, by_hand, gaps, machine, span, told
from swarm.executors.local import RUNNER

LIMIT = 0.5  # seconds beyond the floor
TURNS = 3  # of swarm and floor


def swarm(folder: Path, slots: int, seconds: float) -> tuple[list[float], list[float], list[float]]:
    """Gaps as the trainings say them, as the ledger says them, and by hand; in turns, the machine is never twice the same."""
    found: list[float] = []
    ledger: list[float] = []
    base: list[float] = []
    with Field(folder / "box", slots, agents=slots, seconds=1.0) as field:
        field.box.until("SELECT state='searching' FROM campaigns")
        train = (folder / "box" / "task" / "train.py").read_text()
        for turn in range(TURNS):
            begin, since = time.monotonic(), time.time()
            field.fill()
            time.sleep(seconds / TURNS)
            field.rest()
            field.drained()
            spans = [s for s in field.spans() if s[2] > begin]
            found += gaps(spans)
            ledger += gaps(field.box.query("SELECT slot, run, started, ended FROM attempts WHERE started>=? ORDER BY started", since))  # type: ignore[arg-type]  # fmt: skip
            pattern = field.workspace.run_folder(spans[0][1], 1)
            base += floor(folder / f"turn-{turn}", pattern, train, slots, max(3, int(seconds / TURNS)))
    return found, ledger, base


def floor(folder: Path, pattern: Path, train: str, slots: int, runs: int) -> list[float]:
    """Gaps of `slots` loops by hand, each `runs` long."""
    found: list[float] = []

    def loop(slot: int) -> None:
        spans = []
        for n in range(runs):
            at = folder / f"hand-{slot}-{n}"
            (at / "work").mkdir(parents=True)
            (at / "work" / "train.py").write_text(train)
            spec = json.loads((pattern / "spec.json").read_text())
            spec |= {"folder": str(at), "work": str(at / "work"), "run": n, "attempt": 1}
            (at / "spec.json").write_text(json.dumps(spec))
        for n in range(runs):
            at = folder / f"hand-{slot}-{n}"
            by_hand([sys.executable, "-I", "-S", str(RUNNER), str(at / "spec.json")])
            spans.append(("", n, *span(at)))
        found.extend(gaps(spans))

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    print(machine())
    for slots in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            found, ledger, base = swarm(Path(name).resolve(), slots, seconds)
        print(f"\n{slots} slot{'s' * (slots > 1)}")
        print(told("floor: process start by hand", base))
        print(told("gap between two trainings", found))
        print(told("  of it the ledger's ended→started", ledger))
        beyond = statistics.median(found) - statistics.median(base)
        print(f"beyond process start: {beyond:.3f} s; target {LIMIT} s: {'met' if beyond < LIMIT else 'MISSED'}")


if __name__ == "__main__":
    main()
