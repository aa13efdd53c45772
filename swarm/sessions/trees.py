"""All processes of a session, also those that left their parent, their group and their session, and their end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from swarm.sessions.launch import MARK

PATIENCE = 3.0  # seconds between TERM and KILL
PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """`started` (clock ticks since boot) tells a process from a later one with the same pid."""

    pid: int
    parent: int
    group: int
    session: int
    started: int


def processes() -> dict[int, Process]:
    """Every process of this machine that is not a zombie, by pid. Empty where there is no /proc."""
    found = {}
    for pid in _pids():
        process = _read(pid)
        if process is not None:
            found[pid] = process
    return found


def family(roots: Collection[int], marks: Collection[str]) -> set[Process]:
    """The processes in the group, in the session or below one of `roots`, and those that carry one of the marks.

    Never we ourselves or what we live in: a coordinator may have been started from an agent's session.
    """
    everybody = processes()
    ours = set(_upwards(os.getpid(), everybody))
    members = {p.pid for p in everybody.values() if {p.pid, p.group, p.session} & set(roots)}
    members |= {pid for pid in everybody if _mark(pid) in marks}
    while True:
        below = {p.pid for p in everybody.values() if p.parent in members - ours} - members
        if not below:
            return {everybody[pid] for pid in members - ours}
        members |= below


def end(roots: Collection[int], marks: Collection[str], patience: float = PATIENCE) -> None:
    """End a family: TERM, after `patience` seconds KILL, until none is left (at most some seconds more)."""
    if not PROC.is_dir():
        _end_groups(roots)
        return
    doomed = family(roots, marks)
    _signal(doomed, signal.SIGTERM)
    last = time.monotonic() + patience
    while (doomed := _living(doomed)) and time.monotonic() < last:
        time.sleep(0.02)
    last = time.monotonic() + PATIENCE
    while (doomed := _living(doomed) | family((), marks)) and time.monotonic() < last:
        _signal(doomed, signal.SIGKILL)
        time.sleep(0.02)


def _pids() -> Iterable[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return []


def _read(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, *numbers = text.rpartition(")")[2].split()  # the name before it may hold anything
    if state in ("Z", "X"):
        return None
    return Process(pid, int(numbers[0]), int(numbers[1]), int(numbers[2]), int(numbers[18]))


def _mark(pid: int) -> str | None:
    """The mark in the environment that a process was started with; None when there is none or it is not ours to see."""
    try:
        environ = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    start = (MARK + "=").encode()
    return next((os.fsdecode(v[len(start) :]) for v in environ.split(b"\0") if v.startswith(start)), None)


def _upwards(pid: int, everybody: dict[int, Process]) -> Iterable[int]:
    while pid in everybody:
        yield pid
        pid = everybody[pid].parent


def _living(family: Iterable[Process]) -> set[Process]:
    return {p for p in family if (now := _read(p.pid)) is not None and now.started == p.started}


def _signal(family: Iterable[Process], sign: signal.Signals) -> None:
    for process in _living(family):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, sign)


def _end_groups(roots: Iterable[int]) -> None:
    from swarm.procs import kill_group

    for root in roots:
        kill_group(root, PATIENCE)
