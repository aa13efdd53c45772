"""What a factorial says: against a published example, against least squares of scipy, and against what must hold."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from swarm.research.factorial import Analysis, Cell, analyse, design

# Box, Hunter & Hunter, Statistics for Experimenters (2nd ed.), the pilot plant: temperature, concentration, catalyst;
# yields in standard order, two runs each, s² = 8 pooled over the pairs
YIELDS = (60, 72, 54, 68, 52, 83, 45, 80)
EFFECTS = {"T": 23.0, "C": -5.0, "K": 1.5, "TC": 1.5, "TK": 10.0, "CK": 0.0}


def pilot() -> Analysis:
    cells = [Cell((n & 1, n >> 1 & 1, n >> 2 & 1), y, 2) for n, y in enumerate(YIELDS)]
    return analyse([2, 2, 2], cells, math.sqrt(8))


def test_the_pilot_plant_of_the_textbook() -> None:
    found = pilot()
    main = [m.change for m in found.main]
    assert [e.value for e in main if e] == pytest.approx([EFFECTS["T"], EFFECTS["C"], EFFECTS["K"]])
    assert [p.effect.value for p in found.pairs] == pytest.approx(
        [EFFECTS["TC"], EFFECTS["TK"], EFFECTS["CK"]], abs=1e-9
    )
    assert [p.factors for p in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    errors = {round(e.se, 6) for e in main if e} | {round(p.effect.se, 6) for p in found.pairs}
    assert errors == {round(math.sqrt(2), 6)}, "1.4 in the book"
    assert [p.sure for p in found.pairs] == [False, True, False]


def against_scipy(counts: list[int], cells: list[Cell]) -> dict[tuple[int, int], float]:
    """Main effects by a design matrix of our own making and scipy's least squares: (factor, level) → against the mean."""
    columns: list[tuple[tuple[int, int], ...]] = [()]
    single = [[(f, level) for level in range(n - 1)] for f, n in enumerate(counts)]
    columns += [(c,) for factor in single for c in factor]
    columns += [pair for a, b in itertools.combinations(single, 2) for pair in itertools.product(a, b)]

    def coded(f: int, wanted: int, level: int) -> float:
        return -1.0 if level == counts[f] - 1 else float(level == wanted)

    matrix = np.array([[math.prod(coded(f, w, c.levels[f]) for f, w in name) for name in columns] for c in cells])
    root = np.sqrt([c.n for c in cells])
    beta = linalg.lstsq(matrix * root[:, None], np.array([c.mean for c in cells]) * root)[0]
    said = {name[0]: b for name, b in zip(columns, beta, strict=True) if len(name) == 1}
    return said | {(f, n - 1): -sum(said[f, w] for w in range(n - 1)) for f, n in enumerate(counts)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_main_effects_are_those_of_least_squares(counts: list[int], dice: object) -> None:
    rng = np.random.default_rng(dice.getrandbits(32))  # type: ignore[attr-defined]
    cells = [Cell(levels, float(rng.normal()), int(rng.integers(1, 4))) for levels in design(counts)]
    if len(counts) > 1 and len(cells) > 6:
        cells = cells[:-1]  # one is missing, and all is still known
    matrix_wants = 1 + sum(n - 1 for n in counts) + sum((a - 1) * (b - 1) for a, b in itertools.combinations(counts, 2))
    found = analyse(counts, cells, 0.1)
    if matrix_wants > len(cells):
        return
    wanted = against_scipy(counts, cells)
    for f, main in enumerate(found.main):
        for level, effect in enumerate(main.levels):
            if effect is not None:
                assert effect.value == pytest.approx(wanted[f, level], abs=1e-6)


def test_standard_errors_are_those_of_least_squares() -> None:
    """Unequal runs: (XᵀWX)⁻¹ σ² by numpy."""
    runs = [1, 3, 2, 5]
    cells = [Cell(levels, 0.0, n) for levels, n in zip(design([2, 2]), runs, strict=True)]
    found = analyse([2, 2], cells, 0.3)
    x = np.array([[1, a, b, a * b] for a, b in itertools.product((1, -1), repeat=2)])
    inverse = np.linalg.inv(x.T @ np.diag(runs) @ x)
    assert found.main[0].change is not None
    assert found.main[0].change.se == pytest.approx(0.3 * 2 * math.sqrt(inverse[1, 1]))
    assert found.pairs[0].effect.se == pytest.approx(0.3 * 2 * math.sqrt(inverse[3, 3]))


def test_one_cell_missing_of_four_leaves_the_factors_and_takes_the_pair() -> None:
    cells = [Cell((0, 0), 1.0, 1), Cell((0, 1), 2.0, 1), Cell((1, 0), 4.0, 1)]
    found = analyse([2, 2], cells, 0.1)
    assert [m.change.value for m in found.main if m.change] == pytest.approx([3.0, 1.0])
    assert found.pairs == ()


def test_what_cannot_be_told_apart_is_not_told() -> None:
    """Both factors move together: nobody knows which it was."""
    found = analyse([2, 2], [Cell((0, 0), 1.0, 1), Cell((1, 1), 2.0, 1)], 0.1)
    assert [m.change for m in found.main] == [None, None]
    assert [e for m in found.main for e in m.levels if e] == []


def test_a_level_without_any_cell_is_left_out() -> None:
    cells = [Cell((a, b), a + 10.0 * b, 1) for a, b in itertools.product((0, 2), (0, 1))]
    found = analyse([3, 2], cells, 0.1)
    first = found.main[0]
    assert first.levels[1] is None
    assert [e.value for e in first.levels if e] == pytest.approx([-1.0, 1.0])
    assert found.main[1].change is not None
    assert found.main[1].change.value == pytest.approx(10.0)


def test_more_levels_are_told_against_their_mean_and_pairs_where_they_are_clearest() -> None:
    cells = [Cell((a, b), (0.0, 1.0, 5.0)[a] + (3.0 if (a, b) == (2, 1) else 0.0), 1) for a, b in design([3, 2])]
    found = analyse([3, 2], cells, 0.01)
    assert [e.value for e in found.main[0].levels if e] == pytest.approx([-2.5, -1.5, 4.0])
    [pair] = found.pairs
    assert pair.at[0] == 2
    assert abs(pair.effect.value) == pytest.approx(1.0)
    assert pair.sure


def test_pairs_of_too_many_levels_are_not_looked_at_and_the_rest_is() -> None:
    counts = [16, 32, 1]
    cells = [Cell(levels, float(levels[0]), 1) for levels in design(counts)]
    found = analyse(counts, cells, 0.1)
    assert found.pairs == ()
    assert [e.value for e in found.main[0].levels if e] == pytest.approx([n - 7.5 for n in range(16)])


def test_nothing_measured_says_nothing() -> None:
    found = analyse([2, 3], [], 0.1)
    assert (found.best, found.pairs, found.cells) == (None, (), ())
    assert [len(m.levels) for m in found.main] == [2, 3]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(2, 3), min_size=1, max_size=4),
    st.sampled_from([0.0, 1e-9, 0.001, 1.0]),
    st.randoms(use_true_random=False),
)
def test_whatever_is_missing_and_however_little_noise_all_numbers_are_numbers(
    counts: list[int], sd: float, dice: object
) -> None:
    pick = dice.random  # type: ignore[attr-defined]
    cells = [Cell(levels, round(pick(), 2), 1 + int(3 * pick())) for levels in design(counts) if pick() < 0.7]
    found = analyse(counts, cells, sd)
    effects = [e for m in found.main for e in (*m.levels, m.change) if e] + [p.effect for p in found.pairs]
    assert all(math.isfinite(x) for e in effects for x in (e.value, e.se, e.p))
    assert all(0 <= e.p <= 1 for e in effects)
    assert all(math.isfinite(b.m) and b.v >= 0 for b in found.cells)
    assert (found.best is None) == (not cells)


def test_the_best_of_many_lucky_cells_is_believed_less_than_it_scored() -> None:
    """Sixteen cells without any effect: the winner's curse is taken away, most of it."""
    rng = np.random.default_rng(3)
    raw, shrunk = [], []
    for _ in range(200):
        cells = [Cell(levels, float(rng.normal()), 1) for levels in design([4, 4])]
        found = analyse([4, 4], cells, 1.0)
        assert found.best is not None
        raw.append(min(c.mean for c in cells))
        shrunk.append(found.cells[found.best].m)
    assert float(np.mean(raw)) < -1.6
    assert float(np.mean(shrunk)) > -0.8


def test_one_factor_is_shrunk_too_and_without_noise_nothing_is() -> None:
    cells = [Cell((n,), y, 1) for n, y in enumerate((0.0, 0.1, -0.1, 0.05))]
    noisy = analyse([4], cells, 1.0)
    assert max(abs(b.m) for b in noisy.cells) < 0.05
    exact = analyse([4], cells, 0.0)
    assert [b.m for b in exact.cells] == pytest.approx([c.mean for c in cells])
    assert exact.best == 2


def test_what_is_told_apart_stays_apart() -> None:
    """Effects far beyond the noise are hardly shrunk."""
    cells = [Cell(levels, 10.0 * levels[0] + 7.0 * levels[0] * levels[1], 1) for levels in design([2, 2])]
    found = analyse([2, 2], cells, 0.1)
    assert [b.m for b in found.cells] == pytest.approx([c.mean for c in cells], abs=0.1)
