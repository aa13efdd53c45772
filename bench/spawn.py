"""Spawning 8 agents beside its floor: 8 × `git worktree add` and `tmux new-session` by shell, all in one run.

    python -m bench.spawn [--rounds 7]

cold: no coordinator runs. warm: one runs, its campaign has begun and is at rest, 8 more agents are added.
Both until `swarm spawn` has said so: it asks the door, and the door answers when all panes run (looked at afterwards).
The machine's mood changes by the second: each measurement has a floor of its own just before and just after it, and
the ratio is the median of the rounds' ratios, not the ratio of two medians.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from swarm.daemon import start
from swarm.sessions import best
from swarm.workspace import Workspace

PROJECT = Path(__file__).resolve().parents[1]
AGENTS = 8
PATIENCE = 60.0  # seconds
TRAIN = "import time\ntime.sleep(3600)\n"
PROMISED = {"cold": 12.0, "warm": 4.0}  # at most so many times the floor


def floor(folder: Path) -> float:
    """Seconds of the shell's way."""
    repo = folder / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "train.py").write_text(TRAIN)
    words = ["git", "-C", str(repo), "-c", "user.name=b", "-c", "user.email=b@x"]
    subprocess.run([*words, "add", "-A"], check=True)
    subprocess.run([*words, "commit", "-q", "-m", "base"], check=True)
    server = f"bench-{folder.name}"
    tmux = f"tmux -L {server} -f /dev/null new-session -d"
    lines = [
        f"git -C '{repo}' worktree add -q -b a{n} '{folder}/w{n}' && {tmux} -s a{n} -c '{folder}/w{n}' sleep 60"
        for n in range(AGENTS)
    ]
    begin = time.monotonic()
    subprocess.run(["sh", "-ec", "\n".join(lines)], check=True)
    seconds = time.monotonic() - begin
    subprocess.run(["tmux", "-L", server, "kill-server"], check=False)
    return seconds


class Swarm:
    """A workspace with a fresh HOME, and the real command in it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.ws, task = folder / "home", folder / "ws", folder / "task"
        for path in (self.home, self.ws, task):
            path.mkdir()
        (task / "train.py").write_text(TRAIN)
        (self.ws / "swarm.yaml").write_text(f"task: {{path: '{task}', run: python train.py, budget: 600s}}\n")

    def run(self, *words: str) -> float:
        """Seconds of one command."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(PROJECT), "TERM": "dumb"}
        argv = [sys.executable, "-m", "swarm", *words]
        begin = time.monotonic()
        subprocess.run(argv, cwd=self.ws, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return time.monotonic() - begin

    def spawn(self, gpus: str, agents: int) -> float:
        """Seconds until the command has said that they run."""
        kind = ("--agents", f"command:{agents}", "--command", "sleep 600")
        seconds = self.run("spawn", "--device", "cpu", "--gpus", gpus, *kind, "--hours", "1")
        panes = best(Workspace(self.ws)).list()
        assert len(panes) >= agents, "a pane does not run"
        assert not [p for p in panes.values() if p.dead], "a pane died"
        return seconds

    def rest(self) -> None:
        """Wait until every agent is in its turn and a baseline runs: a coordinator that is up, not one coming up."""
        end = time.monotonic() + PATIENCE
        while self._busy():
            assert time.monotonic() < end, "the campaign does not begin"
            time.sleep(0.05)

    def _busy(self) -> bool:
        db = sqlite3.connect(f"file:{Workspace(self.ws).ledger}?mode=ro", uri=True)
        try:
            starting = db.execute("SELECT COUNT(*) FROM agents WHERE state != 'thinking'").fetchone()[0]
            return bool(starting) or not db.execute("SELECT 1 FROM runs WHERE status = 'running'").fetchone()
        finally:
            db.close()

    def end(self) -> None:
        """All of it, the coordinator too: nothing of this round is at work in the next one."""
        self.run("stop", "--now")
        start.stop(Workspace(self.ws))


def cold(swarm: Swarm) -> float:
    return swarm.spawn("1", AGENTS)


def warm(swarm: Swarm) -> float:
    swarm.spawn("0,", 1)
    swarm.rest()
    return swarm.spawn("1,", AGENTS)


def measured(work: Callable[[Swarm], float]) -> float:
    """One measurement in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        swarm = Swarm(Path(folder))
        try:
            return work(swarm)
        finally:
            swarm.end()


def floored() -> float:
    with tempfile.TemporaryDirectory() as folder:
        return floor(Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description="How long spawning 8 agents takes, beside what git and tmux take.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    floors: list[float] = []
    seconds: dict[str, list[float]] = {"cold": [], "warm": []}
    ratios: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        for name, work in (("cold", cold), ("warm", warm)):
            before, took, after = floored(), measured(work), floored()
            floors += [before, after]
            seconds[name].append(took)
            ratios[name].append(2 * took / (before + after))
    print(f"{'':6}{'median':>8}  {'quartiles':14}{'× floor':>8}  {'quartiles':12} at most   (n={rounds})")
    print(f"{'floor':6}{_row(floors, 's', 3)}")
    for name, most in PROMISED.items():
        held = "" if statistics.median(ratios[name]) <= most else "  NOT HELD"
        print(f"{name:6}{_row(seconds[name], 's', 3)}  {_row(ratios[name], '', 1)} {most:6.0f}{held}")


def _row(found: list[float], unit: str, digits: int) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    spread = f"{low:.{digits}f}-{high:.{digits}f}"
    return f"{middle:>6.{digits}f} {unit:1}  {spread:<12}"


if __name__ == "__main__":
    main()
