"""Forecasts against what came: known answers, and what may never happen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.calibration import PRIOR, Calibration, believed, clause, habits

REAL = st.floats(-1.0, 1.0, allow_nan=False)


def of(*pairs: tuple[float, float]) -> Calibration:
    known = Calibration()
    for x, y in pairs:
        known = known.of_change(x, y)
    return known


def test_brier_of_known_forecasts() -> None:
    """0 for a perfect forecaster, 0.25 for one that always says a half, 1 for one that is always wrong."""
    for p, better, score in (
        (1.0, True, 0.0),
        (0.5, True, 0.25),
        (0.5, False, 0.25),
        (0.0, True, 1.0),
        (0.9, False, 0.81),
    ):
        assert Calibration().of_chance(p, better).brier == pytest.approx(score)
    two = Calibration().of_chance(0.8, True).of_chance(0.3, False)
    assert two.brier == pytest.approx((0.04 + 0.09) / 2) and two.np == 2
    assert Calibration().brier is Calibration().bias is Calibration().slope is None


def test_mean_error_and_slope() -> None:
    known = of((-0.003, -0.001), (-0.006, -0.002), (-0.003, -0.001))
    assert known.bias == pytest.approx((0.002 + 0.004 + 0.002) / 3)
    assert known.slope == pytest.approx(1 / 3)


def test_what_is_told() -> None:
    known = of(*[(-0.003, -0.001)] * 12)
    assert clause(-0.002, 0.0004, known) == "you expected −0.002, it was +0.0004; over 12 you expect 3.0× too much"
    assert clause(-0.002, None, Calibration()) == "you expected −0.002, and nothing was measured"
    assert clause(None, 1.0, known) == ""
    assert habits(of(*[(-0.003, -0.001)] * 4)) == ""
    assert habits(of(*[(-0.001, 0.001)] * 5)) == "foresee nothing of what is measured"
    assert habits(of(*[(-0.001, -0.001)] * 5)) == "expect about what comes"
    assert habits(of(*[(-0.001, -0.002)] * 5)) == "expect 2.0× too little"


def test_what_is_believed_of_an_expectation() -> None:
    assert believed(-0.01, Calibration()) == (0.0, 0.0)
    mean, weight = believed(-0.01, of(*[(-0.01, -0.01)] * 5))
    assert weight == pytest.approx(5 / (5 + PRIOR)) and mean == pytest.approx(-0.01 * weight)
    assert believed(-0.01, of(*[(-0.01, 0.01)] * 5))[0] > 0, "who is always wrong is believed to be"


@given(st.lists(st.tuples(REAL, REAL), max_size=30), REAL)
def test_belief_is_bounded_and_grows_with_the_history(pairs: list[tuple[float, float]], expect: float) -> None:
    known = of(*pairs)
    mean, weight = believed(expect, known)
    assert 0.0 <= weight < 1.0 and math.isfinite(mean)
    assert abs(mean) <= 3.0 * abs(expect)
    clause(expect, 0.0, known)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_a_brier_score_is_between_nothing_and_one(said: list[tuple[float, bool]]) -> None:
    known = Calibration()
    for p, better in said:
        known = known.of_chance(p, better)
    assert known.brier is not None and 0.0 <= known.brier <= 1.0
