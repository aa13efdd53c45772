"""The command agent: any program that edits files, as a template. A turn ends when it exits; what it changed is submitted.

    --agents command --command 'aider --yes --message-file {brief} {file}'

Placeholders: {brief} a file with the brief of the turn, {worktree} the folder, {file} the first editable file.
`< {brief}` at the end of the line gives it on standard input. Clients that are known by name are in clients.toml.
As a process: python -m swarm.agents.command
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarm.agents import files
from swarm.agents import seat as seats
from swarm.agents.contact import Contact
from swarm.agents.turn import Turn, run
from swarm.briefs import Scene, brief
from swarm.client import Client
from swarm.errors import SwarmError
from swarm.ports import Launch, Seat

LIMIT = 1800.0  # seconds a turn may take
BACKOFF = 5.0  # seconds after the first failure, then twice as long each time
FAILURES = 3  # in a row, then this agent ends
LONGEST = 300.0  # seconds between turns that change nothing
SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)($|_)", re.IGNORECASE)


class CommandKind:
    """Options: `command` (a command line), `timeout` (seconds of a turn), `backoff` (seconds after a failure), `env`
    (settings of the program, no secrets), `install` (what to type when it is not there)."""

    name = "command"

    def check(self, options: Mapping[str, object]) -> None:
        """Raises SwarmError without a command, or when its program is not installed."""
        argv, _ = redirected(words(options))
        number(options, "timeout", LIMIT)
        number(options, "backoff", BACKOFF)
        settings(options)
        if shutil.which(argv[0]) is None and "{" not in argv[0]:
            raise SwarmError(
                f"the agents' program is not installed: {argv[0]}",
                str(options.get("install") or "Install it, or name it by its whole path."),
            )

    def launch(self, seat: Seat) -> Launch:
        """This Python, which runs the command for each turn."""
        return seats.launch(seat, "swarm.agents.command")


def words(options: Mapping[str, object]) -> list[str]:
    """The command line split as a shell would, without one. Raises SwarmError when there is none."""
    example = "--agents command --command 'aider --yes --message-file {brief} {file}'"
    text = options.get("command")
    if not isinstance(text, str) or not text.strip():
        raise SwarmError("agents of kind command need a command line.", example)
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SwarmError(f"the command line cannot be read: {error}: {text}", example) from None


def redirected(argv: list[str]) -> tuple[list[str], str | None]:
    """The words without a `< FILE` at their end, and that file. Raises SwarmError when nothing else is left."""
    found = (argv[:-2], argv[-1]) if len(argv) > 1 and argv[-2] == "<" else (argv, None)
    if not found[0]:
        raise SwarmError("the command line names no program.", "my-agent --headless < {brief}")
    return found


def settings(options: Mapping[str, object]) -> dict[str, str]:
    """Environment of the program beside the person's own. Raises SwarmError for what is none, and for secrets."""
    given = options.get("env") or {}
    if not isinstance(given, Mapping) or not all(isinstance(x, str) for pair in given.items() for x in pair):
        raise SwarmError("the option env holds names and texts.", "env: {OPENAI_MODEL: some-model}")
    for name in given:
        if SECRET.search(name):
            raise SwarmError(
                f"{name} looks like a secret, and options are recorded.",
                f"Export it in the environment that swarm spawn is called from: export {name}=…",
            )
    return {str(name): str(value) for name, value in given.items()}


def number(options: Mapping[str, object], name: str, otherwise: float) -> float:
    """An option in seconds. Raises SwarmError for what is no positive number."""
    value = options.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise SwarmError(f"the option {name} is a number of seconds, not {value!r}.")
    return float(value)


@dataclass
class Heard:
    """What the next brief tells."""

    notes: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    results: list[Mapping[str, Any]] = field(default_factory=list)
    tip: str = ""

    def take(self, answer: Mapping[str, Any]) -> None:
        self.news += [str(line) for line in answer.get("news") or ()]
        self.results += answer.get("results") or []
        self.tip = str(answer.get("tip") or "")


class Command:
    """The loop of one command agent."""

    def __init__(
        self,
        seat: Seat,
        client: Client,
        say: Callable[[str], None] = print,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seat = seat
        self.client = client
        self.say = say
        self.pause = pause
        self.contact = Contact(client, say, pause)
        self.heard = Heard()
        self.failures = 0
        self.blanks = 0
        self.clean: dict[str, bytes] | None = None  # the files before edits that were not taken yet

    def run(self) -> int:
        """Until the campaign is over (0), or the command fails FAILURES times in a row (1). Raises SwarmError."""
        words(self.seat.options)
        while True:
            answer = self.contact.wait()
            self.heard.take(answer)
            if answer.get("stop"):
                return 0
            if int(answer.get("room") or 0) <= 0:
                continue
            self._turn()
            if self.failures >= FAILURES:
                self.say(
                    f"giving up: the command failed {FAILURES} times in a row. Does it work by hand in this folder?"
                )
                return 1

    def _turn(self) -> None:
        """One run of the command, and what it changed to the coordinator."""
        before = files.snapshot(self.seat.worktree, self.seat.edit)
        clean = before if self.clean is None else self.clean
        turn = self._run(self._brief())
        if turn is None:
            return
        after = files.snapshot(self.seat.worktree, self.seat.edit)
        self.heard.notes = []
        if after == clean:
            self.clean = None
            self._nothing(turn)
        elif why := files.broken(after):
            self.clean = clean
            self._unfit(turn, why)
        else:
            self._submit(turn, clean, after)

    def _run(self, path: Path) -> Turn | None:
        """Run it; None when it could not be started."""
        argv, source = redirected(filled(words(self.seat.options), self.seat, path))
        self.say(f"$ {shlex.join(argv)}{' < ' + source if source else ''}"[:300])
        limit = number(self.seat.options, "timeout", LIMIT)
        try:
            turn = run(argv, self.seat.worktree, limit, settings(self.seat.options), Path(source) if source else None)
        except OSError as error:
            self.say(f"it cannot be started: {error}")
            self.failures = FAILURES
            return None
        if turn.code is None:
            self.say(f"ended after {limit:g} s")
        elif turn.code:
            self.say(f"it ended with {turn.code}")
        return turn

    def _nothing(self, turn: Turn) -> None:
        """No change: after a failure that counts; else the next brief says so, a little later each time."""
        files = " or ".join(self.seat.edit)
        if turn.code == 0:
            self.failures = 0
            self.blanks += 1
            self.heard.notes.append(f"your last turn changed nothing in {files}: nothing was measured")
            self.say("no change")
            if self.blanks > 1:
                self.pause(min(LONGEST, self._backoff() * 2 ** min(self.blanks - 2, 10)))
            return
        self._failed(turn, "without a change")

    def _unfit(self, turn: Turn, why: str) -> None:
        self.heard.notes.append(f"your edits are still there and were not submitted: {why}. Mend or undo them")
        self.say(f"not submitted: {why}")
        self._failed(turn, why)

    def _failed(self, turn: Turn, why: str) -> None:
        self.failures += 1
        if turn.code != 0:
            took = "ran out of time" if turn.code is None else f"ended with {turn.code}"
            self.heard.notes.append(f"your last turn {took} ({why}): {turn.last_line[:300]}")
        if self.failures < FAILURES:
            self.pause(self._backoff() * 2 ** (self.failures - 1))

    def _submit(self, turn: Turn, clean: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
        text = turn.commit or turn.last_line[:300] or files.changes(clean, after)
        experiment, told = self.contact.submit(text)
        if experiment is None:
            self.clean = dict(clean)
            self.heard.notes.append(f"your edits were not taken: {told}")
            self._failed(turn, "not taken")
            return
        self.clean = None
        self.failures = self.blanks = 0
        self.heard.notes.append(
            f"your last turn is {experiment}, in the queue: {text}" + (f" ({told})" if told else "")
        )

    def _brief(self) -> Path:
        """The brief of this turn as a file; what it tells is told once."""
        status, board = self._ask("status"), self._ask("leaderboard", n=12)
        text = brief(
            Scene(
                agent=self.seat.agent, edit=self.seat.edit, worktree=str(self.seat.worktree), program=_read(self.seat.brief),
                metric=str(status.get("metric") or "val_bpb"), better=str(status.get("better") or "lower"),
                budget=str(status.get("budget") or ""), tip=self.heard.tip, notes=self.heard.notes, news=self.heard.news,
                results=self.heard.results, board=board.get("experiments") or [], setting=self._ask("scene"),
            )
        )  # fmt: skip
        path = self.seat.folder / "turn.md"
        path.write_text(text, errors="replace")
        self.heard.news, self.heard.results = [], []
        return path

    def _ask(self, path: str, **query: Any) -> dict[str, Any]:
        try:
            return self.client.get(path, **query)
        except SwarmError:
            return {}

    def _backoff(self) -> float:
        return number(self.seat.options, "backoff", BACKOFF)


def filled(argv: list[str], seat: Seat, path: Path) -> list[str]:
    """The command line with its placeholders put in; braces that are none of them stay."""
    values = {"{brief}": str(path), "{worktree}": str(seat.worktree), "{file}": str(seat.worktree / seat.edit[0])}
    out = []
    for word in argv:
        for name, value in values.items():
            word = word.replace(name, value)
        out.append(word)
    return out


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def main() -> int:
    """The process of one command agent; its seat tells it where."""
    return seats.work(lambda seat, client, say: Command(seat, client, say).run())


if __name__ == "__main__":
    sys.exit(main())
