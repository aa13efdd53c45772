"""64 slots with trainings that sleep 1 s, for a minute: nothing lost, nothing twice, and what the coordinator costs.

    python -m bench.slots64 [SECONDS [SLOTS]]

A real swarm, its queues always full. Counted at the end from the ledger's file and the runs' folders. Beside it the
ideal (every slot a run per second) and the floor: the same checkouts and sandboxed Pythons started by 64 loops by hand,
with no runner, ledger or git. CPU seconds are those of /proc/PID/stat.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.field import Field, by_hand, gaps, machine, told
from swarm.daemon import owner
from swarm.runner import place, sandbox
from swarm.runner.spec import RunSpec

AGENTS = 8
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> tuple[float, float]:
    """CPU seconds of a process, and of its children that have ended and were waited for."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, below = sum(map(int, words[11:13])), sum(map(int, words[13:15]))
    return own / TICKS, below / TICKS


def faults(field: Field) -> list[str]:
    """What the ledger and the folders say that should not be. Empty: every run once."""
    ask, found = field.box.query, []
    there = dict(ask("SELECT id, verdict FROM experiments"))
    found += [f"{e} was acknowledged and is not in the ledger" for e in field.acknowledged if e not in there]
    found += [f"{e} has no verdict" for e in field.acknowledged if e in there and there[e] is None]
    if len(set(field.acknowledged)) != len(field.acknowledged):
        found.append("an experiment was acknowledged twice")
    found += [f"{e} was screened {n} times" for e, n in ask(
        "SELECT e.id, COUNT(r.id) n FROM experiments e LEFT JOIN runs r ON r.experiment=e.id AND r.purpose='screen' "
        "WHERE e.origin='submit' AND e.verdict IN ('keep','discard','crash') GROUP BY e.id HAVING n!=1")]  # fmt: skip
    found += [f"run {r} has {n} attempts" for r, n in ask(
        "SELECT run, COUNT(*) n FROM attempts GROUP BY run HAVING n!=1")]  # fmt: skip
    found += [f"run {r}: {s}, its attempt {o}" for r, s, o in ask(
        "SELECT r.id, r.status, a.outcome FROM runs r JOIN attempts a ON a.run=r.id WHERE r.status!=a.outcome OR a.outcome IS NULL")]  # fmt: skip
    ran = {s[1] for s in field.spans()}
    recorded = {r for (r,) in ask("SELECT id FROM runs WHERE status='finished'")}
    folders = {int(p.name[1:7]) for p in field.workspace.runs.iterdir() if (p / "result.json").exists()}
    found += [f"run {r} is recorded and printed nothing" for r in recorded - ran]
    found += [f"run {r} ran and is not recorded" for r in folders - recorded]
    return found


def swarm(folder: Path, slots: int, seconds: float) -> RunSpec:
    with Field(folder, slots, AGENTS, 1.0) as field:
        field.fill()
        field.box.until("SELECT COUNT(*)>20 FROM runs WHERE purpose!='baseline' AND status='finished'", patience=300)
        keeper, coordinator = owner.pid_in(field.workspace.keeper), owner.pid_in(field.workspace.owner)
        assert keeper and coordinator
        before, begin = [cpu(p) for p in (keeper, coordinator, os.getpid())], time.monotonic()
        time.sleep(seconds)
        after, end = [cpu(p) for p in (keeper, coordinator, os.getpid())], time.monotonic()
        mine, us, me = (tuple(b - a for a, b in zip(x, y, strict=True)) for x, y in zip(before, after, strict=True))
        field.rest()
        field.drained()
        spans = field.spans()
        within = [s for s in spans if begin <= s[3] < end]
        results = [json.loads((field.workspace.run_folder(s[1], 1) / "result.json").read_text()) for s in within]
        trained = sum(r["cpu_seconds"] for r in results)
        wrong = faults(field)
        wall, n = end - begin, len(within)
        print(f"\n{slots} slots, {wall:.0f} s: {n} runs ended = {n / wall * 60:.0f} a minute; ideal {slots * 60}")
        print(told("gap between trainings on a slot", list(gaps([s for s in spans if begin <= s[2] < end]))))
        share = 100 / wall / len(os.sched_getaffinity(0))
        for name, used in (
            ("coordinator", us[0]), ("keeper", mine[0]), ("runners, git (children)", us[1] - trained),
            ("trainings and their sandboxes", trained), ("this benchmark's submitting", me[0]),
        ):  # fmt: skip
            print(f"  CPU of the {name:<32} {used:7.2f} s = {used * share:5.1f} % of the machine, {1000 * used / max(n, 1):6.1f} ms a run")  # fmt: skip
        whole = field.box.value("SELECT COUNT(*) FROM runs WHERE status='finished'")
        print(
            f"recorded in all: {whole} runs of {len(field.acknowledged)} submissions and the baseline; lost or double: {len(wrong)}"
        )
        print("\n".join(f"  FAULT {line}" for line in wrong[:20]))
        return RunSpec.read(field.workspace.run_folder(within[0][1], 1) / "spec.json")


def floor(folder: Path, spec: RunSpec, train: str, slots: int, seconds: float) -> float:
    """Runs a minute of `slots` loops: a checkout, and bubblewrap with Python in it."""
    end = time.monotonic() + seconds
    done = [0] * slots

    def loop(slot: int) -> None:
        at = folder / f"hand-{slot}"
        mine = RunSpec(**{**spec.__dict__, "folder": str(at), "work": str(at / "work"), "sandbox": "required"})
        while time.monotonic() < end:
            shutil.rmtree(at, ignore_errors=True)
            (at / "work").mkdir(parents=True)
            (at / "work" / "train.py").write_text(train)
            place.prepare(mine, True)
            env = place.environment(mine, True)
            by_hand(["env", "-i", *(f"{k}={v}" for k, v in env.items()), *sandbox.wrap(mine, place.command(mine))])
            done[slot] += time.monotonic() < end

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds * 60


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    slots = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        spec = swarm(folder / "box", slots, seconds)
        train = (folder / "box" / "task" / "train.py").read_text()
        by_shell = floor(folder, spec, train, slots, max(10.0, seconds / 3))
    print(f"floor, by hand: {by_shell:.0f} runs a minute")


if __name__ == "__main__":
    main()
