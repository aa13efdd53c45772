"""The prior of effects: against numerical integration, and never so strict that nothing could be found any more."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from swarm.research.effects import ENOUGH, Effects, Part, believe, fit, plain, read

PRIOR = Effects((Part(0.5, 0, 0.0), Part(0.3, -1, 1.0), Part(0.2, 1, 2.0)), 30)
SEEN = st.tuples(st.floats(-50, 50), st.floats(1e-3, 10))


@pytest.mark.parametrize(("d", "v"), [(-1.0, 0.5), (0.3, 0.2), (-4.0, 1.0), (3.0, 0.3), (0.0, 1.0)])
def test_the_posterior_is_the_integral(d: float, v: float) -> None:
    def density(t: float) -> float:
        before = 0.3 * 2 * stats.norm.pdf(t, 0, 1) if t < 0 else 0.2 * 2 * stats.norm.pdf(t, 0, 2)
        return float(before * stats.norm.pdf(d, t, math.sqrt(v)))

    gain = integrate.quad(density, -12, 0, limit=200)[0]
    harm = integrate.quad(density, 0, 20, limit=200)[0]
    null = 0.5 * stats.norm.pdf(d, 0, math.sqrt(v))
    whole = gain + harm + null
    mean = (
        integrate.quad(lambda t: t * density(t), -12, 0)[0] + integrate.quad(lambda t: t * density(t), 0, 20)[0]
    ) / whole
    found = believe(PRIOR, d, v)
    assert found.gain == pytest.approx(gain / whole, abs=1e-6)
    assert found.null == pytest.approx(null / whole, abs=1e-6)
    assert found.m == pytest.approx(mean, abs=1e-6)
    assert found.better == pytest.approx((gain + null / 2) / whole, abs=1e-6)


def test_mean_and_spread_of_the_prior() -> None:
    half = math.sqrt(2 / math.pi)
    assert PRIOR.null == 0.5
    assert PRIOR.mu == pytest.approx(-0.3 * half + 0.2 * 2 * half)
    assert PRIOR.tau == pytest.approx(math.sqrt(0.3 + 0.8 - PRIOR.mu**2))


@given(SEEN)
def test_shrunk_towards_nothing_and_finite_however_far_out(seen: tuple[float, float]) -> None:
    found = believe(PRIOR, *seen)
    assert abs(found.m) <= abs(seen[0]) + 4 * math.sqrt(seen[1])
    assert 0 <= found.gain <= 1
    assert 0 <= found.null <= 1
    assert math.isfinite(found.v)


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(1e-2, 10))
def test_what_looks_better_is_believed_to_be(a: float, b: float, v: float) -> None:
    low, high = sorted((a, b))
    assert believe(PRIOR, low, v).m <= believe(PRIOR, high, v).m + 1e-9
    assert believe(PRIOR, low, v).gain >= believe(PRIOR, high, v).gain - 1e-9


def test_a_great_find_is_not_shrunk_away() -> None:
    rng = random.Random(1)
    prior = fit([(rng.gauss(0, 1), 1.0) for _ in range(99)] + [(-40.0, 1.0)])
    assert prior is not None
    assert believe(prior, -40.0, 1.0).m < -39
    assert believe(prior, -40.0, 1.0).gain > 0.99


def test_what_was_drawn_is_found_again() -> None:
    """A third gains, a third does nothing, a third harms."""
    rng = random.Random(2)
    draw = (lambda: -rng.expovariate(0.5), lambda: 0.0, lambda: rng.expovariate(0.2))
    seen = [(draw[i % 3]() + rng.gauss(0, 0.5), 0.25) for i in range(300)]
    prior = fit(seen)
    assert prior is not None
    assert prior.null == pytest.approx(1 / 3, abs=0.15)
    assert prior.mu == pytest.approx(1.0, abs=0.4)
    kept = [believe(prior, *s).gain for s in seen[::3]]
    assert sum(kept) / len(kept) > 0.6


def test_the_sum_of_the_posteriors_is_how_many_are_real() -> None:
    rng = random.Random(3)
    true, said, neutral = 0, 0.0, 0.0
    for _ in range(10):
        effects = [rng.choice((0.0, 0.0, -rng.expovariate(0.7), rng.expovariate(0.3))) for _ in range(200)]
        seen = [(t + rng.gauss(0, 1), 1.0) for t in effects]
        prior = fit(seen)
        assert prior is not None
        for t, s in zip(effects, seen, strict=True):
            if s[0] < 0:  # kept
                neutral += stats.norm.cdf(-s[0])
                true, said = true + (t < 0), said + believe(prior, *s).gain
    assert said == pytest.approx(true, rel=0.25)
    assert abs(said - true) < 0.5 * abs(neutral - true)


def test_too_few_or_without_noise_fits_nothing() -> None:
    assert fit([(1.0, 1.0)] * (ENOUGH - 1)) is None
    assert fit([(1.0, 0.0)] * 100) is None
    assert fit([(math.nan, 1.0)] * 100) is None


def test_gains_are_never_ruled_out() -> None:
    prior = fit([(5.0, 1.0)] * 200)
    assert prior is not None
    assert believe(prior, -4.0, 1.0).gain > 0.5


@settings(max_examples=25, deadline=None)
@given(st.lists(SEEN, min_size=ENOUGH, max_size=40), st.integers(1, 1000).map(lambda i: i / 10))
def test_the_scale_of_the_scores_changes_nothing(seen: list[tuple[float, float]], scale: float) -> None:
    one, other = fit(seen), fit([(scale * d, scale * scale * v) for d, v in seen])
    assert one is not None
    assert other is not None
    d, v = seen[0]
    assert believe(one, d, v).gain == pytest.approx(believe(other, scale * d, scale * scale * v).gain, abs=1e-3)


def test_written_and_read_again() -> None:
    assert read(plain(PRIOR)) == PRIOR
    assert plain(None) is None
    assert read({"real": 3.0}) is None
