"""Real runs of small scripts: a spec around a source text, and the runner as the process that it is."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import swarm.runner
from swarm.runner.spec import RunResult, RunSpec

RUNNER = Path(swarm.runner.__file__).with_name("run.py")
DEADLINE = 60.0  # seconds; a machine that is busy is not wrong
T = TypeVar("T")

GOOD = """
    print("---")
    print("val_bpb:          1.250000")
    print("num_steps:        7")
"""

# A daemon that leaves the session, is deaf to TERM and holds a lock on the file `alive` for as long as it lives.
DAEMON = """
    import fcntl, os, signal, time
    ready, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            alive = open("alive", "w")
            fcntl.flock(alive, fcntl.LOCK_EX)
            os.write(told, b"x")
            time.sleep(900)
        os._exit(0)
    os.wait()
    os.read(ready, 1)
"""


def until(ask: Callable[[], T | None], what: str = "the condition") -> T:
    """The first answer that is true."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.01)
    raise AssertionError(f"waited {DEADLINE:g} s in vain for {what}")


def spec(folder: Path, source: str, **wish: Any) -> RunSpec:
    """A run of `source` as train.py, without a sandbox if not asked for."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    (work / "train.py").write_text("".join(textwrap.dedent(part) for part in source.split("#--\n")))
    env = {"SWARM_PYTHON": sys.executable, **wish.pop("env", {})}
    given: dict[str, Any] = {
        "command": ["python", "train.py"],
        "sandbox": "off",
        "kill_after": DEADLINE,
        "edit": ["train.py"],
    }
    return RunSpec(run=7, attempt=1, folder=str(folder), work=str(work), env=env, **(given | wish))


def start(made: RunSpec, **env: str) -> subprocess.Popen[bytes]:
    """The runner's process."""
    path = Path(made.folder) / "spec.json"
    made.write(path)
    argv = [sys.executable, "-I", "-S", str(RUNNER), str(path)]
    return subprocess.Popen(argv, env={**os.environ, **env}, start_new_session=True)


def carry(folder: Path, source: str, environ: dict[str, str] | None = None, **wish: Any) -> RunResult:
    """Run it to its end."""
    process = start(spec(folder, source, **wish), **(environ or {}))
    try:
        assert process.wait(DEADLINE * 1.5) == 0
    finally:
        process.kill()
    return RunResult.read(folder / "result.json")


def printed(folder: Path) -> str:
    return (folder / "log.txt").read_text()
