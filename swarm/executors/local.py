"""Runs on this machine: one runner process per attempt, found again by its lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import swarm.runner
from swarm import procs
from swarm.ports import Job, Outcome, SlotBusy, Ticket
from swarm.runner import curve, place
from swarm.runner.curve import Point
from swarm.runner.spec import RunResult

RUNNER = Path(swarm.runner.__file__).with_name("run.py")
SPEC = "spec.json"
# What a runner may know of our environment. No key: a run outside a sandbox can read that of its runner.
KEPT = (*place.INHERITED, "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SWARM_SESSION")
PATIENCE = 3.0  # seconds for a runner to end its tree (it gives the tree 2) before it is killed itself


class LocalExecutor:
    """Implements ports.Executor. Remembers nothing that matters: another instance can poll and cancel as well.

    `python` runs the runner (not the training: that is the task's own interpreter).
    """

    def __init__(self, python: Path | None = None) -> None:
        self._python = str(python or sys.executable)
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, job: Job) -> None:
        """Lock the run and the slot, and pass both locks to a runner that outlives us. Raises SlotBusy."""
        locks = [procs.take(job.run_lock), procs.take(job.slot_lock)]
        fds = [fd for fd in locks if fd is not None]
        try:
            if len(fds) < 2:
                busy = job.run_lock if locks[0] is None else job.slot_lock
                raise SlotBusy(f"a living process holds {busy.name}")
            self._children.append(self._launch(job, fds))
        finally:
            for fd in fds:
                os.close(fd)

    def _launch(self, job: Job, fds: list[int]) -> subprocess.Popen[bytes]:
        folder = Path(job.spec.folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("result.json", "pid", curve.FILE):
            (folder / name).unlink(missing_ok=True)
        job.spec.write(folder / SPEC)
        with (folder / "runner.log").open("ab") as log:
            return subprocess.Popen(
                [self._python, "-I", "-S", str(RUNNER), str(folder / SPEC), "--fds", ",".join(map(str, fds))],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, pass_fds=fds, start_new_session=True,
                env={n: v for n, v in os.environ.items() if n in KEPT},
            )  # fmt: skip

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        """Locked: alive. Free with a result: over. Free without: lost, and what it left behind is killed."""
        self._children = [child for child in self._children if child.poll() is None]
        over = [t for t in tickets if not procs.held(t.run_lock)]
        # the spec is written in the moment before the runner is started
        outcomes = [Outcome(t.run, t.attempt, read(t), (t.folder / SPEC).exists()) for t in over]
        lost = {str(t.folder) for t, o in zip(over, outcomes, strict=True) if o.result is None}
        if lost:
            sweep(lost)
        return outcomes

    def curve(self, ticket: Ticket) -> list[Point]:
        """What the runner has read of the training's progress so far."""
        return curve.read(ticket.folder)

    def cancel(self, ticket: Ticket) -> None:
        """Ask the runner to end its tree; kill it if it does not. Takes at most about 3 seconds."""
        end = time.monotonic() + PATIENCE
        asked: int | None = None
        while procs.held(ticket.run_lock) and time.monotonic() < end:
            pid = runner_pid(ticket.folder)
            if pid is not None and asked is None:
                _kill(pid, signal.SIGTERM)
                asked = pid
            time.sleep(0.01)
        if procs.held(ticket.run_lock):
            pid = runner_pid(ticket.folder) or silent_runner(ticket.folder)
            if pid is not None:
                _kill(pid, signal.SIGKILL)
            sweep({str(ticket.folder)})


def read(ticket: Ticket) -> RunResult | None:
    """The result in the ticket's folder, if it is one of this very attempt."""
    try:
        result = RunResult.read(ticket.folder / "result.json")
    except (OSError, ValueError, TypeError):
        return None
    return result if (result.run, result.attempt) == (ticket.run, ticket.attempt) else None


def runner_pid(folder: Path) -> int | None:
    """The living runner of this folder. A pid alone proves nothing, so its command line must name the folder's spec."""
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(folder / SPEC) in _words(pid) else None


def silent_runner(folder: Path) -> int | None:
    """The one that has not written its pid, because the disk is full or because it hangs before that."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid in pids if os.fsencode(folder / SPEC) in _words(pid)), None)


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def sweep(folders: set[str]) -> None:
    """Kill what runs of these folders left behind when their runner was killed outside a sandbox."""
    marks = {b"SWARM_RUN=" + os.fsencode(folder) for folder in folders}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            words = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marks.intersection(words):
            _kill(int(name), signal.SIGKILL)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
