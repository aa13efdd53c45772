"""When a run that goes on may be given up."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.hopeless import Rule, by_halving, by_median, by_parent, quantile, rungs, why
from swarm.research.noise import Noise

losses = st.floats(0.1, 20)
curves = st.lists(losses, min_size=4, max_size=4).map(lambda y: {0.25 * (n + 1): v for n, v in enumerate(y)})


def test_the_median_rule_is_viziers() -> None:
    """Best so far, 4, against the median of the running averages up to there: 5, 4, 3.5, 3, 2."""
    others = [{0.25: a, 0.5: b, 1.0: 0.0} for a, b in [(6, 4), (5, 3), (4, 3), (4, 2), (3, 1)]]
    assert by_median({0.25: 4.0, 0.5: 4.5}, others, 0.5) == 3.5
    assert by_median({0.25: 3.5, 0.5: 9.0}, others, 0.5) is None  # as good as it is not strictly worse
    assert by_median({0.25: 4.0, 0.5: 4.5}, others[:4], 0.5) is None  # too few to say
    assert by_median({0.25: 4.0, 0.5: 4.5}, others, 0.75) is None  # nobody came there


@given(st.lists(losses, min_size=1, max_size=30))
def test_the_half_of_them_is_the_median(values: list[float]) -> None:
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))


@given(curves, st.lists(curves, min_size=5, max_size=12), st.sampled_from([0.25, 0.5, 0.75]))
def test_a_stricter_rule_ends_what_a_milder_one_ends(
    mine: dict[float, float], others: list[dict[float, float]], mark: float
) -> None:
    if by_median(mine, others, mark, 0.9) is not None:
        assert by_median(mine, others, mark, 0.5) is not None
    if by_halving(mine, others, mark, 2) is not None:
        assert by_halving(mine, others, mark, 4) is not None
    if by_parent(mine, others, mark, Noise(0.5, 7), 6) is not None:
        assert by_parent(mine, others, mark, Noise(0.5, 7), 3) is not None


@given(curves, st.lists(curves, min_size=5, max_size=12))
def test_the_best_of_all_goes_on(mine: dict[float, float], others: list[dict[float, float]]) -> None:
    best = {at: min([loss, *(o[at] for o in others)]) for at, loss in mine.items()}
    assert by_median(best, others, 0.5) is None
    assert by_halving(best, others, 0.5, 3) is None
    assert by_parent(best, others, 0.5, Noise(0.1, 7), 0.5) is None


def test_of_nine_the_best_three_go_on() -> None:
    others = [{0.35: float(n)} for n in (1, 2, 3, 4, 5, 6, 7, 8)]
    assert by_halving({0.35: 2.5}, others, 0.35, 3) is None
    assert by_halving({0.35: 3.5}, others, 0.35, 3) == 3.0


def test_rungs_are_powers() -> None:
    assert rungs(3) == pytest.approx([0.35, 0.15])
    assert rungs(2) == pytest.approx([0.5, 0.25, 0.15, 0.1])
    rule = Rule("halving", 3, 0.3)
    assert [n for n in range(1, 21) if rule.due(n / 20)] == [7]
    assert [n for n in range(1, 21) if Rule("parent", 6, 0.4).due(n / 20)] == list(range(8, 20))


def test_against_the_parent_in_units_of_the_noise() -> None:
    noise = Noise(0.1, 7)
    assert by_parent({0.5: 3.27}, [{0.5: 3.0}], 0.5, noise, 2) is None  # 0.28 = 2 × 0.1 × √2
    assert by_parent({0.5: 3.29}, [{0.5: 3.0}], 0.5, noise, 2) == 3.0
    assert by_parent({0.5: 3.29}, [{0.5: 3.1}, {0.5: 2.9}], 0.5, noise, 2) == 3.0  # two runs of it: 0.245
    assert by_parent({0.5: 9.0}, [{0.25: 3.0}], 0.5, noise, 2) is None
    assert by_parent({0.25: 9.0}, [{0.5: 3.0}], 0.5, noise, 2) is None
    assert by_parent({0.5: 9.0}, [{0.5: 3.0}], 0.5, Noise(0.1, 2), 2) is None


def test_it_says_why() -> None:
    assert (
        why(Rule("parent", 6), 0.4, 3.2149, 2.95) == "ended at 40 % of its budget: loss 3.215 where its parent had 2.95"
    )
    assert "best one in 3" in why(Rule("halving", 3), 0.35, 3.2, 2.9)
    assert "50% of the others" in why(Rule("median", 0.5), 0.3, 3.2, 2.9)
