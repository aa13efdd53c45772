"""The bench of early ends: what it counts, and that campaigns with drawn curves keep their books."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bench import early
from bench.sim.campaign import Setting, simulate
from bench.sim.curves import Drawn, changes_of
from bench.sim.landscape import ORIGIN, Assumptions, Landscape
from swarm.research.hopeless import Rule


def curve(level: float, luck: int) -> list[list[float]]:
    rng = random.Random(luck)
    return [[n / 20, 9 - n / 10 + level + rng.gauss(0, 0.01)] for n in range(1, 20)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Eight runs as given; a change that is better, one that is better in the end only, one that is worse, a crash."""
    rows = [{"tip": "x", "change": {}, "score": 2 + 0.001 * n, "curve": curve(0, n)} for n in range(8)]
    for name, score, level in [("good", 1.9, -1.0), ("late", 1.95, 1.0), ("bad", 2.5, 1.0), ("crash", None, 0.0)]:
        rows.append({"tip": "x", "change": {name: "1"}, "score": score, "curve": curve(level, 99)})
    made = tmp_path / "curves.json"
    made.write_text(json.dumps({"runs": rows}))
    return made


def test_wrong_kills_are_those_of_the_better(path: Path) -> None:
    rows = early.tried(Rule("parent", 6, 0.3), path)
    assert [row.gain > 0 for row in rows] == [True, True, False]
    assert [set(row.ended) for row in rows] == [{None}, {0.3}, {0.3}]
    assert [len(row.ended) for row in rows] == [8, 8, 8]
    cells = early.line(Rule("parent", 6, 0.3), rows)
    assert cells[3] == "46.7%", "two of three ended at 30 %"
    assert cells[4].startswith("100.0% of 1 ")
    assert cells[5].startswith("50.0% of 2 ")


def test_intervals_are_wilsons() -> None:
    assert early.wilson(0.0, 50) == pytest.approx((0.0, 0.0713), abs=1e-3)
    assert early.wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)


def test_drawn_curves_are_those_of_changes_of_that_size(path: Path) -> None:
    changes = changes_of(early.measured(path))
    landscape = Landscape(Assumptions(), 1)
    name = max(landscape.slope, key=lambda n: landscape.slope[n])
    values = {name: ORIGIN + 6}
    one = Drawn(changes, 1).curve(landscape, values, random.Random(1))
    assert one == Drawn(changes, 1).curve(landscape, values, random.Random(1))
    assert [mark for mark, _ in one] == [n / 20 for n in range(1, 20)]
    plain = Drawn(changes, 1).curve(landscape, {}, random.Random(1))
    assert all(a[1] != b[1] for a, b in zip(one, plain, strict=True))


def test_a_campaign_with_a_rule_keeps_its_books() -> None:
    drawn = Drawn(changes_of(early.measured(early.DATA)), 3)
    policy = {"baseline_runs": 6, "early": "parent", "early_by": 3, "early_from": 0.3}
    outcome = simulate(Assumptions(), Setting(slots=4, hours=1.5, policy=policy), 3, curves=drawn)
    assert outcome.ended_early > 0
    assert outcome.truly_better >= outcome.wrongly_ended
    assert outcome.booked == pytest.approx(sum(outcome.used.values()), rel=0.01)
    assert sum(outcome.used.values()) <= outcome.gpu_s
