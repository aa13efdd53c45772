"""What an experiment is called."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from swarm.research.experiment import Experiment
from swarm.research.leaderboard import state_of


def made(**values: Any) -> Experiment:
    blank: dict[str, Any] = {f.name: None for f in fields(Experiment)}
    return Experiment(**{**blank, "id": "e0005", "stage": "done", "runs": 1, "dropped": 0, **values})


@pytest.mark.parametrize(
    ("values", "p", "said"),
    [
        ({"verdict": "keep"}, 0.9, "unconfirmed"),
        ({"verdict": "keep", "runs": 2}, 0.3, "tied"),
        ({"verdict": "keep", "runs": 2}, 0.29, "kept"),
        ({"verdict": "keep", "runs": 3}, None, "kept"),
        ({"verdict": "keep", "runs": 2, "dropped": 1}, 0.4, "did not hold"),
        ({"verdict": "keep", "id": "e0003"}, 0.4, "was best"),
        ({"verdict": "keep", "id": "e0003", "dropped": 1}, 0.4, "did not hold"),
        ({"verdict": "discard"}, 0.1, "discard"),
        ({"verdict": "crash"}, None, "crash"),
        ({"verdict": "conflict"}, None, "conflict"),
        ({"stage": "queued", "runs": 0}, None, "queued"),
        ({"id": "e0001"}, 0.1, "baseline"),
        ({"id": "e0002", "verdict": "discard"}, 0.5, "best"),
    ],
)
def test_states(values: dict[str, Any], p: float | None, said: str) -> None:
    assert state_of(made(**values), "e0002", {"e0002", "e0003"}, "e0001", p) == said


def test_a_baseline_that_nothing_beat_is_best() -> None:
    assert state_of(made(id="e0001"), "e0001", set(), "e0001", 0.5) == "best"
