"""Deciding under noise: the textbook values, and what must hold whatever the numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.judging import (
    Belief,
    detectable,
    p_better,
    p_less,
    posterior,
    verdict,
)
from swarm.research.noise import pooled

NUMBERS = st.integers(-1000, 1000).map(lambda i: i / 100)
SDS = st.integers(0, 500).map(lambda i: i / 100)
COUNTS = st.integers(1, 8)
BELIEFS = st.builds(Belief, NUMBERS, SDS)


def test_pooled_by_hand() -> None:
    # squares: 2 and 2 about means 2 and 5; degrees of freedom 2 and 1
    noise = pooled([[1.0, 2.0, 3.0], [4.0, 6.0], [9.0]])
    assert noise.df == 3
    assert noise.sd == pytest.approx(math.sqrt(4 / 3))


def test_pooled_without_data_is_the_floor_or_the_prior() -> None:
    assert pooled([[1.0]], None).sd == 1e-6
    assert pooled([], None).df == 0
    assert pooled([], 0.3, 2.0).sd == pytest.approx(0.3)
    assert pooled([[1.0, 1.0]], None, floor=0.5).sd == 0.5


def test_a_prior_is_outweighed_by_data() -> None:
    groups = [[0.0, 2.0]] * 200
    assert pooled(groups, 100.0, 2.0).sd > pooled(groups, None).sd
    assert pooled(groups * 50, 100.0, 2.0).sd == pytest.approx(math.sqrt(2), rel=0.5)


def test_posterior_by_hand() -> None:
    # prior N(1, 0.01 + 0.03), data 0.8 with variance 0.04/1: weight one half
    found = posterior(Belief(1.0, 0.01), 0.8, 1, 0.2, math.sqrt(0.03))
    assert found.m == pytest.approx(0.9)
    assert found.v == pytest.approx(0.02)
    assert posterior(None, 0.8, 4, 0.2, 1.0) == Belief(0.8, pytest.approx(0.01))


@given(BELIEFS, NUMBERS, COUNTS, SDS, SDS)
def test_a_posterior_lies_between_its_parent_and_what_was_measured(
    parent: Belief, mean: float, n: int, sd: float, tau: float
) -> None:
    found = posterior(parent, mean, n, sd, tau)
    assert min(parent.m, mean) - 1e-9 <= found.m <= max(parent.m, mean) + 1e-9
    assert 0 <= found.v <= sd * sd / n + 1e-12


@given(BELIEFS, SDS, SDS)
def test_more_runs_of_what_was_expected_leave_less_doubt(parent: Belief, sd: float, tau: float) -> None:
    assert posterior(parent, parent.m, 2, sd, tau).v <= posterior(parent, parent.m, 1, sd, tau).v + 1e-12


@given(NUMBERS, NUMBERS, COUNTS, BELIEFS, SDS)
def test_lower_is_better(a: float, b: float, n: int, parent: Belief, sd: float) -> None:
    low, high = sorted((a, b))
    assert p_better(low, n, parent, sd) >= p_better(high, n, parent, sd)


@given(NUMBERS, COUNTS, BELIEFS, SDS)
def test_a_half_is_where_the_means_meet(mean: float, n: int, parent: Belief, sd: float) -> None:
    p = p_better(mean, n, parent, sd)
    assert 0 <= p <= 1
    assert p >= 0.5 if mean <= parent.m else p <= 0.5


def test_without_noise_the_sign_decides() -> None:
    assert p_better(0.9, 1, Belief(1.0, 0.0), 0.0) == 1.0
    assert p_better(1.1, 1, Belief(1.0, 0.0), 0.0) == 0.0
    assert p_better(1.0, 1, Belief(1.0, 0.0), 0.0) == 0.5


def test_p_is_the_normal_integral() -> None:
    assert p_better(0.0, 1, Belief(1.0, 0.0), 1.0) == pytest.approx(0.841345, abs=1e-6)
    assert p_less(Belief(0.0, 0.5), Belief(1.96, 0.5)) == pytest.approx(0.975, abs=1e-4)


@given(BELIEFS, BELIEFS)
def test_one_of_the_two_is_less(a: Belief, b: Belief) -> None:
    assert p_less(a, b) + p_less(b, a) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("p", "lines", "said"),
    [
        (0.5, 0, "keep"), (0.499, 0, "discard"), (0.46, -3, "keep"), (0.54, 3, "discard"), (0.45, -3, "discard"),
        (0.55, 3, "keep"), (0.99, 500, "keep"), (0.01, -500, "discard"), (math.nan, 0, "discard"),
    ],
)  # fmt: skip
def test_verdicts(p: float, lines: int, said: str) -> None:
    assert verdict(p, lines) == said


@given(st.floats(0, 1), st.integers(-50, 50))
def test_fewer_lines_never_hurt(p: float, lines: int) -> None:
    if verdict(p, lines) == "keep":
        assert verdict(p, lines - 1) == "keep" or lines == 0


def test_what_can_be_told_apart() -> None:
    assert detectable(0.0017) == pytest.approx(0.0060, abs=5e-5)
    assert detectable(1.0, 4) == pytest.approx(detectable(1.0) / 2)


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(1, 9), st.floats(1e-6, 10), st.floats(0, 10))
def test_an_estimate_stays_near_its_own_runs(parent: float, mean: float, n: int, sd: float, tau: float) -> None:
    belief = posterior(Belief(parent, sd * sd), mean, n, sd, tau)
    assert abs(belief.m - mean) <= sd / n**0.5 * (1 + 1e-9) + 1e-9
    assert min(parent, mean) - 1e-9 <= belief.m <= max(parent, mean) + 1e-9
    assert belief.v <= sd * sd / n * (1 + 1e-9)
