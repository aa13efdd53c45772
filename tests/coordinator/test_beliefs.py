"""Estimates are renewed where a run moves them: the same as if all had been computed anew."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.coordinator import beliefs as module
from swarm.coordinator.beliefs import Beliefs, Rules
from swarm.research.judging import Belief

RUNS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 1), st.integers(-40, 40), st.integers(1, 5)), max_size=40)


def parent(number: int) -> str | None:
    """A tree with long and short branches."""
    return None if number == 0 else f"e{(number - 1) // 2 if number % 3 else number - 1}"


def fed(rows: list[tuple[int, int, int, int]], look: bool, rules: Rules) -> Beliefs:
    found = Beliefs(rules)
    stored: dict[int, dict[str, Belief]] = {0: {}, 1: {}}
    for number, klass, loss, seed in rows:
        found.add(f"e{number}", parent(number), number, klass, loss / 10, seed, "const")
        if look:
            found.of(f"e{number}", klass)
            found.changed(klass, stored[klass])
    return found


@settings(max_examples=40, deadline=None)
@given(RUNS, st.sampled_from(["auto", "on", "off"]), st.floats(0, 0.01))
def test_as_if_computed_anew(rows: list[tuple[int, int, int, int]], paired: str, guess: float) -> None:
    rules = Rules(guess=guess, paired=paired)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOVED", 0.0)
        patch.setattr(module, "ALIKE", 0.0)
        step, whole = fed(rows, True, rules), fed(rows, False, rules)
        for number in range(12):
            for klass in (0, 1):
                a, b = step.of(f"e{number}", klass), whole.of(f"e{number}", klass)
                assert (a is None) == (b is None)
                if a is not None and b is not None:
                    assert a.m == pytest.approx(b.m, abs=1e-6)
                    assert a.v == pytest.approx(b.v, abs=1e-6)


def test_a_link_that_was_not_measured_hands_down_what_is_above_it_whoever_asks_first() -> None:
    def made() -> Beliefs:
        found = Beliefs()
        for seed, loss in enumerate((1.00, 1.02, 0.98)):
            found.add("e1", None, 1, 0, loss, seed)
        found.add("e2", "e1", 2, 1, 0.5, 9, "const")  # in another class only
        found.add("e3", "e2", 3, 0, 0.97, 10, "const")
        return found

    asked, plain = made(), made()
    assert asked.of("e2", 0) is None
    assert asked.of("e3", 0) == plain.of("e3", 0)
    assert plain.of("e3", 0) != Belief(0.97, plain.noise(0).sd ** 2)


def test_a_first_run_renews_one_estimate_only() -> None:
    found = Beliefs()
    rng = random.Random(1)
    for seed in range(3):
        found.add("e0", None, 0, 0, 1 + rng.gauss(0, 0.1), seed)
    for n in range(1, 50):
        found.add(f"e{n}", f"e{n - 1}", n, 0, 1 + rng.gauss(0, 0.1), 10 + n, "const")
    stored: dict[str, Belief] = {}
    assert len(found.changed(0, stored)) == 50
    found.add("e50", "e3", 50, 0, 1.0, 99, "const")
    assert found.classes[0].stale == {"e50"}
    assert [name for name, _ in found.changed(0, stored)] == ["e50"]


def test_a_class_that_ran_once_is_as_noisy_as_the_other_one() -> None:
    found = Beliefs()
    for seed, loss in enumerate((1.00, 1.04, 0.96, 1.01)):
        found.add("e0", None, 0, 0, loss, seed)
    found.add("e0", None, 0, 1, 0.9, 9)
    assert found.noise(1).sd == pytest.approx(found.noise(0).sd)
    assert found.noise(1).df == 0


def test_effects_are_fitted_when_enough_was_judged() -> None:
    found = Beliefs()
    rng = random.Random(2)
    for seed in range(6):
        found.add("e0", None, 0, 0, rng.gauss(0, 1), seed)
    for n in range(1, 30):
        found.add(f"e{n}", "e0", n, 0, rng.gauss(0, 1), 10 + n, "code" if n % 9 == 0 else "const")
        assert found.refit() == (n in (20, 22, 25, 28))
    assert set(found.effects) == {"", "const"}  # too few of code's own
    assert found.prior("code") is found.effects[""]
    assert not Beliefs(Rules(fitted=False)).refit()


@given(st.integers(-5, 5), st.integers(1, 50))
def test_moved_and_scaled_scores_are_believed_alike(shift: int, scale: int) -> None:
    """Without the guess of the noise, which is a share of the score."""
    rng = random.Random(3)
    rows = [("e0", None, 0, rng.gauss(0, 1), s) for s in range(4)]
    rows += [(f"e{n}", f"e{n - 1}", n, rng.gauss(0, 1), 9 + n) for n in range(1, 8)]
    one, other = Beliefs(Rules(guess=0.0)), Beliefs(Rules(guess=0.0))
    for ident, above, bound, loss, seed in rows:
        one.add(ident, above, bound, 0, loss, seed, "const")
        other.add(ident, above, bound, 0, scale * loss + shift, seed, "const")
    for n in range(8):
        a, b = one.of(f"e{n}", 0), other.of(f"e{n}", 0)
        assert a is not None
        assert b is not None
        assert scale * a.m + shift == pytest.approx(b.m)
        assert scale * scale * a.v == pytest.approx(b.v)
