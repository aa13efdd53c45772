"""A client in its own screen (`--interactive`): the pane shows it as a person would have it, and nothing is typed into it.

The first prompt comes on the command line. At the end of each turn the client calls our hook (`hook.py`), which waits at the
door and answers with the next prompt. What the hook finds it leaves in a small file; this process, which holds the pane, reads
it and ends or reopens the screen.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import termios
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from swarm.agents import seat as seats
from swarm.agents import session as sessions
from swarm.agents.stream import PATIENCE, Told
from swarm.agents.turns import SILENCE, Driver, Turns, untold
from swarm.ports import Seat

A_DAY = 86400  # seconds that a hook may wait at the door
LOOK = 0.5  # seconds between two looks at the mark
STALE = 900.0  # seconds after which a hook that waits should have left a new mark
PLAIN = (
    "\x1b[?1049l\x1b[?2004l\x1b[?1000l\x1b[?1006l\x1b[?25h\x1b[0m\r\n"  # what a screen that was killed left switched on
)
EVENTS = ("SessionStart", "Stop", "StopFailure")
TURN, WAITING, AFRESH, OVER, FAILED = "turn", "waiting", "afresh", "over", "failed"


class Screen(Driver, Protocol):
    """A driver whose client has a screen of its own."""

    def screen(self, session: str, url: str, prompt: str, hooks: dict[str, str]) -> list[str]:
        """The command line; `hooks`: event → what the client is to run then."""

    def screen_env(self, token: str) -> dict[str, str]:
        """Its environment. Answers beforehand what the client would ask a person."""

    def transcript(self, events: list[dict[str, Any]]) -> Told:
        """What new lines of its transcript tell."""


@dataclass
class Mark:
    """What the hook left: how it stands, since when."""

    what: str = TURN
    why: str = ""
    at: float = 0.0
    transcript: str = ""

    def save(self, folder: Path) -> None:
        """Write it, all or nothing."""
        fresh = folder / f"interactive.{os.getpid()}"
        fresh.write_text(json.dumps(asdict(self)))
        os.replace(fresh, folder / "interactive.json")


def load(folder: Path) -> Mark:
    """The mark in an agent's folder; a turn that is going on when there is none."""
    try:
        return Mark(**json.loads((folder / "interactive.json").read_text()))
    except (OSError, ValueError, TypeError):
        return Mark()


def hooks(seat: Seat) -> dict[str, str]:
    """The commands that the client is to run at each event. No shell stays between them: a hook ends with its client."""
    path = f"env PYTHONPATH={shlex.quote(seats.HOME)} " if not seats.HOME.endswith("-packages") else ""
    words = [sys.executable, "-P", "-m", "swarm.agents.hook", str(seat.folder / "seat.json")]
    return {event: f"exec {path}{shlex.join([*words, event])}" for event in EVENTS}


class Interactive(Turns):
    """The loop of one agent whose client has a screen: what is a turn in `Turns` is the life of a screen here."""

    driver: Screen

    def _turn(self, room: int) -> int | None:
        state = self.session
        prompt = self._prompt(room)
        state.turns += 1
        self._keep()
        state.save(self.path)
        Mark(TURN, at=self.clock()).save(self.seat.folder)
        argv = self.driver.screen(state.id, self._url(), prompt, hooks(self.seat))
        before = state.turns
        mark = self._show(argv, self.driver.screen_env(self._token()))
        self.session = sessions.load(self.path)  # as the hook left it
        if self.session.turns > before:
            self.limits = 0  # turns went well since the last one
        self.contact.heard, self.heard = self.session.heard, untold(self.session.untold)
        return self._after(mark)

    def _after(self, mark: Mark) -> int | None:
        """What follows when the screen is closed. None: another one; else the exit status of this agent."""
        if mark.what == OVER:
            return 0
        if mark.what == AFRESH:
            self.say(f"a fresh session follows: {mark.why}")
            return None
        told = Told(error=mark.why, limited=mark.why in ("rate_limit", "overloaded"), barred="auth" in mark.why)
        if told.limited:
            return self._limited(told)
        return self._failed(told, 1, self.seat.folder / "none")

    def _show(self, argv: list[str], env: dict[str, str]) -> Mark:
        """Run the client in this pane until it ends or its hook says that it is to end."""
        kept = termios.tcgetattr(0) if os.isatty(0) else None
        child = subprocess.Popen(argv, cwd=self.seat.worktree, env=env)
        try:
            return self._watch(child)
        finally:
            try:
                _end(child)
            finally:  # also when we are told to end a second time meanwhile
                if kept is not None:
                    sys.stdout.write(PLAIN)
                    sys.stdout.flush()
                    termios.tcsetattr(0, termios.TCSADRAIN, kept)

    def _watch(self, child: subprocess.Popen[bytes]) -> Mark:
        silence = self._option("silence", SILENCE)
        while True:
            mark = load(self.seat.folder)
            if mark.what in (AFRESH, OVER, FAILED):
                return mark
            if child.poll() is not None:
                return Mark(FAILED, f"its screen was closed ({child.returncode})")
            quiet = self.clock() - max(mark.at, _changed(mark.transcript))
            if quiet > (STALE if mark.what == WAITING else silence):
                return Mark(FAILED, f"silent for {quiet:.0f} s")
            self.pause(LOOK)


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime if path else 0.0
    except OSError:
        return 0.0


def _end(child: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
            return
