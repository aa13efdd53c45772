"""`swarm grid` as it is typed: what it asks, what it says, what it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.cli import status
from swarm.errors import Refused
from swarm.workspace import Workspace
from tests.cli.conftest import FakeClient, Typed
from tests.cli.test_verbs import door
from tests.coordinator.play import Play

__all__ = ["door"]  # the fixture
QUEUED = {"wave": 3, "on": "e0040", "cells": 6, "runs": 5, "slots": 8, "minutes": 3.2}


def test_it_says_how_much_it_is(door: FakeClient, typed: Typed) -> None:
    door.answers["grid"] = QUEUED
    code, out, _ = typed("grid", "A=1,2", "B=1,2,3", "--on", "e0040", "--repeats", "2", "--yes")
    assert code == 0
    assert out == "  wave 3 on e0040: 6 cells (1 known already), 5 runs, 8 at once, about 3 min   swarm grid --show 3\n"
    assert door.asked == [("grid", {"words": ["A=1,2", "B=1,2,3"], "on": "e0040", "repeats": 2, "sure": True})]


def test_a_refusal_says_what_to_do(door: FakeClient, typed: Typed) -> None:
    door.answers["grid"] = Refused("96 cells are 95 runs, about 60 minutes on 8 slots.", "Say it again with --yes.")
    code, _, err = typed("grid", "A=1,2")
    assert code == 1
    assert "--yes" in err


def test_stop_says_what_becomes_of_the_rest(door: FakeClient, typed: Typed) -> None:
    door.answers["waves/3/stop"] = {"wave": 3, "state": "open", "dropped": 2}
    assert (
        typed("grid", "--stop", "3")[1]
        == "  wave 3: 2 runs not started any more.   what runs finishes, then it is answered\n"
    )
    door.answers["waves/3/stop"] = {"wave": 3, "state": "stopped", "dropped": 1}
    assert "swarm grid --show 3" in typed("grid", "--stop", "3")[1]


@pytest.mark.usefixtures("door")
def test_one_thing_at_a_time(typed: Typed) -> None:
    assert typed("grid", "A=1,2", "--show", "1")[0] == 2
    assert typed("grid", "--show", "1", "--stop", "1")[0] == 2


@pytest.mark.usefixtures("door")
def test_without_words_the_waves_so_far(typed: Typed) -> None:
    code, out, _ = typed("grid")
    assert code == 0
    assert "no wave was asked for yet" in out
    code, _, err = typed("grid", "--show", "7")
    assert code == 1
    assert "there is no wave 7" in err


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """A campaign with an answered wave, an open one, and we are in its workspace."""
    play = Play(tmp_path / "played")
    play.begin()
    play.story.grid(["A=1,0.5", "B=2,1.5"])
    play.settle()
    play.story.grid(["C=3,1"], agent="a0")
    monkeypatch.chdir(play.workspace.root)
    return play


@pytest.mark.usefixtures("play")
def test_the_waves_one_line_each(typed: Typed) -> None:
    out = typed("grid")[1].splitlines()
    assert [line.split()[0] for line in out] == ["wave", "1", "2"]
    assert "you" in out[1]
    assert "A=1.0,0.5 B=2.0,1.5" in out[1]
    assert "done, best e0004" in out[1]
    assert "a0" in out[2]
    assert "0 of 1 measured" in out[2]
    assert max(len(line) for line in out) <= 100


@pytest.mark.usefixtures("play")
def test_the_answer_in_a_few_lines_and_the_best_cells(typed: Typed) -> None:
    out = typed("grid", "--show", "1")[1]
    lines = out.splitlines()
    assert lines[0].strip() == "wave 1 on e0001, val_bpb: 4 of 4 cells measured"
    assert lines[1].strip().startswith(("A 1.0 → 0.5: -0.5", "A 1.0 → 0.5: -0.4"))
    assert "P(better) 1.00" in lines[1]
    assert "add up" in lines[3]
    assert lines[4].strip().startswith("best is e0004 (A=0.5 B=1.5)")
    assert lines[4].endswith("keep")
    cells = [line.split() for line in lines[lines.index("") + 2 :]]
    assert len(cells) == 4
    assert cells[0][:3] == ["A=0.5", "B=1.5", "e0004"]
    assert cells[-1][:3] == ["A=1.0", "B=2.0", "e0001"]
    assert len(lines) <= 12
    assert "0 of 1 cells are over" in typed("grid", "--show", "2")[1]


@pytest.mark.usefixtures("play")
def test_for_programs(typed: Typed) -> None:
    found = json.loads(typed("grid", "--show", "1", "--json")[1])
    assert (found["id"], found["state"], found["answer"]["best"]) == (1, "done", "e0004")
    assert [w["id"] for w in json.loads(typed("grid", "--json")[1])] == [1, 2]


def test_words_of_agents_are_harmless(play: Play, typed: Typed) -> None:
    play.ledger.db.execute("UPDATE waves SET author='\x1b[31mevil' WHERE id=2")
    assert "\x1b" not in typed("grid")[1]


def test_the_author_is_no_agent_on_the_screens(play: Play, typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    out = typed("status")[1]
    assert "swarm" in out, "a cell waits: its author is shown like a person's"
    play.settle()
    out = typed("status")[1]
    assert not [line for line in out.splitlines() if line.split()[:1] == ["swarm"]]
    assert "blanks" not in out
    assert "by swarm" in typed("show", "e0004")[1]
    assert typed("leaderboard")[0] == 0
    status.run(Workspace(play.workspace.root), True)
    assert {a["name"] for a in json.loads(capsys.readouterr().out)["agents"] if a["kind"] != "house"} == {"a0", "a1"}


def test_blank_runs_have_a_line_once_there_are_some(play: Play, typed: Typed) -> None:
    figure = {"kept": 6, "discarded": 9, "crashed": 1, "promoted": 0, "p": 3.5}
    play.ledger.add("figures", campaign=1, name="blanks", value=json.dumps(figure), at=1.0)
    [line] = [line for line in typed("status")[1].splitlines() if line.split()[:1] == ["blanks"]]
    assert " ".join(line.split()) == "blanks 16 runs with nothing changed: 6 kept, 0 promoted"
    found = json.loads(typed("status", "--json")[1])
    assert found["blanks"] == figure
