"""The scripted agent: does what a list says, the same each time. For tests, demonstrations and trying a task out.

A script is a JSON list of steps, each an object:
  {"replace": [old, new]}    in the first editable file ("file": NAME for another)
  {"set": {NAME: text}}      UPPERCASE constants      {"write": text}   the whole file
  {"shell": command}         in the worktree          {"description": text}   for the step before, or in the step itself
  {"wait": true}             until everything submitted so far has a result
  {"exit": status}           end; a restarted agent goes on with the next step
A step that changed a file is submitted when there is room. After the last one the agent waits for the end.
As a process: python -m swarm.agents.scripted
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swarm.agents import files
from swarm.agents import seat as seats
from swarm.agents.contact import Contact
from swarm.client import Client
from swarm.errors import SwarmError
from swarm.ports import Launch, Seat
from swarm.research.constants import with_values

VERBS = ("replace", "set", "write", "shell", "wait", "exit", "description")
PAUSE = 0.2  # seconds between questions that are answered at once because there is room

Step = dict[str, Any]


class ScriptedKind:
    """Option: `script`, the path of a JSON list of steps (or the list itself)."""

    name = "scripted"

    def check(self, options: Mapping[str, object]) -> None:
        """Raises SwarmError for a script that cannot be read."""
        steps(options)

    def launch(self, seat: Seat) -> Launch:
        """This Python, with the seat's script."""
        return seats.launch(seat, "swarm.agents.scripted")


def steps(options: Mapping[str, object]) -> list[Step]:
    """The script's steps, descriptions joined to the step that they describe. Raises SwarmError with what is wrong."""
    raw = options.get("script")
    if isinstance(raw, str):
        try:
            raw = json.loads(Path(raw).expanduser().read_text())
        except (OSError, ValueError) as error:
            raise SwarmError(
                f"the script cannot be read: {options['script']}: {error}", "It is a JSON list of steps."
            ) from None
    if not isinstance(raw, list):
        raise SwarmError(
            "agents of kind scripted need a script.", 'options: {"script": "steps.json"}, a JSON list of steps'
        )
    found: list[Step] = []
    for n, step in enumerate(raw, 1):
        if not isinstance(step, dict) or not set(step) & set(VERBS) or set(step) - {*VERBS, "file"}:
            raise SwarmError(
                f"step {n} of the script is none: {json.dumps(step)[:100]}", f"It has one of: {', '.join(VERBS)}"
            )
        if set(step) == {"description"} and found and "description" not in found[-1]:
            found[-1] = {**found[-1], **step}
        else:
            found.append(dict(step))
    return found


class Scripted:
    """The loop of one scripted agent."""

    def __init__(
        self,
        seat: Seat,
        client: Client,
        say: Callable[[str], None] = print,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seat = seat
        self.say = say
        self.pause = pause
        self.client = client
        self.contact = Contact(client, say, pause)
        self.flying: set[str] = set()
        self.room = 0
        self.over = False

    def run(self) -> int:
        """Until the campaign is over (0), or the script says exit. Raises SwarmError for a script that is none."""
        script = steps(self.seat.options)
        done = self._done(script)
        for n, step in enumerate(script[done:], done + 1):
            if not self.over:
                self._step(step)
            if self.over:
                return 0
            self._mark(script, n)
            if "exit" in step:
                self.say(f"the script says: exit {step['exit']}")
                return int(step["exit"])
        while not self.over:
            self._listen()
        return 0

    def _step(self, step: Step) -> None:
        if "exit" in step:
            return
        if step.get("wait"):
            self._until(lambda: not self.flying)
            return
        self._until(lambda: self.room > 0)
        if self.over:
            return
        worktree = self.seat.worktree
        before = files.snapshot(worktree, self.seat.edit)
        self._change(step, worktree / str(step.get("file") or self.seat.edit[0]))
        after = files.snapshot(worktree, self.seat.edit)
        if after == before and "description" not in step:
            self.say("nothing changed")
            return
        experiment, _ = self.contact.submit(str(step.get("description") or files.changes(before, after)))
        if experiment:
            self.flying.add(experiment)

    def _change(self, step: Step, path: Path) -> None:
        try:
            text = path.read_text()
            if "replace" in step:
                old, new = step["replace"]
                if old not in text:
                    self.say(f"not in {path.name}: {old!r}")
                text = text.replace(old, new, 1)
            if "set" in step:
                text = with_values(text, {name: str(value) for name, value in step["set"].items()})
            text = str(step.get("write", text))
        except (OSError, KeyError, ValueError, TypeError) as error:
            self.say(f"the step cannot be done: {error}")
            return
        if {"replace", "set", "write"} & set(step):
            path.write_text(text)
        if "shell" in step:
            done = subprocess.run(
                ["sh", "-c", str(step["shell"])], cwd=self.seat.worktree, env=seats.plain_env(os.environ), check=False
            )
            self.say(f"$ {step['shell']}  (exit {done.returncode})")

    # --- waiting ----------------------------------------------------------------------------------------------

    def _until(self, there: Callable[[], bool]) -> None:
        """Listen at least once, and until it is so or the campaign is over."""
        self._listen()
        while not self.over and not there():
            self._listen()

    def _listen(self) -> None:
        answer = self.contact.wait()
        self.room = int(answer.get("room") or 0)
        self.over = bool(answer.get("stop"))
        for result in answer.get("results") or ():
            self.flying.discard(str(result.get("experiment")))
        if self.room > 0 and not self.over and not answer.get("results"):
            self.pause(PAUSE)  # with room the answer comes at once

    # --- a restart goes on where it was -----------------------------------------------------------------------

    def _done(self, script: list[Step]) -> int:
        try:
            raw = json.loads(self._file().read_text())
            return int(raw["done"]) if raw["of"] == self._name(script) else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _mark(self, script: list[Step], done: int) -> None:
        fresh = self._file().with_suffix(".new")
        fresh.write_text(json.dumps({"of": self._name(script), "done": done}))
        os.replace(fresh, self._file())

    def _name(self, script: list[Step]) -> str:
        """Of this script in this campaign: the next one begins at the first step again."""
        try:
            campaign = str(self.client.get("status").get("campaign"))
        except SwarmError:
            campaign = ""
        return f"{campaign} {hashlib.sha256(json.dumps(script).encode()).hexdigest()}"

    def _file(self) -> Path:
        return self.seat.folder / "script.json"


def main() -> int:
    """The process of one scripted agent; its seat tells it where."""
    return seats.work(lambda seat, client, say: Scripted(seat, client, say).run())


if __name__ == "__main__":
    sys.exit(main())
