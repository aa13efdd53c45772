"""The ranges a tuner searches, and what it writes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.agents.proposing import propose
from swarm.agents.space import Dim, around, placed, space
from swarm.errors import SwarmError
from swarm.research.constants import Constant, constants, with_values
from swarm.research.constraints import broken, one


def dim(line: str) -> Dim | None:
    return around(next(iter(constants(line).values())))


def must(line: str) -> Dim:
    found = dim(line)
    assert found is not None
    return found


LINES = st.one_of(
    st.floats(1e-12, 1e6).map(lambda v: f"MATRIX_LR = {v!r}"),
    st.floats(-1e3, -1e-6).map(lambda v: f"SHIFT = {v!r}"),
    st.floats(0, 1).map(lambda v: f"WARMUP_RATIO = {v!r}"),
    st.floats(0, 1).map(lambda v: f"ADAM_BETA1 = {v!r}"),
    st.integers(1, 1 << 22).map(lambda v: f"TOTAL_BATCH_SIZE = {v}"),
    st.integers(3, 22).map(lambda v: f"TOTAL_BATCH_SIZE = 2 ** {v}"),
    st.booleans().map(lambda v: f"TIED = {v}"),
    st.just("WEIGHT_DECAY = 0.0"),
)


@given(LINES, st.floats(0, 1))
def test_every_position_is_a_text_that_reads_back_as_itself(line: str, part: float) -> None:
    d = must(line)
    at = d.low + part * (d.high - d.low)
    text = d.text(round(at) if d.whole else at)
    read = constants(f"{d.name} = {text}")[d.name]
    before = next(iter(constants(line).values()))
    assert type(read.value) is type(before.value)
    again = d.position(read.value)
    if again is not None:  # a rounded end may lie a hair outside
        assert d.text(again) == text


@given(LINES)
def test_the_value_of_now_lies_inside_its_range(line: str) -> None:
    d = must(line)
    assert d.low <= d.now <= d.high
    assert d.low < d.high


@given(
    st.floats(1e-9, 1, exclude_max=True),
    st.floats(0, 1),
    st.sampled_from(["X_RATIO", "ADAM_BETA2", "FINAL_FRAC", "MOMENTUM"]),
)
def test_fractions_stay_fractions(value: float, part: float, name: str) -> None:
    d = must(f"{name} = {value!r}")
    assert 0 <= float(d.text(d.low + part * (d.high - d.low))) <= 1


@given(st.floats(1e-9, 1e6))
def test_a_learning_rate_moves_by_a_factor_of_eight_at_most(value: float) -> None:
    d = must(f"LR = {value!r}")
    assert float(d.text(d.low)) == pytest.approx(value / 8, rel=0.01)
    assert float(d.text(d.high)) == pytest.approx(value * 8, rel=0.01)


def test_powers_of_two_are_doubled_and_written_as_they_were() -> None:
    assert [must("BATCH = 512").text(p) for p in (7, 9, 11)] == ["128", "512", "2048"]
    assert must("BATCH = 2**19").text(18) == "2**18"
    assert must("DEPTH = 2").text(3.0) == "3"


@pytest.mark.parametrize(
    "line", ['WINDOW_PATTERN = "SSSL"', "NOTHING = None", "STEPS = 0", "OFFSET = 0.0", "PAIR = (1, 2)", "BIG = 1e400"]
)
def test_left_alone(line: str) -> None:
    assert dim(line) is None


def test_seeds_and_the_measurement_are_never_touched() -> None:
    found = constants("SEED = 42\nEVAL_TOKENS = 1024\nTIME_BUDGET = 300\nDEVICE_BATCH_SIZE = 64\nMATRIX_LR = 0.04\n")
    assert list(space(found)) == ["MATRIX_LR"]


def test_of_a_pair_only_the_one_that_is_read_here() -> None:
    found = constants("DEPTH = 2\nDEPTH_GPU = 8\nMATRIX_LR = 0.04\n")
    assert list(space(found)) == ["DEPTH", "MATRIX_LR"]
    assert list(space(found, gpu=True)) == ["DEPTH_GPU", "MATRIX_LR"]


def test_a_person_may_say_which_and_how_far() -> None:
    found = constants('A = 1.0\nB = 2.0\nP = "SSSL"\n')
    options = {"only": ["A", "P"], "space": {"A": {"low": 0.5, "high": 2.0}, "P": ["L", "SSSL"]}}
    dims = space(found, options)
    assert list(dims) == ["A", "P"]
    assert (dims["A"].text(dims["A"].low), dims["A"].text(dims["A"].high)) == ("0.5", "2.0")
    assert [dims["P"].text(i) for i in (0, 1)] == ["'L'", "'SSSL'"]
    assert dims["P"].now == 1
    assert list(space(found, {"only": "B"})) == ["B"]


@pytest.mark.parametrize(
    "options", [{"only": 3}, {"space": ["A"]}, {"space": {"A": {"low": 2, "high": 1}}}, {"space": {"A": []}}]
)
def test_options_that_cannot_be_read(options: dict[str, object]) -> None:
    with pytest.raises(SwarmError) as error:
        space({"A": Constant("A", 1.0, "1.0")}, options)
    assert error.value.hint


def test_values_out_of_range_are_left_out() -> None:
    dims = space(constants("A = 1.0\nB = 64\nC = True\n"))
    assert placed(dims, {"A": 100.0, "B": 128, "C": True}) == {"B": 7.0, "C": 1.0}
    assert placed(dims, {"A": "?", "B": 100, "C": 1}) == {}


# --- a person's constraints ---------------------------------------------------------------------------------------

RULES = st.sampled_from([">=", "<=", ">", "<", "==", "!="])
SOURCES = st.sampled_from(
    ["X = 6\n", "X = 2**13\n", "X = 0.04\n", "X_BETA = 0.95\n", "X_RATIO = 0.5\n", "X = 300\n", "X_WD = 0.0\n", "X = True\n",
     "X = -0.5\n", "X_GPU = 8\nX = 2\n"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    SOURCES, RULES, st.integers(-3, 9) | st.floats(-1, 1).map(lambda v: round(v, 2)), st.integers(0, 9), st.booleans()
)
def test_nothing_is_proposed_that_breaks_a_constraint(
    source: str, sign: str, bound: float, seed: int, gpu: bool
) -> None:
    found = constants(source)
    rule = one(f"{next(iter(found)).removesuffix('_GPU')} {sign} {bound!r}")
    assert rule is not None
    dims = space(found, {}, gpu, [rule])
    for dim in dims.values():
        assert dim.low <= dim.now <= dim.high and dim.low < dim.high
        assert dim.position(found[dim.name].value) is not None, "where it is now is always inside"

    def allowed(change: Mapping[str, str]) -> bool:
        return not broken([rule], found, found, constants(with_values(source, change)), gpu)

    change = propose(dims, [], [], set(), seed, allowed)
    assert change is None or allowed(change)


def test_constraints_shape_the_space() -> None:
    found = constants("DEPTH = 8\nLR = 0.04\nBETA = 0.9\nVOCAB = 1024\nBATCH = 64\nSIZE = 4\n")
    texts = ["DEPTH >= 6", "LR <= 0.05", "BETA < 0.95", "VOCAB unchanged", "BATCH in {32, 64, 96}", "SIZE == 4"]
    dims = space(found, {}, False, [rule for text in texts if (rule := one(text))])
    assert sorted(dims) == ["BATCH", "BETA", "DEPTH", "LR"]
    assert float(dims["DEPTH"].text(dims["DEPTH"].low)) >= 6
    assert float(dims["LR"].text(dims["LR"].high)) == pytest.approx(0.05)
    assert float(dims["BETA"].text(dims["BETA"].low)) == pytest.approx(0.95)
    assert dims["BATCH"].choices == (32, 64, 96)
