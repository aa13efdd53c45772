"""A plateau, and the program that comes next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.research.judging import Belief
from swarm.research.plateau import flat, gained, next_program, window

names = st.lists(st.sampled_from("abcdef"), max_size=6)


def test_less_than_the_noise_is_flat() -> None:
    assert flat(gained(Belief(1.0, 0), Belief(0.999, 0)), 0.0015)
    assert not flat(gained(Belief(1.0, 0), Belief(0.998, 0)), 0.0015)
    assert flat(gained(Belief(1.0, 0), Belief(1.1, 0)), 1e-6)  # best was withdrawn: no gain either
    assert window(20, 8) == 160 and window(20, 0) == 20 and window(0, 8) == 0


def test_in_turn() -> None:
    assert [next_program(["a", "b", "c"], now) for now in ("a", "b", "c", "x", None)] == ["b", "c", "a", "a", "a"]
    assert next_program(["a"], "a") is None and next_program([], "a") is None


@given(names, st.sampled_from("abcdefx"))
def test_another_one_and_all_of_them_before_the_first_again(choices: list[str], now: str) -> None:
    found = next_program(choices, now)
    assert (found is None) == (set(choices) <= {now})
    if found is None:
        return
    assert found in choices and found != now
    if now in choices:
        round_trip = [now]
        while (at := next_program(choices, round_trip[-1])) not in (None, now):
            round_trip.append(str(at))
        assert sorted(round_trip) == sorted(set(choices))
