"""Locks that say who is alive, and processes that outlive us.

A flock on an open file description is shared with the children it is passed to and stays held until the last of them
ends, also when the parent is killed with -9. So "is it alive?" is a question to a lock, never to a pid.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path


def take(path: Path) -> int | None:
    """Lock `path` (made if absent) and return its descriptor, or None if somebody holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def held(path: Path) -> bool:
    """Whether a living process holds the lock on `path`."""
    fd = take(path)
    if fd is None:
        return True
    os.close(fd)
    return False


def boot_id() -> str:
    """Changes with every boot of this machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def kill_group(pgid: int, patience: float = 5.0) -> None:
    """End a process group: TERM, then KILL after `patience` seconds. Silent if it is gone already."""
    for sign, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 1.0)):
        try:
            os.killpg(pgid, sign)
        except (ProcessLookupError, PermissionError):
            return
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                os.killpg(pgid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.02)
