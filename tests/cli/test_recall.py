"""Recall, best, note, adopt and read, as they are typed."""

from __future__ import annotations

import json

import pytest

from swarm.workspace import Workspace
from tests.cli.conftest import FakeClient, Typed
from tests.cli.test_verbs import door, recorded, seat

__all__ = ["door"]  # a fixture


@pytest.fixture
def known(place: Workspace) -> Workspace:
    ledger = recorded(place)
    ledger.add(
        "experiments", id="e0002", campaign=1, agent="gpu0", origin="submit", kind="const", description="rate down", stage="done",
        verdict="discard", reason="val_bpb 1.1 against 1", raw=1.1, estimate=1.05, stderr=0.01, runs=1, p_better=0.02, parent_m=1.0,
        parent="e0001", created=2.0,
    )  # fmt: skip
    ledger.add("notes", id=1, campaign=1, agent="gpu0", text="the rate\x1b[31m explodes", at=3.0)
    ledger.close()
    return place


def test_recall(typed: Typed, known: Workspace) -> None:
    code, out, _ = typed("recall", "rate", "down")
    assert code == 0
    assert out.splitlines() == [
        "- e0002 discard, 0.0500 ± 0.0100 worse than what it changed, P(better) 0.02, 1 run: rate down",
        "- note by gpu0: the rate explodes",
    ]
    assert "Nobody tried it yet" in typed("recall", "zebra")[1]
    found = json.loads(typed("recall", "explodes", "--json")[1])
    assert [(f["experiment"], f["agent"]) for f in found] == [(None, "gpu0")]


def test_recall_of_nothing_recorded(typed: Typed, place: Workspace) -> None:
    assert typed("recall", "x")[0] == 1
    assert typed("best")[0] == 1


def test_best(typed: Typed, known: Workspace) -> None:
    code, out, _ = typed("best")
    assert code == 0
    assert out.startswith("Best is e0001.\ne0001 by the task as given, done: as given")


def test_a_person_notes(typed: Typed, door: FakeClient) -> None:
    door.answers["note"] = {"note": 3}
    assert "noted (3)" in typed("note", "the order matters")[1]
    assert door.asked[-1] == ("note", {"text": "the order matters"})
    assert typed("note", " ")[0] == 2


def test_an_agent_adopts_reads_and_submits_on(
    typed: Typed, place: Workspace, door: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(place, monkeypatch, door)
    door.answers["adopt"] = {
        "tip": "e0003",
        "was": "e0002",
        "stack": "e0009",
        "kept": ["e0002"],
        "moved": False,
        "base": "e0001",
    }
    door.answers["read"] = {"text": "train.py, lines 1-1 of 1:\nx = 1\x1b[2J"}
    door.answers["submit"] = {"experiment": "e0002", "diff": "", "notes": [], "room": 0}
    out = typed("adopt", "e0003")[1].splitlines()
    assert out[0] == "You build on e0003 now (before: e0002)."
    assert "as e0009" in out[1]
    assert "still stand on e0001" in out[2]
    assert typed("read", "train.py", "--line", "2")[1].startswith("train.py, lines 1-1 of 1:\nx = 1")
    assert door.asked[-1] == ("read", {"file": "train.py", "line": 2})
    typed("submit", "-m", "x", "--on", "e0003")
    assert door.asked[-1][1]["on"] == "e0003"


def test_adopt_and_read_are_for_agents(typed: Typed, place: Workspace) -> None:
    assert typed("adopt", "e0003")[0] == 1
    assert typed("read", "train.py")[0] == 1
