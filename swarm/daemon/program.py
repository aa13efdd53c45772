"""How the daemon's processes are started: the same program again, with a hidden word and the workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import swarm
from swarm.workspace import Workspace

PROGRAM = (sys.executable, "-m", "swarm")  # `_keeper DIR` or `_coordinator DIR` follows
UNFIT = 78  # exit status of a coordinator that would fail the same way again (EX_CONFIG)
LARGEST_LOG = 5 << 20  # bytes; then it is set aside as coordinator.log.1


def keeper(program: Sequence[str], workspace: Workspace) -> list[str]:
    """The keeper's command line."""
    return [*program, "_keeper", str(workspace.root)]


def coordinator(program: Sequence[str], workspace: Workspace) -> list[str]:
    """The coordinator's command line."""
    return [*program, "_coordinator", str(workspace.root)]


def home() -> Path:
    """Where they run: the folder that holds the package, so that nothing in a workspace is taken for a module."""
    return Path(swarm.__file__).resolve().parent.parent


def spawn(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process of its own session that reads nothing and writes to `log`."""
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        os.replace(log, log.with_name(log.name + ".1"))
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        return subprocess.Popen(
            argv, cwd=home(), stdin=subprocess.DEVNULL, stdout=fd, stderr=fd, start_new_session=True
        )
    finally:
        os.close(fd)


def size(log: Path) -> int:
    """Bytes of a log, 0 when there is none."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, since: int = 0, lines: int = 12) -> str:
    """The last lines of a log that were written after its first `since` bytes, indented."""
    try:
        with log.open("rb") as file:
            end = log.stat().st_size
            file.seek(max(since if since < end else 0, end - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])
