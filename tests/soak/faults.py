"""Doing what the plan says to the soak's own processes, disk and clock, and undoing what is only for a while."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.diary import Diary
from tests.soak.disk import Disk
from tests.soak.family import SERVER, Process, child, hit
from tests.soak.plan import Event

KILLS = {
    "kill coordinator": ("coordinator",), "kill keeper": ("keeper",), "kill both": ("keeper", "coordinator"),
    "kill agent": ("agent",), "kill run": ("run",), "kill tmux": (SERVER,),
    "kill helper": ("",),  # a git of the coordinator's, mostly
}  # fmt: skip
STOPPABLE = ("coordinator", "keeper", "agent", "agent", "run", "run", SERVER, "")


@dataclass
class Faults:
    """`family` tells the processes of now, `revive` is called after the keeper was killed with its coordinator."""

    diary: Diary
    disk: Disk
    clock: Path
    family: Callable[[], Sequence[Process]]
    done: Counter[str] = field(default_factory=Counter)
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)  # what is to be undone, and when

    def do(self, event: Event) -> None:
        """One fault; none when there is nothing of its kind just now."""
        if event.what in KILLS:
            did = [self._kill(kind, event.pick) for kind in KILLS[event.what]]
            self.done[event.what] += any(did)
        elif event.what == "disk full":
            self._fill(event.size)
        elif event.what == "clock":
            self._jump(event.size)
        elif event.what == "stop pid":
            self._stop(event)
        else:
            raise ValueError(event.what)

    def undo_due(self) -> None:
        """Free, continue and set right what has lasted long enough."""
        now = time.monotonic()
        for item in [item for item in self.due if item[0] <= now]:
            self.due.remove(item)
            item[1]()

    def undo_all(self) -> None:
        """The machine as it should be: every process goes on, the disk is free, the clock is right."""
        for item in list(self.due):
            self.due.remove(item)
            item[1]()
        self.disk.free()
        if self.clock.exists():
            self._jump(0.0)

    def _kill(self, kind: str, pick: float) -> bool:
        process = _picked([p for p in self.family() if p.kind == (kind or "coordinator")], pick)
        if process is not None and not kind:
            process = child(process)
        if process is None or not hit(process, signal.SIGKILL):
            return False
        self.diary.note("fault", what=f"kill {(kind or 'helper').split()[0]}", pid=process.pid)
        return True

    def _fill(self, seconds: float) -> None:
        if self.disk.full:
            return
        self.disk.fill()
        self.diary.note("fault", what="disk full")
        self.done["disk full"] += 1
        self.due.append((time.monotonic() + seconds, self._free))

    def _free(self) -> None:
        self.disk.free()
        self.diary.note("fault", what="disk free")

    def _jump(self, offset: float) -> None:
        fresh = self.clock.with_name("offset.new")
        fresh.write_text(f"{offset}")
        os.replace(fresh, self.clock)
        self.diary.note("fault", what=f"clock {offset:+.0f}")
        self.done["clock"] += 1

    def _stop(self, event: Event) -> None:
        kind = STOPPABLE[int(event.pick * len(STOPPABLE))]
        process = _picked([p for p in self.family() if p.kind == kind], event.pick * len(STOPPABLE) % 1.0)
        if process is None or not hit(process, signal.SIGSTOP):
            return
        self.diary.note("fault", what="stop pid", pid=process.pid, kind=process.kind)
        self.done["stop pid"] += 1

        def go_on() -> None:
            if hit(process, signal.SIGCONT):
                self.diary.note("fault", what="continue pid", pid=process.pid)

        self.due.append((time.monotonic() + event.size, go_on))


def _picked(some: Sequence[Process], pick: float) -> Process | None:
    return some[int(pick * len(some))] if some else None
