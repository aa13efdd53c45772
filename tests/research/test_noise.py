"""The spread of repeated runs: against scipy and a published table, and what must hold whatever the numbers."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from swarm.research.noise import FLOOR, Noise, Squares, noise, pooled, squares

SCORES = st.integers(-1000, 1000).map(lambda i: i / 100)
COMMITS = st.lists(st.dictionaries(st.integers(0, 4), st.lists(SCORES, min_size=1, max_size=3), max_size=4), max_size=5)
# Snedecor & Cochran, Statistical Methods (6th ed., 1967, table 10.13.1): calcium in leaves of four turnip plants
TURNIPS = {
    1: [3.28, 3.09, 3.03, 3.03],
    2: [3.52, 3.48, 3.38, 3.38],
    3: [2.88, 2.80, 2.81, 2.76],
    4: [3.34, 3.38, 3.23, 3.26],
}


def summed(commits: list[dict[int, list[float]]]) -> Squares:
    total = Squares()
    for runs in commits:
        total.add(squares(dict(runs)))
    return total


def test_components_of_a_published_table() -> None:
    """One plant stands for a seed: between 0.0723, within 0.0066 (as the book has it)."""
    found = noise(summed([TURNIPS]))
    assert found.seed is not None
    assert found.repeat is not None
    assert found.seed**2 == pytest.approx(0.0724, abs=2e-4)
    assert found.repeat**2 == pytest.approx(0.0066, abs=1e-4)


def test_the_ratio_of_the_squares_is_scipys_f() -> None:
    total = summed([TURNIPS])
    f = (total.between / total.between_df) / (total.within / total.within_df)
    assert f == pytest.approx(stats.f_oneway(*TURNIPS.values()).statistic)


def test_without_repeated_seeds_it_is_the_pooled_variance() -> None:
    groups = [[1.0, 2.0, 3.0], [4.0, 6.0], [9.0]]
    found = pooled(groups)
    assert found.sd == pytest.approx(math.sqrt(sum(np.var(g, ddof=1) * (len(g) - 1) for g in groups if len(g) > 1) / 3))
    assert (found.seed, found.repeat) == (None, None)


def test_many_draws_give_both_terms_back() -> None:
    rng = random.Random(1)
    commits = []
    for _ in range(300):
        value = rng.gauss(0, 5)
        commits.append({s: [value + of_seed + rng.gauss(0, 1) for _ in range(2)] for s in range(3) if (of_seed := rng.gauss(0, 2)) is not None})  # fmt: skip
    found = noise(summed(commits))
    assert found.seed == pytest.approx(2.0, rel=0.1)
    assert found.repeat == pytest.approx(1.0, rel=0.1)
    assert found.sd == pytest.approx(math.sqrt(5), rel=0.1)


def test_a_seed_that_does_nothing_has_no_term_below_nothing() -> None:
    found = noise(summed([{1: [0.0, 2.0], 2: [2.0, 0.0]}]))
    assert found.seed == 0.0
    assert found.sd == found.repeat


def test_two_runs_alike_by_luck_are_not_believed_and_three_are() -> None:
    two, three = noise(summed([{1: [1.0], 2: [1.0]}]), 0.002), noise(summed([{1: [1.0], 2: [1.0], 3: [1.0]}]), 0.002)
    assert not two.exact
    assert two.sd > 0.001
    assert three.exact
    assert 0 < three.sd <= FLOOR


def test_the_same_seed_again_says_nothing_of_other_seeds() -> None:
    assert not noise(summed([{1: [1.0] * 5}]), 0.002).exact
    assert noise(summed([{1: [1.0] * 5}]), 0.002).sd >= 0.001


def test_what_is_noisier_than_guessed_is_believed_at_once() -> None:
    assert noise(summed([{1: [0.0], 2: [1.0], 3: [5.0]}]), 0.002) == noise(summed([{1: [0.0], 2: [1.0], 3: [5.0]}]))


@given(COMMITS, st.one_of(st.just(0.0), st.floats(0.001, 10)))
def test_nothing_is_divided_by_nothing(commits: list[dict[int, list[float]]], guess: float) -> None:
    found = noise(summed(commits), guess)
    assert found.sd > 0
    assert math.isfinite(found.sd)
    assert found.df >= 0
    assert found.sd >= noise(summed(commits)).sd or found.exact


@given(COMMITS, st.integers(-50, 50), st.integers(1, 50), st.randoms(use_true_random=False))
def test_it_moves_with_the_scale_and_not_with_the_place_or_the_order(
    commits: list[dict[int, list[float]]], shift: int, scale: int, order: random.Random
) -> None:
    moved = [{s: [scale * x + shift for x in order.sample(g, len(g))] for s, g in runs.items()} for runs in commits]
    order.shuffle(moved)
    was, now = noise(summed(commits)), noise(summed(moved))
    if was.sd > 1e-3:
        assert now.sd == pytest.approx(scale * was.sd, rel=1e-6)
        assert now.df == pytest.approx(was.df, rel=1e-6)


@given(COMMITS)
def test_what_was_added_can_be_taken_away(commits: list[dict[int, list[float]]]) -> None:
    total = summed(commits)
    extra = squares({1: [1.0], 2: [3.0]})
    total.add(extra)
    total.add(extra, -1)
    assert total.between == pytest.approx(summed(commits).between, abs=1e-9)
    assert total.between_df == summed(commits).between_df


def test_without_any_run() -> None:
    assert noise(Squares()) == Noise(FLOOR, 0.0)
    assert noise(Squares(), 0.3).sd == pytest.approx(0.3)
