"""The loop of a headless client: wait at the door, which costs no tokens; when there is room, open the next turn.

A turn continues the client's session with what happened and what is next, and ends by itself. A session that has done
its experiments, is full or is stuck is followed by a fresh one, with a brief made from the ledger.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from swarm import briefs
from swarm.agents import seat as seats
from swarm.agents import session as sessions
from swarm.agents.command import Heard
from swarm.agents.contact import Contact
from swarm.agents.stream import Reader, Told, follow, last_error
from swarm.client import Client
from swarm.errors import SwarmError
from swarm.ports import Seat

OPTIONS: dict[str, type | tuple[type, ...]] = {
    "model": str, "experiments": int, "context": int, "silence": (int, float), "together": int, "permissions": str, "interactive": bool,
}  # fmt: skip
EXPERIMENTS = 10  # of one session
CONTEXT = 150_000  # tokens of one request, then the session is full
SILENCE = 1800.0  # seconds without a line from the client
STUCK = 3  # turns in a row without a submission: told; one more: a fresh session
PAUSE = 5.0  # seconds after a turn without a submission, then twice as long each time
LONGEST = 300.0
LIMIT = 60.0  # seconds to wait for the first limit that names no end, then twice as long each time
LIMIT_LONGEST = 1800.0
LOOK = 45.0  # seconds between two looks at the door while limited


class Driver(Protocol):
    """How one client is run."""

    name: str
    totals: frozenset[str]

    def argv(self, session: str, url: str) -> list[str]:
        """The command line; `session` empty for a fresh one, `url` of swarm's tools."""

    def env(self, token: str) -> dict[str, str]:
        """The environment of the client's process."""

    def reader(self) -> Reader:
        """A reader for one turn."""


class Turns:
    """The loop of one agent. `say` prints in the pane, `pause` sleeps, `clock` tells the time: tests give others."""

    def __init__(
        self, seat: Seat, client: Client, driver: Driver, say: Callable[[str], None] = print,
        pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.seat = seat
        self.client = client
        self.driver = driver
        self.say = say
        self.pause = pause
        self.clock = clock
        self.contact = Contact(client, say, pause)
        self.path = seat.folder / "session.json"
        self.session = sessions.load(self.path)
        self.heard = untold(self.session.untold)
        self.limits = 0  # in a row

    def run(self) -> int:
        """Until the campaign is over (0), or the client fails (1: whoever watches starts this agent again).

        Raises SwarmError as `Contact.wait` does.
        """
        while True:
            answer = self.contact.wait()
            self.heard.take(answer)
            if answer.get("stop"):
                return 0
            if int(answer.get("room") or 0) <= 0 and not urgent(answer):
                continue
            code = self._turn(int(answer.get("room") or 0))
            if code is not None:
                return code

    def _turn(self, room: int) -> int | None:
        """One turn. None: go on; else the exit status of this agent."""
        state = self.session
        began = bool(state.id)
        prompt = self._prompt(room)
        state.turns += 1
        state.untold = {"notes": self.heard.notes, "news": self.heard.news, "results": self.heard.results}
        state.save(self.path)
        log = self.seat.folder / "turns" / f"{state.turns:04d}.jsonl"
        how = "goes on" if began else "begins a session"
        self.say(f"— turn {state.turns}: {self.driver.name} {how}")
        reader, start = self.driver.reader(), self.clock()
        code = follow(
            self.driver.argv(state.id, self._url()), self.seat.worktree, self.driver.env(self._token()), prompt, reader, log,
            self.say, float(str(self.seat.options.get("silence") or SILENCE)),
        )  # fmt: skip
        told = reader.told
        self._book(told, self.clock() - start)
        if told.limited:
            return self._limited(told)
        if code == 0 and not told.error:
            self._ended_well(told)
        elif told.lost and began:
            self._afresh(f"this session cannot go on ({told.error})")
        else:
            return self._failed(told, code, log)
        state.save(self.path)
        return None

    def _prompt(self, room: int) -> str:
        """The brief of a fresh session, or what happened since the last turn."""
        status, board = self._ask("status"), self._ask("leaderboard", n=briefs.ROWS)
        program = _read(self.seat.brief)
        notes = list(self.heard.notes)
        if self.session.blanks >= STUCK:
            notes.append(
                f"{self.session.blanks} turns went by without a submission. Choose one small change now, edit, and call "
                "submit. If submit refuses it, do what the refusal says"
            )
        fresh = not self.session.id
        scene = briefs.Scene(
            agent=self.seat.agent, edit=self.seat.edit, worktree=str(self.seat.worktree),
            program=program if fresh or program != self.session.program else "",
            metric=str(status.get("metric") or "val_bpb"), better=str(status.get("better") or "lower"),
            budget=str(status.get("budget") or ""), tip=self.heard.tip, notes=notes, news=self.heard.news,
            results=self.heard.results, board=(board.get("experiments") or []) if fresh else (),
        )  # fmt: skip
        self.session.program = program
        text = briefs.session(scene) if fresh else briefs.onward(scene, room)
        (self.seat.folder / "turn.md").write_text(text, errors="replace")
        return text

    def _book(self, told: Told, seconds: float) -> None:
        """Remember the session, and what the turn cost: a line in the pane and one in `usage.jsonl`."""
        state = self.session
        state.id = told.session or state.id
        tokens, usd = state.spent(told.tokens, told.usd, self.driver.totals)
        state.experiments += told.submitted
        row = {
            "at": self.clock(), "turn": state.turns, "session": state.id, "seconds": round(seconds, 1), "tokens": tokens,
            "usd": usd, "submitted": told.submitted, "context": told.context, "denied": told.denied, "error": told.error,
        }  # fmt: skip
        with (self.seat.folder / "usage.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._tell(tokens=tokens, usd=usd)
        cost = "" if usd is None else f", ${usd:.2f}"
        self.say(f"— {told.submitted} submitted, {tokens:,} tokens{cost}, {seconds:.0f} s")

    def _ended_well(self, told: Told) -> None:
        state = self.session
        self.limits = state.failures = 0
        self.heard = Heard(tip=self.heard.tip)
        state.untold = {}
        if told.denied:
            names = ", ".join(sorted(set(told.denied)))
            self.heard.notes.append(f"refused in your last turn, and always will be outside what you may do: {names}")
        if told.submitted:
            state.blanks = state.dry = 0
        else:
            state.blanks += 1
            state.dry += 1
        most, full = int(str(self.seat.options.get("experiments") or EXPERIMENTS)), self._full()
        if state.blanks > STUCK:
            self._afresh("no submission, though it was told")
        elif state.experiments >= most:
            self._afresh(f"{state.experiments} experiments")
        elif told.context >= full:
            self._afresh(f"{told.context:,} tokens of context")
        if not told.submitted:
            self.say("no submission in this turn")
            self.pause(min(LONGEST, PAUSE * 2 ** min(state.dry - 1, 10)))

    def _failed(self, told: Told, code: int | None, log: Path) -> int:
        """The client failed: say why and end, so that this agent is started again after a while; edits stay."""
        state = self.session
        state.failures += 1
        why = told.error or last_error(log)
        took = "fell silent" if code is None else f"ended with {code}"
        self.say(f"{self.driver.name} {took}{': ' + why if why else ''}")
        if told.barred:
            self.say(
                f"Its login was not accepted. Log in again, then it goes on by itself: swarm doctor, {self.driver.name}"
            )
        if state.failures > 1:  # not twice with the same session: it may be the session
            self._afresh("it failed twice")
        state.save(self.path)
        return 1

    def _limited(self, told: Told) -> int | None:
        """Wait until the limit is over, hearing the door meanwhile. No failure. 0 when the campaign ends first."""
        self.limits += 1
        guess = min(LIMIT_LONGEST, LIMIT * 2 ** min(self.limits - 1, 10))
        until = told.until if told.until is not None else self.clock() + guess
        self.session.save(self.path)
        said = "" if told.until is not None else " (it does not say until when)"
        self.say(f"limited{said}: {told.error}")
        self.say(f"waiting until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(until))}")
        while (left := until - self.clock()) > 0:
            self._tell(state="limited", until=until)
            self.pause(min(LOOK, left))
            answer = self.contact.wait(0.0)
            self.heard.take(answer)
            if answer.get("stop"):
                return 0
        self._tell(state="working")
        return None

    def _tell(self, **said: Any) -> None:
        """Costs and limits, for the ledger. What the door cannot take now is in `usage.jsonl` and in the pane."""
        try:
            self.client.post("turn", **said)
        except SwarmError as error:
            self.say(f"not told to the coordinator: {error.message}")

    def _afresh(self, why: str) -> None:
        self.say(f"the next turn begins a fresh session: {why}")
        self.session.fresh()

    def _full(self) -> int:
        return int(str(self.seat.options.get("context") or CONTEXT))

    def _ask(self, path: str, **query: Any) -> dict[str, Any]:
        try:
            return self.client.get(path, **query)
        except SwarmError:
            return {}

    def _url(self) -> str:
        """The address of swarm's tools now: a coordinator that was started again has another."""
        try:
            return str(json.loads(self.seat.door.read_text())["url"]).rstrip("/") + "/mcp"
        except (OSError, ValueError, KeyError, TypeError):
            raise SwarmError("the coordinator's address cannot be read.", "swarm resume") from None

    def _token(self) -> str:
        try:
            return self.seat.token.read_text().strip()
        except OSError:
            raise SwarmError("this agent's token cannot be read.", "Start it again: swarm stop, swarm spawn") from None


def urgent(answer: Mapping[str, Any]) -> bool:
    """A person's word is worth a turn even when there is no room; other news waits for room, and costs nothing."""
    return any(str(line).startswith("a person tells you") for line in answer.get("news") or ())


def untold(raw: Mapping[str, Any]) -> Heard:
    """What was to be told in a turn that did not end well: it is told again."""
    notes, news, results = ([*raw.get(name, ())] for name in ("notes", "news", "results"))
    return Heard(notes, news, results)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def main(driver: Callable[[Seat], Driver], screen: type[Turns]) -> int:
    """The process of one agent; its seat tells it where, and whether its client has a `screen` of its own."""
    os.umask(0o077)  # what is saved of a session is the person's alone

    def run(seat: Seat, client: Client, say: Callable[[str], None]) -> int:
        loop = screen if seat.options.get("interactive") else Turns
        return loop(seat, client, driver(seat), say).run()

    return seats.work(run)
