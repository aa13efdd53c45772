"""Whose workspace it is: a note beside the lock, because a lock is not seen from another machine."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from swarm import clock, procs
from swarm.errors import Refused
from swarm.workspace import Workspace

FRESH = 60.0  # seconds a heartbeat of another machine counts


@dataclass(frozen=True)
class Owner:
    """A coordinator's note. `heartbeat`: seconds since 1970."""

    host: str
    pid: int
    boot_id: str
    heartbeat: float

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this machine since it was started."""
        return (self.host, self.boot_id) == (socket.gethostname(), procs.boot_id()) or (
            self.boot_id != "" and self.boot_id == procs.boot_id()
        )


def read(workspace: Workspace) -> Owner | None:
    """The note; None when there is none that can be read."""
    try:
        return Owner(**json.loads(workspace.owner.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def beat(workspace: Workspace) -> None:
    """Write the note anew. Raises OSError."""
    note = Owner(socket.gethostname(), os.getpid(), procs.boot_id(), clock.now())
    replace(workspace.owner, json.dumps(asdict(note)))


def check(workspace: Workspace) -> None:
    """Raises Refused when a coordinator on another machine owns this workspace."""
    owner = read(workspace)
    if owner is None or owner.here or clock.now() - owner.heartbeat > FRESH:
        return
    if owner.host == socket.gethostname():
        return  # this machine before it was booted again
    raise Refused(
        f"the swarm of this workspace is run by {owner.host} (pid {owner.pid}).",
        f"Give the command there. If {owner.host} is gone for good, wait {FRESH:.0f} s and say it again.",
    )


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by the owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
