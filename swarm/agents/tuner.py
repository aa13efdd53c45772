"""The tuner: an agent that only sets UPPERCASE constants, through the same door as everybody.

It learns from everything that anybody measured of constants, and its own finds are there for the others to build on.
As a process: python -m swarm.agents.tuner
"""

from __future__ import annotations

import importlib.util
import sys
import zlib
from collections.abc import Mapping

from swarm.agents import seat as seats
from swarm.agents.contact import AWAY, Contact
from swarm.agents.proposing import STUDY, Seen, propose, signature
from swarm.agents.space import Dim, placed, read_options, space
from swarm.errors import Refused, SwarmError
from swarm.ports import Launch, Seat
from swarm.research.constants import constants, with_values
from swarm.research.constraints import broken, one

PAUSE = 2.0  # seconds after a refusal, or when nothing new comes to mind


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
    """The loop of one tuner."""

    def __init__(self, seat: Seat, contact: Contact) -> None:
        self.seat = seat
        self.contact = contact
        self.client = contact.client
        self.say = contact.say
        self.gpu = seat.options.get("device") == "cuda" or bool(seat.devices)
        self.flying: dict[str, dict[str, object]] = {}  # experiment → values
        self.taken: set[str] = set()
        self.count = 0
        self.idle = ""

    def run(self) -> int:
        """Until the campaign is over; then 0.

        Raises SwarmError when the coordinator stays away, Refused when it sends this agent away.
        """
        while True:
            heard = self.contact.wait()
            for result in heard.get("results") or ():
                self.flying.pop(str(result.get("experiment")), None)
            if heard.get("stop"):
                return 0
            if int(heard.get("room") or 0) > 0:
                self._go()

    def _go(self) -> None:
        """Try something; what the door does not take is said, and after a pause the next wait finds out why."""
        try:
            self._try_one()
        except SwarmError as error:
            if isinstance(error, Refused) and error.status in AWAY:
                raise
            self.say(f"not taken: {error.message}")
            self.contact.pause(PAUSE)

    def _try_one(self) -> None:
        """Choose and submit one proposal. Raises Refused or SwarmError as the door does."""
        here = self.client.get("constants")
        found = constants(str(here["source"]))
        rules = [rule for text in here.get("constraints") or () if (rule := one(str(text))) is not None]
        dims = space(found, self.seat.options, self.gpu, rules)
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

        def allowed(change: Mapping[str, str]) -> bool:
            after = constants(with_values(str(here["source"]), change))
            return not broken(rules, found, found, after, self.gpu)

        change = propose(dims, seen, flying, self.taken, seed, allowed)
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
        self.contact.pause(PAUSE)


def read_values(texts: Mapping[str, str]) -> dict[str, object]:
    """The values of constants given as texts; what is no literal is left out."""
    found = constants("\n".join(f"{name} = {text}" for name, text in texts.items() if "\n" not in text))
    return {name: constant.value for name, constant in found.items()}


def named(dims: Mapping[str, Dim], values: Mapping[str, object]) -> str:
    """The signature of these values, as `propose` compares it."""
    return signature({}, {name: dims[name].text(at) for name, at in placed(dims, values).items()})


def main() -> int:
    """The process of one tuner; its seat tells it where."""
    return seats.work(lambda seat, client, say: Tuner(seat, Contact(client, say)).run())


if __name__ == "__main__":
    sys.exit(main())
