"""The loop of a headless client: wait at the door, which costs no tokens; when there is room, open the next turn.

A turn continues the client's session with what happened and what is next, and ends by itself. A session that has done
its experiments, is full or is stuck is followed by a fresh one, with a brief made from the ledger.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from swarm import briefs
from swarm.agents import found, walled
from swarm.agents import seat as seats
from swarm.agents import session as sessions
from swarm.agents.command import Heard
from swarm.agents.contact import Contact
from swarm.agents.stream import Reader, Told, follow, last_error
from swarm.client import Client
from swarm.errors import Refused, SwarmError
from swarm.ports import Seat
from swarm.research import roles

OPTIONS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "experiments": int,  # of one session
    "context": int,  # tokens of one request, then the session is full
    "silence": (int, float),  # seconds without a line from the client
    "patience": (int, float),  # seconds of a turn without a submission
    "permissions": str,  # guarded, open
    "interactive": bool,  # in a screen of its own
    "price": Mapping,  # of a client that names no cost: dollars per million tokens of input, cached, output
    "together": int,
    "role": str,  # see research/roles.py
}
EXPERIMENTS = 10
CONTEXT = 150_000
SILENCE = 1800.0
PATIENCE = 3600.0
STUCK = 3  # turns in a row without a submission: told; one more: a fresh session
SAME = 3  # times that the same submission is refused, then the turn is ended
REFUSED = 2  # turns in a row that end with the same refusal: told; one more: a fresh session
PAUSE = 5.0  # seconds after a turn without a submission, then twice as long each time
LONGEST = 300.0
LIMIT = 60.0  # seconds to wait for the first limit that names no end, then twice as long each time
LIMIT_LONGEST = 1800.0
LOOK = 45.0  # seconds between two looks at the door while limited


class Driver(Protocol):
    """How one client is run."""

    name: str
    totals: frozenset[str]
    plan: bool  # whether nothing is billed per token

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
        self.session.anew(seat.since)
        self.contact.heard = self.session.heard
        self.heard = untold(self.session.untold)
        self.limits = 0  # in a row
        self.submits = roles.measures(str(seat.options.get("role") or roles.EXPERIMENTER))

    def run(self) -> int:
        """Until the campaign is over (0), or the client fails (1: whoever watches starts this agent again).

        Raises SwarmError as `Contact.wait` does.
        """
        while True:
            answer = self._wait()
            self._pay()
            if answer.get("stop"):
                return 0
            if int(answer.get("room") or 0) <= 0 and not urgent(answer):
                continue
            code = self._turn(int(answer.get("room") or 0))
            if code is not None:
                return code

    def _wait(self, *timeout: float) -> dict[str, Any]:
        """Ask for news. What comes is kept in the session's file before the next call says that it was heard."""
        answer = self.contact.wait(*timeout)
        self.heard.take(answer)
        if answer.get("news") or answer.get("results"):
            self._keep()
            self.session.save(self.path)
        return answer

    def _keep(self) -> None:
        self.session.untold = {"notes": self.heard.notes, "news": self.heard.news, "results": self.heard.results}
        self.session.heard = self.contact.heard

    def _turn(self, room: int) -> int | None:
        """One turn. None: go on; else the exit status of this agent."""
        state = self.session
        began = bool(state.id)
        prompt = self._prompt(room)
        state.turns += 1
        self._keep()
        state.save(self.path)
        log = self.seat.folder / "turns" / f"{state.turns:04d}.jsonl"
        how = "goes on" if began else "begins a session"
        self.say(f"— turn {state.turns}: {self.driver.name} {how}")
        reader, start = self.driver.reader(), self.clock()
        try:
            code = follow(
                self.driver.argv(state.id, self._url()), self.seat.worktree, self.driver.env(self._token()), prompt, reader,
                log, self.say, self._option("silence", SILENCE), self._enough(reader.told),
            )  # fmt: skip
        except SystemExit:  # we are told to end: what it cost until now is told by whoever comes next
            self._book(reader.told, self.clock() - start, pay=False)
            raise
        told = reader.told
        self._book(told, self.clock() - start)
        if told.limited:
            return self._limited(told)
        if told.cut or (code == 0 and not told.error):
            self._ended_well(told)
        elif told.lost and began:
            self._afresh(f"this session cannot go on ({told.error})")
        else:
            return self._failed(told, code, log)
        state.save(self.path)
        return None

    def _enough(self, told: Told) -> Callable[[], bool]:
        """Whether a turn is to be ended: refused the same way again and again, or without a submission for long."""
        patience, last = self._option("patience", PATIENCE), [0, self.clock()]

        def enough() -> bool:
            if told.submitted != last[0]:
                last[:] = [told.submitted, self.clock()]
            if told.same() >= SAME:
                told.cut = f"submit was refused {SAME} times in the same way: {told.refused[-1]}"
            elif self.clock() - last[1] > patience:
                told.cut = f"no submission in {patience / 60:.0f} minutes"
            return bool(told.cut)

        return enough

    def _stuck(self) -> str:
        """What a client that brings nothing is told; empty while there is no need."""
        state = self.session
        if not self.submits:
            return ""
        if state.same >= REFUSED:
            why = f"your submissions are refused in the same way each time: {state.refusal}"
            then = "Do what the refusal says, or choose another idea"
        elif state.blanks >= STUCK:
            why = f"{state.blanks} turns went by without a submission"
            then = "Choose one small change now, edit, and call submit. If submit refuses it, do what the refusal says"
        else:
            return ""
        self._tell(state="stuck", blanks=state.blanks, why=state.refusal if state.same >= REFUSED else "")
        return f"{why}. {then}"

    def _prompt(self, room: int) -> str:
        """The brief of a fresh session, or what happened since the last turn."""
        status, board = self._ask("status"), self._ask("leaderboard", n=briefs.ROWS)
        program = _read(self.seat.brief)
        notes = list(self.heard.notes)
        notes += [stuck] if (stuck := self._stuck()) else []
        fresh = not self.session.id
        scene = briefs.Scene(
            agent=self.seat.agent, edit=self.seat.edit, worktree=str(self.seat.worktree),
            program=program if fresh or program != self.session.program else "",
            metric=str(status.get("metric") or "val_bpb"), better=str(status.get("better") or "lower"),
            budget=str(status.get("budget") or ""), tip=self.heard.tip, notes=notes, news=self.heard.news,
            results=self.heard.results, board=(board.get("experiments") or []) if fresh else (),
            setting=self._ask("scene"), rights=walled.TOLD[walled.mode(self.seat.options)],
            role="" if self.submits else str(self.seat.options["role"]),
        )  # fmt: skip
        self.session.program = program
        text = briefs.session(scene) if fresh else briefs.onward(scene, room)
        (self.seat.folder / "turn.md").write_text(text, errors="replace")
        return text

    def _book(self, told: Told, seconds: float, pay: bool = True) -> None:
        """Remember the session, and what the turn cost: a line in the pane and one in `usage.jsonl`."""
        state = self.session
        state.id = told.session or state.id
        tokens, usd = state.spent(told.tokens, told.usd, self.driver.totals)
        state.experiments += told.submitted
        row = {
            "at": self.clock(), "turn": state.turns, "session": state.id, "seconds": round(seconds, 1), "tokens": tokens,
            "usd": usd, "plan": self.driver.plan, "submitted": told.submitted, "context": told.context, "denied": told.denied,
            "experiments": told.experiments, "error": told.error or told.cut,
        }  # fmt: skip
        with (self.seat.folder / "usage.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        billed = None if self.driver.plan else usd  # a plan's login costs nothing by the token
        state.owed.append(
            {
                "turn": state.turns,
                "tokens": tokens,
                "usd": billed,
                "experiments": told.experiments,
                "plan": self.driver.plan,
            }
        )
        state.save(self.path)
        if pay:
            self._pay()
        cost = ", on a plan" if self.driver.plan else "" if usd is None else f", ${usd:.2f}"
        self.say(f"— {told.submitted} submitted, {tokens:,} tokens{cost}, {seconds:.0f} s")

    def _pay(self) -> None:
        """Tell the ledger what turns cost, in order; what it does not take now is owed. No turn is counted twice there."""
        state = self.session
        while state.owed and self._tell(**state.owed[0]):
            del state.owed[0]
            state.save(self.path)

    def _ended_well(self, told: Told) -> None:
        state = self.session
        self.limits = state.failures = 0
        self.heard = Heard(tip=self.heard.tip)
        state.untold = {}
        if told.denied:
            names = ", ".join(sorted(set(told.denied)))
            self.heard.notes.append(f"refused in your last turn, and always will be outside what you may do: {names}")
        if told.cut:
            self.say(f"the turn was ended: {told.cut}")
            self.heard.notes.append(f"your last turn was ended: {told.cut}")
        if told.submitted or not self.submits:
            state.submitted()
        else:
            state.blank(told.refused[-1] if told.refused else "", told.same() >= SAME)
        most, full = self._option("experiments", EXPERIMENTS), self._option("context", CONTEXT)
        if state.blanks > STUCK or state.same > REFUSED:
            why = f": {state.refusal}" if state.refusal else ""
            self.heard.notes.append(f"an earlier session of yours brought no submission in {state.blanks} turns{why}")
            self._tell(state="stuck", blanks=state.blanks, why=state.refusal, fresh=True)
            self._afresh("no submission, though it was told")
        elif state.experiments >= most:
            self._afresh(f"{state.experiments} experiments")
        elif told.context >= full:
            self._afresh(f"{told.context:,} tokens of context")
        if not told.submitted and self.submits:
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
        now = self.clock()
        # a limit that is there still when it should be over: the server's clock may be another one
        until = now + guess if told.until is None else max(told.until, now + (LIMIT if self.limits > 1 else 0.0))
        self.session.save(self.path)
        said = "" if told.until is not None else " (it does not say until when)"
        self.say(f"limited{said}: {told.error}")
        self.say(f"waiting until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(until))}")
        last = self.clock()
        while (left := until - self.clock()) > 0:
            until -= max(0.0, last - self.clock())  # a clock that is set back must not make it longer
            last = self.clock()
            self._tell(state="limited", until=until)
            self.pause(min(LOOK, left))
            answer = self._wait(0.0)
            if answer.get("stop"):
                return 0
        self._tell(state="working")
        return None

    def _tell(self, **said: Any) -> bool:
        """Costs, limits, being stuck, for the ledger. Whether it was taken, or will never be."""
        try:
            self.client.post("turn", **said)
        except SwarmError as error:
            self.say(f"not told to the coordinator: {error.message}")
            return isinstance(error, Refused) and error.status in (404, 422)
        return True

    def _afresh(self, why: str) -> None:
        self.say(f"the next turn begins a fresh session: {why}")
        self.session.fresh()

    def _option(self, name: str, otherwise: float) -> float:
        return float(str(self.seat.options.get(name) or otherwise))

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


def check(options: Mapping[str, object]) -> None:
    """Raises SwarmError for options that these agents do not have, or that cannot be meant."""
    found.words(options, OPTIONS)
    walled.mode(options)
    found.screen(options)
    for name in ("experiments", "context", "silence", "patience"):
        value = options.get(name, 1)
        if isinstance(value, int | float) and value <= 0:
            raise SwarmError(f"the option {name} is a number above 0, not {value!r}.")
    price(options)


def price(options: Mapping[str, object]) -> dict[str, float] | None:
    """What tokens cost as the person says. Raises SwarmError when it cannot be read."""
    given = options.get("price")
    if given is None:
        return None
    names = ("input", "cached", "output")
    good = isinstance(given, Mapping) and {"input", "output"} <= set(given) <= set(names)
    if not good or any(isinstance(v, bool) or not isinstance(v, int | float) or v < 0 for v in given.values()):  # type: ignore[attr-defined]
        raise SwarmError(
            f"the option price cannot be {given!r}.",
            "Dollars per million tokens: {input: 1.25, cached: 0.125, output: 10}",
        )
    return {str(name): float(value) for name, value in given.items()}  # type: ignore[attr-defined]


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    def run(seat: Seat, client: Client, say: Callable[[str], None]) -> int:
        loop = screen if seat.options.get("interactive") else Turns
        return loop(seat, client, driver(seat), say).run()

    return seats.work(run)
