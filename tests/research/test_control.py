"""The control's share of the slots, and what is compared at equal hours."""

from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from swarm.research.control import Promoted, best_at, compared, due, equal_hours, moment, spent, word
from swarm.research.judging import Belief

seconds = st.floats(0, 1e5, allow_nan=False)
spans = st.lists(st.tuples(seconds, seconds).map(lambda pair: (min(pair), max(pair))), max_size=12)


def test_spent_and_moment_of_two_slots() -> None:
    used = [(0.0, 10.0), (5.0, 10.0)]
    assert spent(used, 5.0) == 5.0 and spent(used, 10.0) == 15.0 == spent(used, math.inf)
    assert moment(used, 5.0) == 5.0 and moment(used, 7.0) == 6.0 and moment(used, 15.0) == 10.0
    assert moment(used, 16.0) is None and moment([], 1.0) is None
    assert moment([(0.0, 1.0), (100.0, 101.0)], 1.5) == 100.5  # nobody worked in between


@given(spans, st.floats(0.001, 1))
def test_so_much_is_spent_at_the_moment_when_so_much_was_spent(used: list[tuple[float, float]], share: float) -> None:
    whole = spent(used, math.inf)
    assume(whole > 1e-3)
    at = moment(used, share * whole)
    assert at is not None and math.isclose(spent(used, at), share * whole, rel_tol=1e-9, abs_tol=1e-6)


@given(spans, seconds, seconds)
def test_spent_grows_and_what_two_use_adds_up(used: list[tuple[float, float]], a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert spent(used, low) <= spent(used, high) + 1e-6
    half = len(used) // 2
    assert math.isclose(spent(used[:half], a) + spent(used[half:], a), spent(used, a), abs_tol=1e-4)


@given(spans, spans)
def test_both_have_used_the_same_at_equal_hours(
    control: list[tuple[float, float]], swarm: list[tuple[float, float]]
) -> None:
    found = equal_hours(control, swarm)
    if found is None:
        assert min(spent(control, math.inf), spent(swarm, math.inf)) == 0
        return
    used, mine, theirs = found
    assert math.isclose(spent(control, mine), used, rel_tol=1e-9, abs_tol=1e-4)
    assert math.isclose(spent(swarm, theirs), used, rel_tol=1e-9, abs_tol=1e-4)
    back = equal_hours(swarm, control)
    assert back is not None and back[0] == used  # neither side is the measure


def test_what_was_best_then_counts_and_what_was_taken_back_later_too() -> None:
    history = [Promoted("e2", 10.0, 30.0), Promoted("e3", 20.0, None)]
    assert [best_at(history, t, "e1") for t in (5.0, 10.0, 20.0, 40.0)] == ["e1", "e2", "e3", "e3"]
    assert best_at([Promoted("e2", 10.0, 30.0)], 31.0, "e1") == "e1"


def test_the_same_experiment_is_no_better_than_itself() -> None:
    same = ("e1", Belief(1.0, 0.01))
    assert compared(10.0, same, same).p == 0.5 and word(0.5) == "none"
    better = compared(10.0, ("e2", Belief(1.0, 1e-6)), ("e3", Belief(0.9, 1e-6)))
    assert better.p > 0.99 and word(better.p) == "swarm" and word(1 - better.p) == "control"


@given(st.floats(0.01, 0.5), st.integers(1, 16), st.lists(st.floats(1, 500), min_size=5, max_size=60))
def test_the_share_is_never_passed_by_more_than_a_run(share: float, slots: int, runs: list[float]) -> None:
    """Slots are given away one after the other as they come free; the control takes each that is its due."""
    typical, its, others = max(runs), 0.0, 0.0
    for seconds in runs * 3:
        if due(its, 0.0, its + others, share):
            its += seconds
        else:
            others += seconds
        assert its <= share * (its + others) + typical
    assert its + others == 0 or share * (its + others) - its <= typical + 1e-6 * typical


def test_nothing_is_due_without_a_share() -> None:
    assert not due(0.0, 0.0, 100.0, 0.0)
    assert due(0.0, 0.0, 100.0, 0.1) and not due(0.0, 10.0, 100.0, 0.1)
