"""What a client in its own screen runs at the end of a turn: book it, wait at the door, answer with the next prompt.

python -m swarm.agents.hook SEAT EVENT, the client's words about the event on stdin.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from swarm.agents import seat as seats
from swarm.agents import transcripts
from swarm.agents.interactive import AFRESH, FAILED, OVER, TURN, WAITING, Mark, Screen, load
from swarm.agents.turns import Turns, urgent
from swarm.client import Client
from swarm.errors import SwarmError
from swarm.ports import Seat

LOOK = 1.0  # seconds between two looks at whether anybody waits for what this hook says
DRIVERS = {"claude": ("swarm.agents.claude", "Claude"), "codex": ("swarm.agents.codex", "Codex")}


class Hook(Turns):
    """The same loop, a turn at a time, from inside the client's screen."""

    driver: Screen

    def started(self, event: Mapping[str, Any]) -> None:
        """The session is known by its name from now on."""
        self.session.id = str(event.get("session_id") or self.session.id)
        self.session.save(self.path)
        self._mark(TURN, event)

    def stopped(self, event: Mapping[str, Any]) -> str:
        """The prompt of the next turn; empty when there is none in this screen."""
        began = load(self.seat.folder).at
        self._mark(WAITING, event)
        self._end_turn(event, began)
        if not self.session.id:
            self._mark(AFRESH, event, "as its sessions go")
            return ""
        while True:
            answer = self._wait()
            if answer.get("stop"):
                self._mark(OVER, event)
                return ""
            room = int(answer.get("room") or 0)
            if room > 0 or urgent(answer):
                break
            self._mark(WAITING, event)
        return self._next(event, room)

    def failed(self, event: Mapping[str, Any]) -> None:
        """The model's server refused; the screen does not go on by itself."""
        self._mark(FAILED, event, str(event.get("error") or event.get("error_type") or "the turn failed"))

    def _end_turn(self, event: Mapping[str, Any], began: float) -> None:
        found, self.session.read = transcripts.lines(Path(str(event.get("transcript_path"))), self.session.read)
        told = self.driver.transcript(found)
        told.session = str(event.get("session_id") or "")
        self._book(told, max(0.0, self.clock() - began))
        self._ended_well(told)
        self.session.save(self.path)

    def _next(self, event: Mapping[str, Any], room: int) -> str:
        prompt = self._prompt(room)
        self.session.turns += 1
        self._keep()
        self.session.save(self.path)
        self._mark(TURN, event)
        return prompt

    def _mark(self, what: str, event: Mapping[str, Any], why: str = "") -> None:
        Mark(what, why, self.clock(), str(event.get("transcript_path") or "")).save(self.seat.folder)


def driver(seat: Seat) -> Screen:
    """The driver of this seat's client."""
    module, name = DRIVERS[seat.kind]
    made: Screen = getattr(import_module(module), name)(seat)
    return made


def run(seat: Seat, name: str, event: Mapping[str, Any], say: Callable[[str], None]) -> str:
    """What the client reads on stdout: a decision as JSON, or nothing."""
    hook = Hook(seat, Client.of(seat.door, seat.token), driver(seat), say)
    try:
        if name == "SessionStart":
            hook.started(event)
        elif name == "StopFailure":
            hook.failed(event)
        elif prompt := hook.stopped(event):
            return json.dumps({"decision": "block", "reason": prompt})
    except SwarmError as error:
        say(f"{error.message} {error.hint}")
        hook.failed({**event, "error": error.message})
    return ""


def alone(folder: Path, parent: int, me: str) -> bool:
    """Whether nobody listens to this hook any more: its client is gone, or a newer hook has taken its place (a person pressed
    Esc, typed something). It must not hear news then, nor write about a session that is another's."""
    try:
        newest = (folder / "hook.pid").read_text()
    except OSError:
        newest = me
    return os.getppid() != parent or newest != me


def _attend(folder: Path) -> None:
    """Take the place of an earlier hook, and end as soon as this one is alone: nothing that it writes is ever half done."""
    parent, me = os.getppid(), str(os.getpid())
    fresh = folder / f"hook.{me}"
    fresh.write_text(me)
    os.replace(fresh, folder / "hook.pid")

    def look() -> None:
        while not alone(folder, parent, me):
            time.sleep(LOOK)
        os._exit(0)

    threading.Thread(target=look, daemon=True).start()


def main() -> int:
    """The process. What it says goes to a file: the screen belongs to the client."""
    seat = seats.read(Path(sys.argv[1]))
    _attend(seat.folder)
    with (seat.folder / "hook.log").open("a") as log:
        print(
            run(seat, sys.argv[2], json.loads(sys.stdin.read() or "{}"), lambda line: print(line, file=log, flush=True))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
