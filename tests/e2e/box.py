"""A person's machine in a folder: a fresh HOME, a task that takes a moment, and the real `swarm` as a process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0  # seconds; the machine is small and tests run two at once

TRAIN = '''"""A toy that takes a moment: the loss is the sum of the constants, and a little noise from the seed."""

import os
import random
import time

A = 1.0

B = 2.0

C = 3.0

SECONDS = 0.2

begin = time.time()
time.sleep(SECONDS)
loss = A + B + C + random.Random(int(os.environ["SWARM_SEED"])).gauss(0, 0.005)
print("---")
print(f"val_bpb:          {loss:.6f}")
print(f"training_seconds: {time.time() - begin:.1f}")
print(f"total_seconds:    {time.time() - begin:.1f}")
print("num_steps:        100")
'''


class Box:
    """`folder` holds home/, task/ and the workspace ws/."""

    def __init__(self, folder: Path, train: str = TRAIN, yaml: str = "") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.task = folder / "task"
        self.ws = folder / "ws"
        for path in (self.home, self.task, self.ws):
            path.mkdir(parents=True)
        (self.task / "train.py").write_text(train)
        (self.task / "prepare.py").write_text("FROZEN = 1\n")
        self.yaml = self.ws / "swarm.yaml"
        text = f"task: {{path: {json.dumps(str(self.task))}, run: python train.py, budget: 'wall:5'}}\n"
        self.yaml.write_text(text + (yaml or "policy: {idle_after: 600}\n"))

    @property
    def env(self) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        return {**keep, "HOME": str(self.home), "PYTHONPATH": str(PROJECT), "TERM": "dumb", "COLUMNS": "100"}

    def run(
        self, *words: str, code: int | None = 0, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `swarm WORDS` in the workspace. `code` None: whatever exit status."""
        done = subprocess.run(
            [sys.executable, "-m", "swarm", *words], cwd=cwd or self.ws, env={**self.env, **env}, text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, (
                f"swarm {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.log()}"
            )
        return done

    def log(self) -> str:
        path = self.ws / ".swarm" / "coordinator.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else "(no coordinator.log)"

    def query(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        path = self.ws / ".swarm" / "results.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as db:
            return db.execute(sql, args).fetchall()

    def value(self, sql: str, *args: Any) -> Any:
        rows = self.query(sql, *args)
        return rows[0][0] if rows else None

    def until(self, sql: str, *args: Any, patience: float = PATIENCE) -> Any:
        """Wait until the first value of a query is true."""
        return until(lambda: self.value(sql, *args), patience, lambda: f"{sql} {args}\n{self.log()}")

    def door(self) -> dict[str, Any]:
        return dict(json.loads((self.ws / ".swarm" / "door.json").read_text()))

    def close(self) -> None:
        """End everything of this workspace: by its own command, then by what it wrote down."""
        if (self.ws / ".swarm").exists():
            subprocess.run(
                [sys.executable, "-m", "swarm", "stop", "--now"], cwd=self.ws, env=self.env, capture_output=True, timeout=60,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        for pid in ours(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def until(look: Callable[[], Any], patience: float = PATIENCE, say: Callable[[], str] = str) -> Any:
    """Poll until something is true. Fails with `say()` when the patience is over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {patience:.0f} s: {say()}")


def ours(folder: Path) -> Iterator[int]:
    """Processes whose command line or folder lies in this box. Never anybody else's."""
    mark = str(folder).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "cmdline").read_bytes() or os.readlink(entry / "cwd").startswith(str(folder)):
                yield int(entry.name)


def have(*programs: str) -> None:
    """A part that is missing fails the test: a skip would turn the run green."""
    missing = [p for p in programs if shutil.which(p) is None]
    assert not missing, f"{', '.join(missing)} missing: apt-get install {' '.join(missing)}"
