"""`make demo`: a small swarm on two CPU cores, from nothing to a confirmed promotion and a picture.

Everything is done by the `swarm` command, as a person would; what is shown live is read from the workspace's results.db.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from demo_board import Record, board, promotions, rebases
from rich.console import Console
from rich.markup import escape

PROJECT = Path(__file__).resolve().parent.parent
LONGEST = 6  # minutes
SEARCH = 285.0  # seconds after the start of the demo: then the search ends, whatever was found
ENOUGH = 20  # experiments; with a confirmed promotion the search may end
EXTRA = 25.0  # seconds more when the first promotion is just being confirmed
SETTLE = 8.0  # seconds after a promotion in which rebases are dealt out
LAST_RUNS = 30.0  # seconds that the runs in progress get to finish
BUDGET = "flops:4e11"  # per run: about five seconds of training on one core
TICK = 0.5

console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


class Demo(Record):
    """One workspace, and what is done in it."""

    @property
    def cores(self) -> int:
        return min(2, len(os.sched_getaffinity(0)))

    def swarm(self, *words: str, check: bool = True) -> int:
        """Run `swarm WORDS` in the workspace, shown as a person would type it. Raises SystemExit when it fails."""
        console.print(f"\n[bold]$ swarm {escape(' '.join(words))}[/bold]")
        done = subprocess.run(self.argv(*words), cwd=self.folder, stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode:
            raise SystemExit(f"demo: swarm {words[0]} ended with {done.returncode}; its words are above.")
        return done.returncode

    @staticmethod
    def argv(*words: str) -> list[str]:
        return [sys.executable, "-m", "swarm", *words]

    def quietly(self, *words: str) -> int:
        """The same, without showing it."""
        return subprocess.run(
            self.argv(*words), cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
        ).returncode

    def done(self) -> bool:
        """Whether all was seen that there is to see, or the time is over."""
        last = self.confirmed()
        limit = SEARCH + (EXTRA if last is None and self.confirming() else 0)
        if self.seconds > limit or self.ended:
            return True
        settled = last is not None and time.time() - last["at"] > SETTLE
        return settled and self.experiments >= ENOUGH and not self.measuring()


def main() -> int:
    demo = Demo(next_folder(PROJECT / "demo"))
    console.print(
        f"[bold]A small swarm on {demo.cores} CPU cores.[/bold] It takes 3 to 5 minutes, {LONGEST} at most; ctrl-C ends it.\n"
        "  This is a toy: a 0.3M-parameter GPT that trains for seconds per run on your Python's own library.\n"
        "  On a GPU the same commands train a 50M-parameter one for 5 minutes per run.\n"
        f"  Workspace: {escape(str(demo.folder.relative_to(PROJECT)))}"
    )
    try:
        prepare(demo)
        search(demo)
        return ending(demo)
    except KeyboardInterrupt:
        console.print("\nstopped by you")
        return 130
    finally:
        stop(demo)


def next_folder(parent: Path) -> Path:
    """demo/1, demo/2, …: earlier ones stay as they are."""
    taken = [int(p.name) for p in parent.glob("*") if p.name.isdigit()] if parent.is_dir() else []
    return parent / str(max(taken, default=0) + 1)


def prepare(demo: Demo) -> None:
    """A workspace with the template as its task, and the data."""
    demo.folder.mkdir(parents=True)
    if demo.quietly("init", "."):
        raise SystemExit("demo: swarm init failed; try it yourself: .venv/bin/swarm init somewhere")
    yaml = demo.folder / "swarm.yaml"
    yaml.write_text(f"task: {{path: task, budget: '{BUDGET}'}}\ndevice: cpu\n")
    demo.swarm("prepare", "--device", "cpu")


def search(demo: Demo) -> None:
    """Spawn, and show what happens until there is enough of it or the time is over."""
    hours = (SEARCH + EXTRA + LAST_RUNS - demo.seconds) / 3600  # a net: it ends also when this script dies
    demo.swarm("spawn", "--device", "cpu", "--gpus", str(demo.cores), "--agents", "tuner", "--hours", f"{hours:.3f}")
    console.print()
    with board(demo, console, int(SEARCH), ENOUGH) as draw:
        while not demo.done():
            draw()
            time.sleep(TICK)
        draw()
        end_search(demo, draw)


def end_search(demo: Demo, draw: Callable[[], None]) -> None:
    """End the search; what runs may finish."""
    demo.quietly("stop")
    end = demo.seconds + LAST_RUNS
    while not demo.ended and demo.seconds < end:
        draw()
        time.sleep(TICK)


def ending(demo: Demo) -> int:
    """Leaderboard, promotion, rebases, picture. Returns the exit status."""
    demo.swarm("leaderboard", "-n", "8")
    console.print()
    last = demo.confirmed()
    for line in [*promotions(demo), *rebases(demo)]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    demo.swarm("plot")
    minutes, seconds = divmod(int(demo.seconds), 60)
    place = demo.folder.relative_to(PROJECT)
    console.print(
        f"\n  {demo.experiments} experiments in {minutes} min {seconds} s. All of it stays in {place}: cd {place}, then",
        markup=False,
    )
    console.print("    swarm show EXPERIMENT    swarm diff EXPERIMENT    swarm status", markup=False)
    return 0 if last is not None else 1


def stop(demo: Demo) -> None:
    """End everything that was started: agents, runs, coordinator and its keeper."""
    if not (demo.folder / ".swarm" / "results.db").exists():
        return
    if not demo.ended:
        demo.quietly("stop", "--now")
        end = time.monotonic() + 15
        while not demo.ended and time.monotonic() < end:
            time.sleep(0.2)
    with contextlib.suppress(OSError, ValueError, KeyError):  # it would leave by itself, but not at once
        keeper = int(json.loads((demo.folder / ".swarm" / "locks" / "keeper.lock").read_text())["pid"])
        process = Path(f"/proc/{keeper}/cmdline")
        if str(demo.folder).encode() in process.read_bytes():
            os.kill(keeper, signal.SIGTERM)
            end = time.monotonic() + 15
            while process.exists() and time.monotonic() < end:
                time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
