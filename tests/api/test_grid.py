"""Waves at the door: who may ask and stop, what is passed on, and the tool as agents use it."""

from __future__ import annotations

import http.client
import json

import pytest

from swarm.errors import Refused
from tests.api.conftest import Served
from tests.api.test_tools import House, house

__all__ = ["house"]  # the fixture
ASKED = {"words": ["LR=.1,.2"], "on": "best", "repeats": 2}


def test_a_person_and_an_agent_may_ask_and_who_only_looks_may_not(served: Served) -> None:
    for who, name in (("owner", None), ("agent.gpu0", "gpu0")):
        served.story.forget()
        assert served.ask("POST", "/v1/grid", ASKED, who)[0] == 200
        assert served.ask("POST", "/v1/waves/3/stop", None, who)[0] == 200
        assert served.story.asked == [
            (
                "grid",
                {"agent": name, "words": ["LR=.1,.2"], "on": "best", "repeats": 2, "sure": False, "request": None},
            ),
            ("stop_grid", {"number": 3, "agent": name}),
        ]
    served.story.forget()
    assert served.ask("POST", "/v1/grid", ASKED, "viewer")[0] == 403
    assert served.ask("POST", "/v1/waves/3/stop", None, "viewer")[0] == 403
    assert served.story.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {}, {"words": []}, {"words": ["A=1,2"] * 65}, {"words": ["A" * 2001]}, {"words": ["A=1,2"], "repeats": 0},
        {"words": ["A=1,2"], "repeats": 9}, {"words": "A=1,2"}, {"words": ["A=1\u0000,2"]}, {"words": ["A=1,2"], "more": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_taken_goes_no_further(served: Served, body: dict[str, object]) -> None:
    served.story.forget()
    assert served.ask("POST", "/v1/grid", body)[0] == 422
    assert served.story.asked == []


def test_a_refusal_comes_out_with_what_to_do(served: Served) -> None:
    served.story.answers["grid"] = Refused("96 cells are many.", "Say it again with --yes.")
    status, said = served.ask("POST", "/v1/grid", ASKED)
    assert (status, said["error"], said["hint"]) == (409, "96 cells are many.", "Say it again with --yes.")


def test_an_agent_asks_is_told_and_looks_again(house: House) -> None:
    text = house.say("grid", words=["A=1,9", "B=2,9"])
    assert text.startswith("wave 1 on e0001: 4 cells (1 known already), 3 runs, ")
    assert house.say("grid", words=["C=3,4"]).startswith("refused: your wave 1 is not answered yet")
    assert "0 of 3 cells are over" in house.say("grid", wave=1)
    house.settle()
    heard = house.say("wait", timeout=0)
    assert "wave 1 on e0001, val_bpb: 4 of 4 cells measured" in heard
    assert "best is e0001 as it is" in heard
    assert house.say("grid", wave=1).splitlines()[0] == "wave 1 on e0001, val_bpb: 4 of 4 cells measured"
    assert house.say("grid", "agent.a1", wave=7).startswith("refused: there is no wave 7")


@pytest.mark.parametrize(
    "words", [{}, {"words": ["D=1,2"]}, {"words": ["A=1,2"], "repeats": 50}, {"words": ["A=1,2", "e0001"]}]
)
def test_what_is_wrong_is_said_to_the_agent(house: House, words: dict[str, object]) -> None:
    assert house.say("grid", **words).startswith("refused: ")


def test_the_waves_are_read_at_the_door(house: House) -> None:
    house.on(lambda play: play.story.grid(["A=1,9"]))
    house.settle()
    line = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    for path, what in (("/v1/waves", "waves"), ("/v1/waves/1", "told")):
        line.request("GET", path, headers={"Authorization": f"Bearer {house.tokens.read('viewer')}"})
        said = json.loads(line.getresponse().read())
        assert said[what]
    line.close()
    assert said["state"] == "done"
    assert said["answer"]["best"] == "e0001"
