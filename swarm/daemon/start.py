"""Starting and ending the daemon of a workspace, from a command that a person gave."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from swarm import procs
from swarm.client import Client
from swarm.daemon import owner
from swarm.daemon import program as programs
from swarm.errors import SwarmError
from swarm.workspace import Workspace

PATIENCE = 20.0  # seconds
LOOK = 0.05
STARTS = 2  # of a keeper: the first may have met one that was just leaving


def ensure(workspace: Workspace, program: Sequence[str] = programs.PROGRAM, patience: float = PATIENCE) -> Client:
    """A client of this workspace's coordinator, which is started when nobody answers.

    Raises SwarmError with the end of its log when it does not answer within `patience` seconds.
    """
    owner.check(workspace)
    client = Client.at(workspace)
    if client.alive():
        return client
    workspace.make()
    since = programs.size(workspace.log)
    end = time.monotonic() + patience
    starts = 0
    while time.monotonic() < end:
        if not procs.held(workspace.keeper):
            if starts == STARTS:
                break
            keep(workspace, program)
            starts += 1
        if client.alive():
            return client
        time.sleep(LOOK)
    raise _failed(workspace, since)


def keep(workspace: Workspace, program: Sequence[str] = programs.PROGRAM) -> None:
    """Start a keeper, detached from us. One that is there already stays the only one.

    Returns when it has its lock or has ended, so that none comes to life after a later `stop`.

    Raises OSError when no process can be started.
    """
    keeper = programs.spawn(programs.keeper(program, workspace), workspace.log)
    end = time.monotonic() + PATIENCE
    while keeper.poll() is None and time.monotonic() < end:
        if owner.pid_in(workspace.keeper) == keeper.pid:
            return
        time.sleep(LOOK)


def stop(workspace: Workspace, patience: float = PATIENCE) -> bool:
    """End keeper and coordinator; runs and agents go on by themselves. Returns whether there was anything to end.

    Raises SwarmError when they run on another machine, or do not end.
    """
    owner.check(workspace)
    told: set[int] = set()
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        if _ended(workspace, sign, seconds, told):
            return bool(told)
    raise SwarmError("the coordinator does not end.", f"See {workspace.log}")


def _ended(workspace: Workspace, sign: signal.Signals, seconds: float, told: set[int]) -> bool:
    """Signal all that live, and who takes their place meanwhile. Returns whether none is left after `seconds`."""
    end = time.monotonic() + seconds
    signalled: set[int] = set()
    while _held(workspace):
        for pid in set(_living(workspace)) - signalled:
            signalled.add(pid)
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                continue
        told |= signalled
        if time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True


def _held(workspace: Workspace) -> bool:
    return procs.held(workspace.keeper) or procs.held(workspace.lock)


def _living(workspace: Workspace) -> list[int]:
    """Keeper and coordinator, where they are processes of this machine."""
    notes = ((workspace.keeper, workspace.keeper), (workspace.lock, workspace.owner))
    return [pid for lock, note in notes if procs.held(lock) and (pid := owner.pid_in(note))]


def _failed(workspace: Workspace, since: int) -> SwarmError:
    tail = programs.tail(workspace.log, since)
    said = f" The end of its log:\n{tail}" if tail else ""
    return SwarmError(f"the coordinator did not start.{said}", f"All of it: {workspace.log}")
