"""How a training went, as `swarm show` tells it."""

from __future__ import annotations

import io
import json

import pytest

from swarm.ledger import export
from swarm.ledger.reader import Reader
from swarm.workspace import Workspace
from tests.cli.conftest import Typed
from tests.cli.test_verbs import recorded


@pytest.fixture
def ended(place: Workspace) -> Workspace:
    """One that was ended early: no score, a curve."""
    ledger = recorded(place)
    why = "ended at 40 % of its budget: loss 3.21 where its parent had 2.95"
    ledger.add(
        "experiments", id="e0002", campaign=1, agent="gpu0", origin="submit", kind="const", description="rate up", stage="done",
        verdict="discard", reason=why, parent="e0001", commit="c" * 40, created=2.0, judged_at=3.0,
    )  # fmt: skip
    ledger.add("runs", id=77, experiment="e0002", purpose="screen", seed=77, status="cancelled", reason=why, queued=2.0)
    for n in range(1, 9):
        ledger.add("curves", run=77, fraction=n / 20, loss=9.0 - n)
    ledger.close()
    return place


def test_five_figures(typed: Typed, ended: Workspace) -> None:
    out = typed("show", "e0002")[1]
    assert "loss      5 % 8.0000 · 15 % 6.0000 · 25 % 4.0000 · 30 % 3.0000 · 40 % 1.0000" in out
    assert "verdict   discard: ended at 40 % of its budget" in out
    assert "loss  " not in typed("show", "e0001")[1]


def test_all_of_it_for_programs(typed: Typed, ended: Workspace) -> None:
    (run,) = json.loads(typed("show", "e0002", "--json")[1])["measurements"]
    assert run["curve"] == [[n / 20, 9.0 - n] for n in range(1, 9)]


def test_what_has_no_score_cannot_win_a_minimum_elsewhere(ended: Workspace) -> None:
    out = io.StringIO()
    with Reader(ended.ledger) as reader:
        export.results_tsv(reader, out)
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("ccccccc")]
    assert line.split("\t")[1:4] == ["0.000000", "0.0", "crash"]


def test_recall_says_why(typed: Typed, ended: Workspace) -> None:
    assert "e0002 discard (ended at 40 % of its budget: loss 3.21" in typed("recall", "rate", "up")[1]
