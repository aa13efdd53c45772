"""A workspace whose daemon is ended after the test, whatever happened in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarm import procs
from swarm.daemon import start
from swarm.workspace import Workspace


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def pid_of(path: Path) -> int | None:
    """The pid in one of the daemon's notes."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(json.loads(path.read_text())["pid"])
    return None


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    made = Workspace(tmp_path / "place")
    made.root.mkdir()
    made.make()
    yield made
    start.stop(made)
    assert not procs.held(made.lock)
    assert not procs.held(made.keeper)
