"""Whose workspace it is: a note beside the lock, because a lock is not seen from another machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def read(workspace: Workspace) -> Owner | None:
    """The note; None when there is none that can be read."""
    try:
        return Owner(**json.loads(workspace.owner.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def note() -> dict[str, Any]:
    """Who we are, as every note of the daemon says it."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "boot_id": procs.boot_id()}


def pid_in(path: Path) -> int | None:
    """The pid in a note; None when there is none, or it is no process of this machine since it was booted."""
    try:
        found = json.loads(path.read_text())
        if (found["host"], found["boot_id"]) != (socket.gethostname(), procs.boot_id()):
            return None
        return int(found["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def beat(workspace: Workspace) -> None:
    """Write the note anew. Raises OSError."""
    replace(workspace.owner, json.dumps({**note(), "heartbeat": clock.now()}))


def check(workspace: Workspace) -> None:
    """Raises Refused when a coordinator on another machine owns this workspace."""
    owner = read(workspace)
    if owner is None or clock.now() - owner.heartbeat > FRESH:
        return
    if owner.host == socket.gethostname() or (owner.boot_id and owner.boot_id == procs.boot_id()):
        return  # this machine: the lock tells
    raise Refused(
        f"the swarm of this workspace is run by {owner.host} (pid {owner.pid}).",
        f"Give the command there. If {owner.host} is gone for good, wait {FRESH:.0f} s and say it again.",
    )


def tidy(workspace: Workspace) -> None:
    """Remove notes and tokens that a killed coordinator had not put in place. Only for whoever holds the lock."""
    for path in (*workspace.hidden.glob(".*.json.*"), *workspace.tokens.glob(".*")):
        with contextlib.suppress(OSError):
            path.unlink()


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
