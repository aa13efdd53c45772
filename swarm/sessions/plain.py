"""Sessions without a terminal: an agent is a process in a session of its own, its story is in files.

Nobody has to wait for it. A shell above it holds a lock for as long as it lives and writes down how it ended, so the
next coordinator knows as much as the one that started it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from swarm import procs
from swarm.ports import Argv, Launch, Pane
from swarm.sessions import launch as launching
from swarm.sessions import trees

SHELL = (  # $1 the session's folder. What a terminal would send to the agent is no reason to forget its end
    'trap "" HUP INT QUIT TERM; cd -- "$1" || exit; printf %s $$ > pid; '
    "(trap - HUP INT QUIT TERM; exec sh launch.sh) < /dev/null; printf %s $? > exit.new; mv exit.new exit"
)
CODES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")
TAIL = 64_000  # bytes of a log looked at


class Plain:
    """The sessions with a folder each in `folder`: launch.sh, lock, pid, log (a link), and exit when it is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, launch: Launch, cwd: Path, log: Path) -> None:
        """Start a session; one of this name that lives is ended first."""
        self.start_many([(name, launch, cwd, log)])

    def start_many(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        """The same for many at once."""
        self._end([name for name, *_ in items])
        for name, launch, cwd, log in items:
            self._start(name, launch, cwd, log)

    def list(self) -> dict[str, Pane]:
        """All sessions, dead ones too."""
        self._children = [child for child in self._children if child.poll() is None]
        return {name: self._pane(name) for name in self._names()}

    def stop(self, name: str) -> None:
        """End a session with all its processes. Silent when there is none."""
        self._end([name])

    def capture(self, name: str, lines: int = 50) -> str:
        """The end of its log without colours and overwritten progress; empty when there is no such session."""
        try:
            with (self._folder / name / "log").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
                text = CODES.sub("", file.read().decode(errors="replace"))
        except OSError:
            return ""
        shown = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.rstrip().split("\n")]
        return "\n".join(shown[-lines:])

    def attach_argv(self, name: str) -> Argv:
        """The command that shows it to a person: its log, as it grows."""
        return ["tail", "-n", "200", "-F", str((self._folder / name / "log").resolve())]

    def close(self) -> None:
        """End all sessions."""
        self._end(self._names())
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, name: str, launch: Launch, cwd: Path, log: Path) -> None:
        folder = self._folder / name
        launching.write(folder / "launch.sh", launch, cwd, self._mark(name))
        log.parent.mkdir(parents=True, exist_ok=True)
        (folder / "log").symlink_to(log.absolute())
        lock = procs.take(folder / "lock")
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        env = {**os.environ, launching.MARK: self._mark(name)}
        fds = () if lock is None else (lock,)
        try:
            child = subprocess.Popen(
                ["sh", "-c", SHELL, "sh", str(folder)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, pass_fds=fds, env=env,
            )  # fmt: skip
        finally:
            for fd in (out, *fds):
                os.close(fd)
        self._children.append(child)

    def _end(self, names: Collection[str]) -> None:
        there = [name for name in names if name in self._names()]
        if not there:
            return
        alive = [pid for name in there if not self._pane(name).dead and (pid := self._pid(name))]
        trees.end(alive, [self._mark(name) for name in there])
        for child in self._children:
            child.poll()
        for name in there:
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _pane(self, name: str) -> Pane:
        """Over when its end is written down, or when the lock is free: then somebody killed the shell as well."""
        folder = self._folder / name
        held = procs.held(folder / "lock")  # before the look at `exit`, which is written first
        with contextlib.suppress(OSError, ValueError):
            code = int((folder / "exit").read_text())
            return Pane(name, True, code if code <= 128 else 128 - code)  # a shell says 128 + the signal
        return Pane(name, False, None) if held else Pane(name, True, -9)

    def _names(self) -> Sequence[str]:
        try:
            return sorted(path.name for path in self._folder.iterdir() if (path / "launch.sh").is_file())
        except OSError:
            return []

    def _pid(self, name: str) -> int:
        try:
            return int((self._folder / name / "pid").read_text())
        except (OSError, ValueError):
            return 0

    def _mark(self, name: str) -> str:
        return str(self._folder / name)
