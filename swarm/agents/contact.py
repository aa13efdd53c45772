"""An agent's talk with the coordinator, as it shows in its pane: waiting, submitting, and outliving an outage."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from swarm.client import Client
from swarm.errors import Refused, SwarmError

WAIT = 45.0  # seconds one question may stay open
SLOWEST = 15.0  # seconds between two knocks at a door that nobody opens
AWAY = (401, 403, 404)  # answers that mean: you are not one of us any more
GIVE_UP = 900.0  # seconds without a coordinator; whoever watches the session starts a new agent


class Contact:
    """`say` prints a line in the pane, `pause` sleeps, `clock` tells seconds: tests give others."""

    def __init__(
        self,
        client: Client,
        say: Callable[[str], None] = print,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.say = say
        self.pause = pause
        self.clock = clock
        self.heard = 0  # the last answer that was heard: asking again says so, else it is told again

    def wait(self, timeout: float = WAIT) -> dict[str, Any]:
        """What is new, whether there is room, whether it is over; news and results are printed. The next call says that
        they were heard; until then a new process of this agent is told them again.

        Raises Refused (sent away) or SwarmError (the coordinator stayed away for GIVE_UP seconds).
        """
        since, knock = self.clock(), 0.5
        while True:
            try:
                heard = self.client.post("wait", timeout=timeout, heard=self.heard)
                self.heard = max(self.heard, int(heard.get("seq") or 0))
                self._tell(heard)
                return heard
            except SwarmError as error:
                if isinstance(error, Refused) and error.status in AWAY:
                    raise
                if knock == 0.5:
                    self.say(f"{error.message} Trying again.")
                if self.clock() - since > GIVE_UP:
                    raise SwarmError("the coordinator did not come back.", "swarm resume") from None
            self.pause(knock)
            knock = min(knock * 2, SLOWEST)

    def submit(self, description: str, **more: Any) -> tuple[str | None, str]:
        """The experiment, and what was said about it; None and why when it was not taken."""
        text = " ".join(description.split())[:2000] or "no description"
        try:
            answer = self.client.post("submit", description=text, **more)
        except SwarmError as error:
            told = f"{error.message} {error.hint}".strip()
            self.say(f"not taken: {told}")
            return None, told
        self.say(f"{answer['experiment']}  submitted: {text}")
        notes = [str(note) for note in answer.get("notes") or ()]
        for note in notes:
            self.say(f"· {note}")
        return str(answer["experiment"]), " ".join(notes)

    def _tell(self, heard: Mapping[str, Any]) -> None:
        for line in heard.get("news") or ():
            self.say(f"· {line}")
        for result in heard.get("results") or ():
            self.say(result_line(result))
        if heard.get("stop"):
            self.say(f"the campaign is over{': ' + str(heard['why']) if heard.get('why') else ''}")


def result_line(result: Mapping[str, Any]) -> str:
    """A result in one line: `e0007  keep  1.8990 (−0.0123, P 0.97)  MATRIX_LR 0.04→0.028`."""
    parts = [str(result.get("experiment")), str(result.get("verdict") or "?")]
    if isinstance(score := result.get("score"), int | float):
        parts.append(f"{score:.4f}")
    if isinstance(delta := result.get("delta"), int | float):
        p = result.get("p")
        sure = f", P {p:.2f}" if isinstance(p, int | float) else ""
        parts.append(f"({delta:+.4f}{sure})".replace("-", "−"))
    if result.get("verdict") in ("crash", "conflict") and result.get("reason"):
        parts.append(str(result["reason"]).strip().splitlines()[-1][:100])
    return "  ".join([*parts, str(result.get("description") or "")]).rstrip()
