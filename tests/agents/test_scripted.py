"""The scripted agent: its steps in order, submissions when there is room, and a restart that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swarm.agents.scripted import Scripted, ScriptedKind, steps
from swarm.errors import SwarmError
from swarm.ports import Seat
from tests.agents.door import TRAIN, Door, seat_in


def play(seat: Seat, door: Door) -> tuple[int, list[str]]:
    said: list[str] = []
    return Scripted(seat, door, said.append, lambda seconds: None).run(), said


def test_its_steps_are_done_in_order(tmp_path: Path) -> None:
    script: list[dict[str, Any]] = [
        {"replace": ["LR = 0.1", "LR = 0.2"]},
        {"description": "LR doubled"},
        {"set": {"DEPTH": "3", "LR": 0.5}, "description": "deeper"},
        {"write": "A = 1\n"},
        {"shell": "echo B = 2 >> train.py", "description": "by a shell"},
        {"shell": "touch nothing"},
        {"replace": ["not there", "x"]},
    ]
    seat = seat_in(tmp_path, "scripted", script=script)
    door = Door(seat, [{}] * 6)
    status, said = play(seat, door)
    assert status == 0
    assert door.submitted == [
        ("LR doubled", TRAIN.replace("0.1", "0.2")),
        ("deeper", TRAIN.replace("0.1", "0.5").replace("= 2", "= 3")),
        ("changes to train.py (+1 −4)", "A = 1\n"),
        ("by a shell", TRAIN + "B = 2\n"),
    ]
    assert "not in train.py: 'not there'" in said


def test_it_waits_for_room_and_for_results(tmp_path: Path) -> None:
    script = [{"set": {"LR": "1"}}, {"set": {"LR": "2"}}, {"wait": True}, {"set": {"LR": "3"}}]
    seat = seat_in(tmp_path, "scripted", script=script)
    full, news = {"room": 0}, [{"experiment": "e0002", "verdict": "keep"}]
    answers = [{}, full, full, {}, {}, {"results": news}, {}, {"results": [{**news[0], "experiment": "e0003"}]}, {}]
    door = Door(seat, answers)
    play(seat, door)
    assert door.asked == ["wait", "submit", *["wait"] * 3, "submit", *["wait"] * 4, "wait", "submit", "wait"]


def test_it_exits_and_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps([{"set": {"LR": "1"}}, {"exit": 7}, {"set": {"LR": "2"}}]))
    seat = seat_in(tmp_path / "here", "scripted", script=str(path))
    door = Door(seat, [{}] * 3)
    assert play(seat, door)[0] == 7
    assert play(seat, door)[0] == 0
    assert [text.splitlines()[0] for _, text in door.submitted] == ["LR = 1", "LR = 2"]


def test_the_next_campaign_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seat_in(tmp_path, "scripted", script=[{"set": {"LR": "1"}}])
    door = Door(seat, [{}])
    play(seat, door)
    monkeypatch.setattr(door, "get", lambda path: {"campaign": "c2"})
    door.answers = [{}]
    play(seat, door)
    assert len(door.submitted) == 2


def test_it_stops_in_the_middle_when_the_campaign_does(tmp_path: Path) -> None:
    seat = seat_in(tmp_path, "scripted", script=[{"set": {"LR": "1"}}, {"set": {"LR": "2"}}])
    door = Door(seat, [{}])
    status, said = play(seat, door)
    assert status == 0 and len(door.submitted) == 1
    assert said[-1] == "the campaign is over: enough"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "need a script"),
        ("/no/such/script.json", "cannot be read"),
        ({"write": "x"}, "need a script"),
        ([{"dance": 1}], "step 1"),
        ([{"wait": True}, {"write": "x", "dance": 1}], "step 2"),
        (["wait"], "step 1"),
    ],
)
def test_a_script_that_is_none(script: Any, says: str) -> None:
    with pytest.raises(SwarmError) as caught:
        ScriptedKind().check({"script": script})
    assert says in caught.value.message


def test_descriptions_join_the_step_before() -> None:
    assert steps(
        {"script": [{"description": "alone"}, {"write": "x"}, {"description": "a"}, {"description": "b"}]}
    ) == [
        {"description": "alone"},
        {"write": "x", "description": "a"},
        {"description": "b"},
    ]
