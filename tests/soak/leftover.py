"""What must not be there any more: processes, sessions, locks, mounts, halves of files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

# begun and never put in its place: of git, of SQLite's neighbours here, of whoever writes beside and moves
HALVES = ("*.tmp", "*.new", "tmp_*", "index-*", "blobs-*", "merge-*", ".*.json.*")
PROC = Path("/proc")


def everything(workspace: Path) -> Iterator[str]:
    """`workspace` as it is written, and as it is without links."""
    for look in (processes, sessions, locks, mounts, halves):
        yield from look(workspace)


def processes(workspace: Path) -> Iterator[str]:
    """Nobody's command line, folder, environment or open file is below the workspace, but ours and our callers'."""
    ours = set(_upwards(os.getpid()))
    names = {os.fsencode(workspace), os.fsencode(workspace.resolve())}
    mark = re.compile(rb"(?:" + rb"|".join(map(re.escape, names)) + rb")(?![\w.-])")
    for folder in PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) in ours:
            continue
        how = [what for what, text in _about(folder) if mark.search(text)]
        if how:
            words = _read(folder / "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
            yield f"process {folder.name} is left ({', '.join(dict.fromkeys(how))}): {words[:120]}"


def _about(folder: Path) -> Iterator[tuple[str, bytes]]:
    yield "command line", _read(folder / "cmdline")
    yield "environment", _read(folder / "environ")
    yield "folder", _link(folder / "cwd")
    with suppress(OSError):
        for name in os.listdir(folder / "fd"):
            yield "open file", _link(folder / "fd" / name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _link(path: Path) -> bytes:
    try:
        return os.fsencode(os.readlink(path))
    except OSError:
        return b""


def _upwards(pid: int) -> Iterator[int]:
    while pid > 0:
        yield pid
        found = re.search(rb"^PPid:\s*(\d+)", _read(PROC / str(pid) / "status"), re.M)
        pid = int(found[1]) if found else 0


def sessions(workspace: Path) -> Iterator[str]:
    """The workspace's own tmux server is gone. (A socket that nobody answers at is none.)"""
    if shutil.which("tmux") is None:
        return
    for root in {str(workspace), str(workspace.resolve())}:
        name = "swarm-" + hashlib.sha256(root.encode()).hexdigest()[:10]
        done = subprocess.run(
            ["tmux", "-L", name, "list-sessions", "-F", "#{session_name}"], capture_output=True, text=True
        )
        if done.returncode == 0:
            yield f"the tmux server {name} is left, with sessions {done.stdout.split()}"


def locks(workspace: Path) -> Iterator[str]:
    """Nobody holds a lock of ours, and git has left none (its locks are files that are there)."""
    hidden = workspace / ".swarm"
    git = hidden / ".git"
    ours = [*(hidden / "locks").glob("*"), *hidden.glob("*.lock"), *hidden.glob("sessions/*/lock")]
    for path in sorted(ours):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield f"the lock {path.name} is held"
        finally:
            os.close(fd)
    for path in sorted([*git.rglob("*.lock"), *(hidden / "index").glob("*.lock")]):
        if path.is_relative_to(git / "worktrees"):
            continue  # of an agent's own git, in its own worktree
        yield f"a lock of git is left: {path.relative_to(workspace)}"


def mounts(workspace: Path) -> Iterator[str]:
    """Nothing is mounted below the workspace; what it lies on itself may well be a mount."""
    below = (f"{workspace}/", f"{workspace.resolve()}/")
    for line in _read(PROC / "self" / "mountinfo").decode(errors="surrogateescape").splitlines():
        place = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[4])
        if place.startswith(below):
            yield f"a mount is left: {place}"


def halves(workspace: Path) -> Iterator[str]:
    """Files that were begun and never put in their place (not in the folders of agents and runs: these are theirs)."""
    hidden = workspace / ".swarm"
    places = [hidden, *(hidden / name for name in ("tokens", "index", "sessions"))]
    found = {path for place in places for path in place.glob("*") if _half(path.name)}
    found |= {Path(at) / name for at, _, names in os.walk(hidden / ".git") for name in names if _half(name)}
    found |= {*(hidden / "tokens").glob(".*"), *(hidden / "runs").glob("*/result.new")}
    for path in sorted(found):
        yield f"half a file is left: {path.relative_to(workspace)}"


def _half(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in HALVES)
