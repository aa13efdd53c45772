"""The keeper: a tiny process that brings a dead coordinator back. It knows nothing but its child and two locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from swarm import procs
from swarm.daemon import owner
from swarm.daemon import program as programs
from swarm.errors import of_system
from swarm.workspace import Workspace

FIRST, LONGEST = 0.5, 30.0  # seconds before a coordinator that failed is started again
AFTER_HEALTH = 2.0  # at most so long when it had answered before
MOST, WITHIN = 10, 300.0  # so many failures in so many seconds without one answering: give up
SHORT = 10.0  # seconds of life after which the next start is quick again
TICK = 0.2


def main(root: Path, program: Sequence[str] = programs.PROGRAM) -> int:
    """Keep the coordinator of the workspace at `root` alive until it ends by itself or we get TERM.

    Returns 0, or the coordinator's exit status when it cannot be kept alive.
    """
    workspace = Workspace(root)
    try:
        lock = take(workspace.keeper)
        if lock is None:
            return 0
        os.truncate(lock, 0)
        os.pwrite(lock, json.dumps(owner.note()).encode(), 0)
        return Keeper(workspace, program).run()
    except OSError as error:
        known = of_system(error)
        if known is None:
            raise
        say(f"{known.message} {known.hint}")
        return programs.UNFIT


def take(path: Path, patience: float = 0.3) -> int | None:
    """The lock, or None when it is really held: those who only look hold it for an instant."""
    end = time.monotonic() + patience
    while True:
        lock = procs.take(path)
        if lock is not None or time.monotonic() > end:
            return lock
        time.sleep(0.03)


class Keeper:
    """One coordinator after the other. `told` is set by TERM."""

    def __init__(self, workspace: Workspace, program: Sequence[str]) -> None:
        self._workspace = workspace
        self._program = program
        self._child: subprocess.Popen[bytes] | None = None
        self._failures: deque[float] = deque(maxlen=MOST)
        self._answered = False  # any coordinator since we began
        self._short = 0  # lives in a row of less than SHORT seconds
        self.told = False

    def run(self) -> int:
        """Until there is nothing to keep. Returns an exit status."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._pass_on)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if self._beside_an_orphan():
            return 0
        while not self.told:
            code = self._one()
            if code == 0 or self.told:
                return 0
            if not self._worth_it(code):
                say(f"the coordinator ended with status {code}; giving up.")
                return code if code > 0 else 1
            say(f"the coordinator ended with status {code}; starting it again.")
            self._rest(self._pause())
        return 0

    def _one(self) -> int:
        """Start a coordinator and wait for its end."""
        started = time.monotonic()
        self._child = programs.spawn(programs.coordinator(self._program, self._workspace), self._workspace.log)
        if self.told:  # between the look and the start
            self._child.terminate()
        code = self._child.wait()
        healthy = owner.pid_in(self._workspace.door) == self._child.pid
        if healthy:
            self._answered = True
            self._failures.clear()
        self._failures.append(time.monotonic())
        self._short = self._short + 1 if time.monotonic() - started < SHORT else 1
        return code

    def _worth_it(self, code: int) -> bool:
        if code == programs.UNFIT and not self._answered:
            return False
        full = len(self._failures) == MOST
        return not (full and time.monotonic() - self._failures[0] < WITHIN)

    def _pause(self) -> float:
        pause = FIRST * 2.0 ** min(self._short - 1, 10)
        return min(pause, AFTER_HEALTH if owner.pid_in(self._workspace.door) == self._pid() else LONGEST)

    def _beside_an_orphan(self) -> bool:
        """Wait for the end of a coordinator whose keeper died. Returns whether that was the end of it all."""
        if not procs.held(self._workspace.lock):
            return False
        while procs.held(self._workspace.lock):
            if self.told:
                _signal(owner.pid_in(self._workspace.owner))
            self._rest(TICK)
        return self.told or not self._workspace.door.exists()

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self.told and seconds > TICK):
            time.sleep(min(TICK, max(0.0, end - time.monotonic())))

    def _pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    def _pass_on(self, *_: object) -> None:
        self.told = True
        if self._child is not None and self._child.returncode is None:
            _signal(self._child.pid)


def say(text: str) -> None:
    """A line in the coordinator's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), "keeper:", text, file=sys.stderr, flush=True)


def _signal(pid: int | None) -> None:
    if pid is None:
        return
    try:
        os.kill(pid, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        pass
