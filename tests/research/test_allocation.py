"""What to measure again: the published formula, and that it looks where it matters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from swarm.research.allocation import Option, again, gradients, surprise

OPTIONS = st.lists(
    st.builds(Option, st.text("abc", min_size=1, max_size=3), st.integers(-50, 50).map(float), st.floats(0, 9), st.floats(1e-3, 9),
              st.integers(1, 12)), max_size=8)  # fmt: skip


def option(ident: str, m: float, v: float, n: int = 1, expected: float | None = None) -> Option:
    return Option(ident, m, v, 1.0, n, expected)


def test_the_gradient_is_the_expected_fall_of_the_lowest_mean() -> None:
    """By integration over what one more run of each could say."""
    options = [option("a", 0.0, 0.5), option("b", 0.3, 1.0), option("c", 2.0, 0.2)]
    for i, found in enumerate(gradients(options)):
        o = options[i]
        rest = min(x.m for x in options if x is not o)
        spread = math.sqrt(o.v**2 / (o.v + o.error))
        fall = integrate.quad(lambda z: min(o.m + spread * z, rest) * stats.norm.pdf(z), -9, 9, limit=400)[0]  # noqa: B023
        assert found == pytest.approx(min(x.m for x in options) - fall, abs=1e-6)


def test_the_closest_and_the_least_certain_rival_comes_first() -> None:
    assert again([option("best", 0.0, 0.1), option("near", 0.1, 1.0), option("far", 9.0, 1.0)], 12) == "near"
    assert again([option("best", 0.0, 0.1), option("sure", 0.1, 0.01), option("vague", 0.1, 1.0)], 12) == "vague"


def test_what_is_settled_is_worth_no_run() -> None:
    assert again([option("best", 0.0, 0.05), option("worse", 9.0, 0.05)], 12) is None
    assert again([option("best", 0.0, 1.0)], 12) is None
    assert again([], 12) is None


def test_nothing_is_measured_for_ever() -> None:
    assert again([option("a", 0.0, 1.0, 12), option("b", 0.0, 1.0, 12)], 12) is None


def test_a_claim_that_nobody_expected_is_looked_at_once() -> None:
    claims = [option("best", 0.0, 0.05, 5), option("odd", 9.0, 0.05, 1, expected=-9.0)]
    assert surprise(claims[1]) > 3
    assert again(claims, 12) == "odd"
    assert again([claims[0], option("odd", 9.0, 0.05, 2, expected=-9.0)], 12) is None


@given(OPTIONS)
def test_a_gradient_is_never_below_nothing(options: list[Option]) -> None:
    found = gradients(options)
    assert len(found) == len(options)
    assert all(g >= 0 and math.isfinite(g) for g in found)


@given(OPTIONS, st.integers(-99, 99), st.integers(1, 99))
def test_place_scale_and_order_change_nothing(options: list[Option], shift: int, scale: int) -> None:
    named = [Option(f"{i}", o.m, o.v, o.error, o.n) for i, o in enumerate(options)]
    moved = [Option(o.ident, scale * o.m + shift, scale**2 * o.v, scale**2 * o.error, o.n) for o in named]
    before, after = gradients(named), gradients(moved[::-1])[::-1]
    assert [scale * g for g in before] == pytest.approx(after, rel=1e-5, abs=1e-6)
