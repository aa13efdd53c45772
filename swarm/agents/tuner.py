"""The tuner: an agent that only sets UPPERCASE constants, through the same door as everybody.

It learns from everything that anybody measured of constants, and its own finds are there for the others to build on.
As a process: python -m swarm.agents.tuner
"""

from __future__ import annotations

import importlib.util
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from swarm.agents import seat as seats
from swarm.agents.proposing import STUDY, Seen, propose, signature
from swarm.agents.space import Dim, placed, read_options, space
from swarm.client import Client
from swarm.errors import Refused, SwarmError
from swarm.ports import Launch, Seat
from swarm.research.constants import constants

WAIT = 45.0  # seconds one question to the coordinator may stay open
PAUSE = 2.0  # seconds after a refusal, or when nothing new comes to mind
SLOWEST = 15.0  # seconds between two knocks at a door that nobody opens
GIVE_UP = 900.0  # seconds without a coordinator; whoever watches the session starts a new one


class TunerKind:
    """Agents of this kind need nothing but this package. Options: `only`, `space`, `device` (cuda or cpu)."""

    name = "tuner"

    def check(self, options: Mapping[str, object]) -> None:
        """Raises SwarmError for options that cannot be read, or without Optuna."""
        read_options(options)
        if options.get("device", "cpu") not in ("cpu", "cuda"):
            raise SwarmError("the tuner's option `device` is cuda or cpu.")
        if importlib.util.find_spec("optuna") is None:
            raise SwarmError("the tuner needs Optuna, and it is not installed.", "pip install optuna")

    def launch(self, seat: Seat) -> Launch:
        """This very Python runs this module."""
        return seats.launch(seat, "swarm.agents.tuner")


class Tuner:
    """The loop of one tuner. `say` prints a line in its pane, `pause` sleeps; tests give others."""

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
        self.gpu = seat.options.get("device") == "cuda" or bool(seat.devices)
        self.flying: dict[str, dict[str, object]] = {}  # experiment → values
        self.taken: set[str] = set()
        self.count = 0
        self.idle = ""

    def run(self) -> int:
        """Until the campaign is over (0), or the coordinator stays away or sends this agent away (1)."""
        away, knock = 0.0, 0.5
        while True:
            try:
                heard = self.client.post("wait", timeout=WAIT)
                if self._told(heard):
                    return 0
                if int(heard.get("room") or 0) > 0:
                    self._try_one()
                away, knock = 0.0, 0.5
            except Refused as refused:
                self.say(f"refused: {refused.message}")
                if refused.status in (401, 403):
                    return 1
                self.pause(PAUSE)
            except SwarmError as error:
                if not away:
                    self.say(f"{error.message} Trying again.")
                if away > GIVE_UP:
                    self.say("giving up: the coordinator did not come back")
                    return 1
                self.pause(knock)
                away, knock = away + knock + self.client.patience, min(knock * 2, SLOWEST)

    def _told(self, heard: Mapping[str, Any]) -> bool:
        """Print the news and the results; whether the campaign is over."""
        for line in heard.get("news") or ():
            self.say(f"· {line}")
        for result in heard.get("results") or ():
            self.flying.pop(str(result.get("experiment")), None)
            self.say(result_line(result))
        if heard.get("stop"):
            self.say(f"the campaign is over{': ' + str(heard['why']) if heard.get('why') else ''}")
            return True
        return False

    def _try_one(self) -> None:
        """Choose and submit one proposal. Raises Refused or SwarmError as the door does."""
        here = self.client.get("constants")
        found = constants(str(here["source"]))
        dims = space(found, self.seat.options, self.gpu)
        past = list(here.get("experiments") or ())[-STUDY:]
        seen = []
        for row in past:
            values = read_values(row["values"])
            self.taken.add(named(dims, values))
            seen.append(Seen(placed(dims, values), row["loss"]))
        flying = [placed(dims, values) for values in self.flying.values()]
        self.count += 1
        number = self.count + sum(bool(row.get("mine")) for row in past)
        seed = zlib.crc32(f"{self.seat.agent} {number}".encode())
        change = propose(dims, seen, flying, self.taken, seed)
        if change is None:
            self._idle("nothing new to try" if dims else f"no constants to tune in {here['file']}")
            return
        self._submit(change, {name: c.text for name, c in found.items()}, dims)

    def _submit(self, change: Mapping[str, str], tip: Mapping[str, str], dims: Mapping[str, Dim]) -> None:
        told = ", ".join(f"{name} {tip[name]}→{text}" for name, text in change.items())
        values = read_values({**tip, **change})
        self.taken.add(named(dims, values))  # also when it is refused: not twice
        answer = self.client.post("submit/values", values=dict(change), description=told)
        self.idle = ""
        self.flying[str(answer["experiment"])] = values
        self.say(f"{answer['experiment']}  trying {told}")

    def _idle(self, why: str) -> None:
        if why != self.idle:
            self.say(f"{why}; waiting")
        self.idle = why
        self.pause(PAUSE)


def read_values(texts: Mapping[str, str]) -> dict[str, object]:
    """The values of constants given as texts; what is no literal is left out."""
    found = constants("\n".join(f"{name} = {text}" for name, text in texts.items() if "\n" not in text))
    return {name: constant.value for name, constant in found.items()}


def named(dims: Mapping[str, Dim], values: Mapping[str, object]) -> str:
    """The signature of these values, as `propose` compares it."""
    return signature({}, {name: dims[name].text(at) for name, at in placed(dims, values).items()})


def result_line(result: Mapping[str, Any]) -> str:
    """A result as a line in the pane."""
    parts = [str(result.get("experiment")), str(result.get("verdict") or "?").ljust(8)]
    if isinstance(score := result.get("score"), int | float):
        parts.append(f"{score:.4f}")
    if isinstance(delta := result.get("delta"), int | float):
        parts.append(f"({delta:+.4f}, P {result.get('p') or 0:.2f})")
    if result.get("verdict") in ("crash", "conflict") and result.get("reason"):
        parts.append(str(result["reason"]).strip().splitlines()[-1][:100])
    return "  ".join([*parts, str(result.get("description") or "")]).rstrip()


def main() -> int:
    """The process of one tuner; its seat tells it where."""
    try:
        seat, client = seats.mine()
        return Tuner(seat, client, lambda line: print(line, flush=True)).run()
    except KeyboardInterrupt:
        return 130
    except SwarmError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
