"""Waves: many cells, one question, one answer; played with real git and SQLite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarm.errors import Refused
from tests.coordinator.play import Play


def cells(play: Play, wave: int = 1) -> dict[str, str]:
    """Experiment by its levels."""
    rows = play.ledger.rows("SELECT levels, experiment FROM cells WHERE wave=?", wave)
    return {" ".join(f"{k}={v}" for k, v in json.loads(levels).items()): ident for levels, ident in rows}


def answer(play: Play, wave: int = 1) -> dict[str, Any]:
    return dict(json.loads(play.ledger.value("SELECT answer FROM waves WHERE id=?", wave)))


def test_a_wave_over_constants_is_measured_and_answered(play: Play) -> None:
    play.begin()
    said = play.story.grid(["A=1.0,0.5", "B=2,1.5,9"])
    assert (said["wave"], said["cells"], said["runs"], said["on"]) == (1, 6, 5, "e0001")
    play.settle()
    there = cells(play)
    assert there["A=1.0 B=2.0"] == "e0001"
    assert len(set(there.values())) == 6
    assert {play.e(i).origin for i in there.values() if i != "e0001"} == {"wave"}
    assert {play.e(i).parent for i in there.values() if i != "e0001"} == {"e0001"}
    assert "A = 0.5" in play.hub.read(play.e(there["A=0.5 B=1.5"]).commit or "", "train.py").decode()
    assert play.ledger.value("SELECT state FROM waves") == "done"
    found = answer(play)
    assert found["best"] == there["A=0.5 B=1.5"]
    assert found["main"][0]["change"]["value"] == pytest.approx(-0.5, abs=0.05)
    assert "add up" in " ".join(found["text"])
    assert play.world.campaign.best == there["A=0.5 B=1.5"]
