"""Spawning 8 agents beside its floor: 8 × `git worktree add` and `tmux new-session` by shell. Ratios, in one run.

    python -m bench.spawn [ROUNDS]

cold: no coordinator runs. warm: one runs, its campaign has begun, 8 more agents are added.
Both until all panes run and the door answers.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
AGENTS = 8
TRAIN = "import time\ntime.sleep(3600)\n"


def floor(folder: Path) -> float:
    """Seconds of the shell's way."""
    repo = folder / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "train.py").write_text(TRAIN)
    words = ["git", "-C", str(repo), "-c", "user.name=b", "-c", "user.email=b@x"]
    subprocess.run([*words, "add", "-A"], check=True)
    subprocess.run([*words, "commit", "-q", "-m", "base"], check=True)
    server = f"bench-{folder.name}"
    lines = [
        f"git -C '{repo}' worktree add -q -b a{n} '{folder}/w{n}' && tmux -L {server} -f /dev/null new-session -d -s a{n} -c '{folder}/w{n}' sleep 60"
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
        import os

        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(PROJECT), "TERM": "dumb"}
        begin = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "swarm", *words],
            cwd=self.ws,
            env=env,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        return time.monotonic() - begin

    def spawn(self, gpus: str, agents: int) -> float:
        """Seconds until the command has said that they run (it asks the door, and the door has started the panes)."""
        seconds = self.run(
            "spawn",
            "--device",
            "cpu",
            "--gpus",
            gpus,
            "--agents",
            f"command:{agents}",
            "--command",
            "sleep 600",
            "--hours",
            "1",
        )
        self.check()
        return seconds

    def check(self) -> None:
        sys.path.insert(0, str(PROJECT))
        from swarm.sessions import best
        from swarm.workspace import Workspace

        panes = best(Workspace(self.ws)).list()
        assert panes, "no pane runs"
        assert not [p for p in panes.values() if p.dead], "a pane died"


def measured(work: Callable[[Path], float], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(work(Path(folder)))
    return found


def cold(folder: Path) -> float:
    swarm = Swarm(folder)
    try:
        return swarm.spawn("1", AGENTS)
    finally:
        swarm.run("stop", "--now")


def warm(folder: Path) -> float:
    swarm = Swarm(folder)
    try:
        swarm.spawn("0,", 1)
        return swarm.spawn("1,", AGENTS)
    finally:
        swarm.run("stop", "--now")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    base = measured(floor, rounds)
    line = statistics.median(base)
    print(f"floor {line:.3f} s ({min(base):.3f}-{max(base):.3f}, n={rounds})")
    for name, work in (("cold", cold), ("warm", warm)):
        found = measured(work, rounds)
        print(
            f"{name}  {statistics.median(found):.3f} s ({min(found):.3f}-{max(found):.3f}, n={rounds})"
            f" = {statistics.median(found) / line:.1f} × the floor"
        )


if __name__ == "__main__":
    main()
