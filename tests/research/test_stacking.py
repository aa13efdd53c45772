"""Which changes are put together, and how a stack that lost is taken apart."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from swarm.research.stacking import Members, bisect, choose

NAMES = [f"e{n:04d}" for n in range(1, 9)]
SETS = st.frozensets(st.sampled_from(NAMES), min_size=2)


def taken_apart(stack: Members, loses: object) -> tuple[Members, list[Members]]:
    """The culprit, and what was measured on the way."""
    lost: dict[Members, bool] = {}
    for _ in range(200):
        step = bisect(stack, lost)
        if step.culprit is not None:
            assert step.ask is None
            return step.culprit, list(lost)
        assert step.ask is not None
        assert step.ask < stack, "every step is smaller"
        assert step.ask, "nothing is not measured"
        assert step.ask not in lost, "nothing is measured twice"
        lost[step.ask] = loses(step.ask)  # type: ignore[operator]
    raise AssertionError("it does not come to an end")


@given(SETS, st.data())
def test_the_fewest_that_lose_together_are_named(stack: Members, data: st.DataObject) -> None:
    """A set loses when it holds the culprit: whatever that is, it is found exactly."""
    culprit = data.draw(st.frozensets(st.sampled_from(sorted(stack)), min_size=1))
    found, asked = taken_apart(stack, lambda members: culprit <= members)
    assert found == culprit
    assert len(asked) <= 4 * len(stack) * max(1, len(stack).bit_length())


@given(SETS, st.randoms(use_true_random=False))
def test_whatever_the_measurements_say_it_ends_and_names_what_lost(stack: Members, dice: object) -> None:
    said: dict[Members, bool] = {stack: True}

    def loses(members: Members) -> bool:
        said[members] = dice.random() < 0.5  # type: ignore[attr-defined]
        return said[members]

    found, _ = taken_apart(stack, loses)
    assert found <= stack
    assert said[found], "what is named did lose"


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), SETS)
def test_effects_that_are_a_sum_come_to_an_end_too(effects: list[float], stack: Members) -> None:
    worth = dict(zip(NAMES, effects, strict=True))
    if sum(worth[m] for m in stack) < 0:
        return
    found, _ = taken_apart(stack, lambda members: sum(worth[m] for m in members) >= 0)
    assert sum(worth[m] for m in found) >= 0


CANDIDATES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from("abcd")), unique_by=lambda c: c[0])


@given(CANDIDATES, st.frozensets(st.sampled_from(NAMES)), st.lists(SETS, max_size=3))
def test_a_choice_is_of_different_agents_and_new(
    candidates: list[tuple[str, str]], held: frozenset[str], culprits: list[Members]
) -> None:
    tried: dict[Members, bool | None] = {}
    author = dict(candidates)
    for _ in range(len(candidates) + 2):
        found = choose(candidates, held, tried, culprits)
        if not found:
            break
        members = frozenset(found)
        assert len(found) == len(members) >= 2
        assert len({author[m] for m in found}) == len(found)
        assert not members & held
        assert members not in tried
        assert not any(c <= members for c in culprits)
        tried[members] = True
    assert not choose(candidates, held, tried, culprits)


def test_the_most_promising_come_first_one_of_each_agent() -> None:
    candidates = [("e0005", "a"), ("e0004", "a"), ("e0003", "b"), ("e0002", "c")]
    assert choose(candidates, (), {}) == ["e0005", "e0003", "e0002"]
    assert choose(candidates, ("e0005",), {}) == ["e0004", "e0003", "e0002"]
    assert choose(candidates, (), {}, most=2) == ["e0005", "e0003"]


def test_no_part_of_what_won_or_is_measured_now() -> None:
    candidates = [("e0001", "a"), ("e0002", "b"), ("e0003", "c")]
    whole = frozenset(["e0001", "e0002", "e0003"])
    for known in (False, None):
        assert choose(candidates, (), {whole: known}) == []
    assert choose(candidates, (), {whole: True}) == ["e0002", "e0003"]
    assert choose(candidates, (), {whole: True}, [frozenset(["e0002"])]) == ["e0001", "e0003"]


def test_of_one_agent_or_alone_there_is_no_stack() -> None:
    assert choose([("e0001", "a"), ("e0002", "a")], (), {}) == []
    assert choose([("e0001", "a")], (), {}) == []
    assert choose([], (), {}) == []


def test_a_pair_costs_two_measurements_and_a_single_one() -> None:
    stack = frozenset(["e0001", "e0002"])
    assert taken_apart(stack, lambda m: m == stack) == (stack, [frozenset(["e0001"]), frozenset(["e0002"])])
    assert taken_apart(stack, lambda m: "e0001" in m) == (frozenset(["e0001"]), [frozenset(["e0001"])])
    assert [len(c) for c in itertools.chain([stack])] == [2]
