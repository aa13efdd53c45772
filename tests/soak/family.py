"""The soak's own processes, found in /proc by its folder's name, and signalled without mistaking one for another."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SERVER = "tmux server"


@dataclass(frozen=True)
class Process:
    """`started`: clock ticks since boot; with the pid it names a process for good."""

    pid: int
    parent: int
    started: int
    words: tuple[str, ...]
    kind: str


def family(workspace: Path, server: str) -> list[Process]:
    """What belongs to this soak, in order of pids: coordinator, keeper, agents, runs, the tmux server, helpers.

    `server` is the name of its tmux server. Never the driver itself.
    """
    found: dict[int, Process] = {}
    for pid in sorted(int(name) for name in os.listdir(PROC) if name.isdigit()):
        process = _read(pid, str(workspace), server)
        if process is not None:
            found[pid] = process
    for pid, process in list(found.items()):
        if process.kind == "" and _below_a_run(process, found):
            found[pid] = Process(pid, process.parent, process.started, process.words, "run")
    return list(found.values())


def _read(pid: int, folder: str, server: str) -> Process | None:
    if pid == os.getpid():
        return None
    try:
        words = tuple((PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
        state, *numbers = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        parent, started = int(numbers[0]), int(numbers[18])
        ours = any(folder in word or word == f"-L{server}" for word in words) or _stands_in(pid, folder)
    except (OSError, ValueError, IndexError):
        return None
    if not ours or state in "ZX":
        return None
    return Process(pid, parent, started, words, _kind(words, server, parent))


def _stands_in(pid: int, folder: str) -> bool:
    try:
        return os.readlink(PROC / str(pid) / "cwd").startswith(folder)
    except OSError:
        return False


def _kind(words: tuple[str, ...], server: str, parent: int) -> str:
    if "_coordinator" in words:
        return "coordinator"
    if "_keeper" in words:
        return "keeper"
    if f"-L{server}" in words:
        return SERVER if "start-server" in words else ""
    if any(word.endswith("runner/run.py") for word in words) or any(word.endswith("bwrap") for word in words[:1]):
        return "run"
    if any(word.endswith("soak/agent.py") or word == "swarm.agents.command" for word in words):
        return "agent"
    return ""


def _below_a_run(process: Process, family: dict[int, Process]) -> bool:
    above = family.get(process.parent)
    return above is not None and (above.kind == "run" or _below_a_run(above, family))


def child(process: Process, patience: float = 1.0) -> Process | None:
    """A process that the coordinator has started just now, no run: too short-lived to be met by a look at everything."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for path in (PROC / str(process.pid) / "task").glob("*/children"):
            with contextlib.suppress(OSError, ValueError):
                for pid in map(int, path.read_text().split()):
                    started = _started(pid)
                    if started is not None and b"runner/run.py" not in (PROC / str(pid) / "cmdline").read_bytes():
                        return Process(pid, process.pid, started, (), "helper")
    return None


def hit(process: Process, sign: signal.Signals) -> bool:
    """Signal just this process. False when it is gone."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if _started(process.pid) != process.started:
            return False
        signal.pidfd_send_signal(fd, sign)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _started(pid: int) -> int | None:
    try:
        return int((PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
