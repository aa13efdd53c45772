"""What an agent still owes when it is ended in the middle of a turn is booked then, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.coordinator.play import Play


def owes(play: Play, name: str, *bills: dict[str, Any], since: float | None = None) -> Path:
    path = play.workspace.agents / name / "session.json"
    made = play.a(name).created if since is None else since
    path.write_text(json.dumps({"since": made, "owed": list(bills)}))
    return path


def bill(turn: int, usd: float | None = 0.25, **more: Any) -> dict[str, Any]:
    return {"turn": turn, "tokens": 1000, "usd": usd, "experiments": [], "plan": False, **more}


def booked(play: Play) -> list[tuple[Any, ...]]:
    return play.ledger.rows("SELECT agent, experiment, tokens, usd FROM costs ORDER BY id")


def test_at_the_end_of_a_campaign(play: Play) -> None:
    play.begin(2)
    mine = play.submit("a0", A=0.9)
    play.settle()
    play.story.turn("a0", turn=1, tokens=500, usd=0.1)
    owes(play, "a0", bill(2, experiments=[mine]), bill(1, usd=9.0))  # the first was heard, only its answer was lost
    owes(play, "a1", bill(1, usd=None))
    play.story.stop()
    for _ in range(30):
        play.step()
    assert play.world.campaign.state == "ended"
    assert booked(play) == [("a0", None, 500, 0.1), ("a0", mine, 1000, 0.25), ("a1", None, 1000, None)]
    play.story.resume({"hours": 1})
    play.story.turn("a0", turn=2, tokens=1000, usd=0.25)  # the next process of this agent says it again
    assert len(booked(play)) == 3


def test_when_it_is_replaced_or_stopped(play: Play) -> None:
    play.begin(2)
    owes(play, "a0", bill(1))
    owes(play, "a1", bill(1, usd=0.5))
    play.story.replace("a0", "scripted", name="b0")
    play.story.stop(["a1"])
    assert [(who, usd) for who, _, _, usd in booked(play)] == [("a0", 0.25), ("a1", 0.5)]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"since": 0, "owed": 3}', '{"since": "x"}', "null", '{"owed": []}', "\x00"],
)
def test_what_cannot_be_read_is_nothing(play: Play, text: str) -> None:
    play.begin(1)
    path = owes(play, "a0", bill(1))
    path.write_text(text.replace('"since": 0', f'"since": {play.a("a0").created}'))
    play.story.stop(now=True)
    assert booked(play) == [] and play.world.campaign.state == "ended"


@pytest.mark.parametrize(
    "odd",
    [
        {"turn": 0},
        {"tokens": -1},
        {"usd": -1.0},
        {"usd": 1e9},
        {"tokens": "x"},
        {"experiments": None},
        {"usd": float("nan")},
    ],
)
def test_a_bill_that_is_none(play: Play, odd: dict[str, Any]) -> None:
    play.begin(1)
    owes(play, "a0", {**bill(1), **odd})
    play.story.stop(now=True)
    assert booked(play) == [] and play.world.campaign.state == "ended"


def test_of_an_earlier_agent_or_behind_a_link(play: Play, tmp_path: Path) -> None:
    play.begin(2)
    owes(play, "a0", bill(1), since=1.0)
    path = owes(play, "a1", bill(1))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    play.story.stop(now=True)
    assert booked(play) == []
