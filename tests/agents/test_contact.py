"""Talking with the coordinator: an outage is outlived for a while, being sent away is not."""

from __future__ import annotations

from typing import Any

import pytest

from swarm.agents.contact import GIVE_UP, Contact, result_line
from swarm.client import Client, Unanswered
from swarm.errors import Refused, SwarmError


class Line(Client):
    """Says what is on the list: an answer, or an error."""

    def __init__(self, *answers: dict[str, Any] | SwarmError) -> None:
        super().__init__("", "")
        self.answers = list(answers)

    def post(self, path: str, /, **body: Any) -> dict[str, Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SwarmError):
            raise answer
        return answer


def contact(*answers: dict[str, Any] | SwarmError) -> tuple[Contact, list[str], list[float]]:
    said: list[str] = []
    pauses: list[float] = []
    return Contact(Line(*answers), said.append, pauses.append, lambda: sum(pauses)), said, pauses


def test_an_outage_is_outlived() -> None:
    there, said, pauses = contact(Unanswered("nobody."), Unanswered("nobody."), {"room": 1, "news": ["hello"]})
    assert there.wait()["room"] == 1
    assert said == ["nobody. Trying again.", "· hello"]
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("error", [Unanswered("nobody."), Refused("no campaign.", status=409)])
def test_a_long_one_is_not(error: SwarmError) -> None:
    there, _, pauses = contact(error)
    with pytest.raises(SwarmError, match="did not come back"):
        there.wait()
    assert GIVE_UP < sum(pauses) < GIVE_UP + 60


@pytest.mark.parametrize("status", [401, 403, 404])
def test_sent_away(status: int) -> None:
    there, _, pauses = contact(Refused("who are you?", status=status))
    with pytest.raises(Refused):
        there.wait()
    assert pauses == []


def test_a_submission_that_is_refused_is_told() -> None:
    there, said, _ = contact(Refused("nothing changed.", "Edit first."))
    assert there.submit("x") == (None, "nothing changed. Edit first.")
    there, said, _ = contact({"experiment": "e0007", "notes": ["the same as e0003"]})
    assert there.submit("two\n lines ") == ("e0007", "the same as e0003")
    assert said == ["e0007  submitted: two lines", "· the same as e0003"]


def test_results_in_a_line() -> None:
    keep = {"experiment": "e0007", "verdict": "keep", "score": 1.899, "delta": -0.0123, "p": 0.97, "description": "LR"}
    assert result_line(keep) == "e0007  keep  1.8990  (−0.0123, P 0.97)  LR"
    crash = {"experiment": "e0008", "verdict": "crash", "score": None, "reason": "Traceback\nValueError: no", "p": None}
    assert result_line(crash) == "e0008  crash  ValueError: no"
