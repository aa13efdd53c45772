"""Sessions in tmux, on a server of their own that reads nobody's configuration.

One chained call starts many sessions, one `list-panes` tells of all of them: libtmux's objects ask tmux once for each.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import SwarmError
from swarm.ports import Argv, Launch, Pane
from swarm.sessions import launch as launching
from swarm.sessions import trees

LONGEST = 12_000  # bytes of one chained call; tmux takes 16 kB
LOG_BLOCKS = 131_072  # of 512 bytes: a log ends at 64 MB, the session goes on
FIELDS = "#{session_name}|#{@agent}|#{pane_dead}|#{pane_dead_status}|#{pane_dead_signal}|#{pane_pid}"
SIZE = ("-x", "160", "-y", "50")
PREPARE = (  # exit-empty first: a server without sessions would end before the next command
    ("start-server",),
    ("set-option", "-s", "exit-empty", "off"),
    ("set-option", "-wg", "remain-on-exit", "on"),
    ("set-option", "-g", "history-limit", "10000"),
    ("set-option", "-g", "status-left-length", "40"),
)


@dataclass(frozen=True)
class _Row:
    """A pane. `agent` is empty for those that a person opened beside an agent's."""

    session: str
    agent: str
    pane: Pane
    pid: int


class Tmux:
    """The sessions of the tmux server `name` (`tmux -L name`); launch files lie in `folder`."""

    def __init__(self, name: str, folder: Path) -> None:
        self._server = name
        self._folder = folder

    def start(self, name: str, launch: Launch, cwd: Path, log: Path) -> None:
        """Start a session; one of this name that lives is ended first. Raises SwarmError when tmux does not."""
        self.start_many([(name, launch, cwd, log)])

    def start_many(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        """The same for many at once: as few calls of tmux as their size allows."""
        if not items:
            return
        self._end([name for name, *_ in items])
        self._open()
        try:
            self._begin(items)
        except SwarmError:
            for name, *_ in items:
                launching.handed(self._file(name)).unlink(missing_ok=True)
            raise

    def _open(self) -> None:
        """Have a server. It is started by a process without our keys: what it was started with is everybody's to ask
        (show-environment), so an agent gets its environment by a file instead."""
        try:
            done = subprocess.run(
                ["tmux", *self._words(), *_chained(PREPARE)], env=launching.common(os.environ), check=False,
                capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise _failed(str(error)) from None
        if done.returncode:
            raise _failed(done.stderr.strip() or f"exit {done.returncode}")

    def _begin(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        chain: Sequence[tuple[str, ...]] = []
        for name, launch, cwd, log in items:
            launching.write(self._file(name), launch, cwd, self._mark(name), os.environ)
            log.parent.mkdir(parents=True, exist_ok=True)
            commands = self._commands(name, launch, cwd, log)
            if chain and _size(chain) + _size(commands) > LONGEST:
                self._run(chain)
                chain = []
            chain = [*chain, *commands]
        self._run(chain)

    def list(self) -> dict[str, Pane]:
        """All sessions, dead ones too. Empty when the server is gone."""
        rows = self._rows()
        if any(row.pane.dead and row.pane.exit is None for row in rows):
            # A server that was just started now and then misses a child's end (3.3a); the end of another one wakes it.
            self._call("run-shell", "-b", "true")
        return {row.agent: row.pane for row in rows if row.agent}

    def stop(self, name: str) -> None:
        """End a session with all its processes. Silent when there is none."""
        self._end([name])
        shutil.rmtree(self._file(name).parent, ignore_errors=True)

    def capture(self, name: str, lines: int = 50) -> str:
        """The last `lines` lines of its screen and what scrolled off it; empty when there is no such session."""
        shown = self._call("capture-pane", "-p", "-J", "-S", f"-{lines}", "-t", f"={_safe(name)}:")[1]
        while shown and not shown[-1].strip():
            shown.pop()
        return "\n".join(line.rstrip() for line in shown[-lines:])

    def attach_argv(self, name: str) -> Argv:
        """The command that shows it to a person."""
        return ["tmux", "-u", f"-L{self._server}", "attach-session", "-t", f"={_safe(name)}"]

    def close(self) -> None:
        """End all sessions and the server."""
        self._end([row.agent for row in self._rows() if row.agent])
        socket = self._call("display-message", "-p", "#{socket_path}")[1]
        self._call("kill-server")
        if socket:  # tmux leaves it behind
            Path(socket[0]).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- one call each ----------------------------------------------------------------------------------------

    def _commands(self, name: str, launch: Launch, cwd: Path, log: Path) -> Sequence[tuple[str, ...]]:
        """A session whose output goes to `log` from its first byte on: tmux reads the pane after the whole chain."""
        target = f"={_safe(name)}:"
        later = [word for key, value in launch.env.items() if len(value) < 300 for word in ("-e", f"{key}={value}")]
        keep = f"ulimit -c 0 -f {LOG_BLOCKS}; exec cat >> {shlex.quote(_plain(log))}"
        return [
            (
                "new-session",
                "-d",
                "-s",
                _safe(name),
                "-c",
                str(cwd).replace("#", "##"),
                *SIZE,
                *later,
                "sh",
                str(self._file(name)),
            ),
            ("set-option", "-p", "-t", target, "@agent", name),
            ("pipe-pane", "-t", target, keep),
        ]

    def _rows(self) -> Sequence[_Row]:
        return [_row(line) for line in self._call("list-panes", "-a", "-F", FIELDS)[1]]

    def _end(self, names: Collection[str]) -> None:
        """End these sessions with everything that was started in them, also what a dead one left behind."""
        rows = self._rows()
        alive = {
            row.agent: row.pid for row in rows if row.agent and not row.pane.dead
        }  # a dead one's pid may be reused
        known = {row.agent for row in rows} | {name for name in names if self._file(name).exists()}
        marks = [self._mark(name) for name in names if name in known]
        if marks:
            trees.end([alive[name] for name in names if name in alive], marks)
        there = {row.session for row in rows} & {_safe(name) for name in names}
        if there:
            self._run([("kill-session", "-t", f"={session}") for session in sorted(there)], strict=False)

    def _run(self, chain: Sequence[tuple[str, ...]], strict: bool = True) -> None:
        code, _, errors = self._call(*_chained(chain))
        if code and strict:
            raise _failed(" ".join(errors) or f"exit {code}")

    def _call(self, *words: str) -> tuple[int, Argv, Argv]:
        """Exit status, lines of output, lines of complaint. `-u`: names and screens are UTF-8 whatever the locale."""
        from libtmux.common import tmux_cmd

        done = tmux_cmd(*self._words(), *words)
        return int(done.returncode), [str(line) for line in done.stdout], [str(line) for line in done.stderr]

    def _words(self) -> Argv:
        return ["-u", f"-L{self._server}", "-f/dev/null"]

    def _file(self, name: str) -> Path:
        return self._folder / name / "launch.sh"

    def _mark(self, name: str) -> str:
        return f"{self._server}/{name}"


def _failed(why: str) -> SwarmError:
    return SwarmError(
        f"tmux does not start sessions: {why}",
        "Does it work? tmux -L try new-session -d   (swarm doctor says more)",
    )


def _safe(name: str) -> str:
    """A session's name for an agent's: tmux itself would turn a dot into an underscore."""
    return name.replace(".", "~")


def _plain(path: Path) -> str:
    """A path where tmux would expand formats and times."""
    return str(path).replace("#", "##").replace("%", "%%")


def _chained(chain: Sequence[tuple[str, ...]]) -> Argv:
    """Several commands as one command line."""
    words: Argv = []
    for command in chain:
        words += [";"] if words else []
        words += [w[:-1] + "\\;" if w.endswith(";") else w for w in command]
    return words


def _size(chain: Sequence[tuple[str, ...]]) -> int:
    return sum(len(word.encode(errors="replace")) + 3 for command in chain for word in command)


def _row(line: str) -> _Row:
    session, agent, dead, status, sign, pid = (line.split("|") + [""] * 6)[:6]
    over = dead == "1"
    return _Row(session, agent, Pane(agent, over, _exit(status, sign) if over else None), int(pid or 0))


def _exit(status: str, sign: str) -> int | None:
    """Exit status, negative for a signal, which tmux tells by number or, from 3.4 on, by name. None: not known yet."""
    if status.isdigit():
        return int(status)
    if sign.isdigit():
        return -int(sign)
    found = getattr(signal, "SIG" + sign.upper().removeprefix("SIG"), None)
    return -int(found) if isinstance(found, signal.Signals) else None
