"""Constants by name: found by AST, put in by text, nothing else touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.constants import changes, constants, kind_of, merge, with_values

SOURCE = '''"""Ünïcode first."""
import os  # LR = 9
from m import OTHER, THING as RENAMED

LR = 0.04  # näher
WD: float = -0.1
BATCH = 2**17
NAME, B2 = "a", 1
PATTERN = "SSSL"; DEPTH = 8
BETAS = (0.9, 0.95)
DEEP = ((1, 2), 3)
FLAG = True
NOTHING = None
lower = 1
TWICE = 1
TWICE = 2
CALL = int("3")
COUNT = 0
COUNT += 1
A = B = 1
LONG = (
    1,
    2,
)
if os.environ.get("X"):
    LATE = 1
RENAMED = 3


def main():
    INNER = 1
    return LR
'''


def test_what_is_a_constant() -> None:
    found = {c.name: c.value for c in constants(SOURCE).values()}
    assert found == {
        "LR": 0.04, "WD": -0.1, "BATCH": 2**17, "PATTERN": "SSSL", "DEPTH": 8, "BETAS": (0.9, 0.95), "FLAG": True,
        "NOTHING": None, "LONG": (1, 2),
    }  # fmt: skip
    assert constants(SOURCE)["BATCH"].text == "2**17"


def test_values_are_put_in_and_nothing_else_changes() -> None:
    after = with_values(SOURCE, {"LR": "1e-3", "DEPTH": "10", "PATTERN": "'Ü'"})
    assert after == SOURCE.replace("LR = 0.04  # n", "LR = 1e-3  # n").replace("DEPTH = 8", "DEPTH = 10").replace(
        '"SSSL"', "'Ü'"
    )
    assert changes(SOURCE, after) == ["LR 0.04→1e-3", "PATTERN \"SSSL\"→'Ü'", "DEPTH 8→10"]


@pytest.mark.parametrize("text", ["os.system('x')", "1 # so", "1; import os", "1\nimport os", "", "(1", "x", "f'{1}'"])
def test_only_plain_values_are_put_in(text: str) -> None:
    with pytest.raises(ValueError, match="PATTERN"):
        with_values(SOURCE, {"PATTERN": text})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        with_values(SOURCE, {"TWICE": "1"})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks(end: str, mark: str) -> None:
    source = mark + end.join(["A = 1", "S = '''ü", "x'''", "B = 2  # ü", "C = 3"])
    assert {n: c.value for n, c in constants(source).items()} == {"A": 1, "S": "ü\nx", "B": 2, "C": 3}
    assert with_values(source, {"A": "7", "C": "9"}) == source.replace("A = 1", "A = 7").replace("C = 3", "C = 9")


@pytest.mark.parametrize(
    "value", ["1/0", "2.0**99999", "9**9**9", "(-8)**0.5", "1 << 99999", "1j", "b'x'", "{1: 2}", "[[1]]"]
)
def test_what_cannot_be_worked_out_is_no_constant(value: str) -> None:
    assert constants(f"A = {value}\n") == {}


def test_kinds_of_change() -> None:
    assert kind_of("A = 1\nb = 2\n", "A = 3\nb = 2\n") == "const"
    assert kind_of("A = 1\n", "A = 1\n") == "const"
    assert kind_of("A = 1\n", "A = 1  # so\n") == "code"
    assert kind_of("A = 1\n", "A = f()\n") == "code"
    assert kind_of("A = 1\n", "A = 1\nB = 2\n") == "code"
    assert kind_of("A = 1\nB = 2\n", "B = 1\nA = 2\n") == "code"
    assert kind_of("A = (", "A = (1") == "code"


def test_merge_applies_by_name_wherever_the_constant_stands_now() -> None:
    onto = "# moved\nB = 5\n\ndef f():\n    pass\n\nA = 1\n"
    assert merge("A = 1\nB = 2\n", "A = 9\nB = 2\n", onto) == onto.replace("A = 1", "A = 9")


def test_merge_refuses_what_is_no_longer_there_or_went_elsewhere() -> None:
    assert merge("A = 1\n", "A = 2\n", "B = 1\n") is None
    assert merge("A = 1\n", "A = 2\n", "A = 3\n") is None
    assert merge("A = 1\n", "A = 2\nx = 1\n", "A = 1\n") is None
    assert merge("A = 1\n", "A = 2\n", "A = 2\n") == "A = 2\n"


NAMES = st.sampled_from(["A", "LR", "X0", "MATRIX_LR", "D_2"])
VALUES = st.one_of(
    st.integers().map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr), st.booleans().map(repr),
    st.text(st.characters(codec="utf-8"), max_size=5).map(repr), st.tuples(st.integers(), st.integers()).map(repr),
)  # fmt: skip
FILLER = st.sampled_from(["\n", "# ü = 1\n", "def f():\n    A = 1\n", "x = 'LR = 2'\n", "\r\n", "if x:\n    pass\n"])
SOURCES = st.lists(st.tuples(FILLER, NAMES, VALUES), unique_by=lambda t: t[1], min_size=1).map(
    lambda parts: "x = 0\n" + "".join(f"{f}{n} = {v}\n" for f, n, v in parts)
)


@given(SOURCES, st.data())
def test_any_value_can_be_put_in_and_back(source: str, data: st.DataObject) -> None:
    old = {n: c.text for n, c in constants(source).items()}
    new = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(old, VALUES)))
    after = with_values(source, new)
    assert {n: c.text for n, c in constants(after).items()} == {**old, **new}
    assert with_values(after, old) == source
    assert kind_of(source, after) == "const"
    assert merge(source, after, source) == after


@given(SOURCES, st.data())
def test_two_changes_of_different_constants_commute(source: str, data: st.DataObject) -> None:
    names = list(constants(source))
    mine = {n: data.draw(VALUES) for n in names[::2]}
    theirs = {n: data.draw(VALUES) for n in names[1::2]}
    a, b = with_values(source, mine), with_values(source, theirs)
    both = with_values(source, {**mine, **theirs})
    assert merge(source, a, b) == both == merge(source, b, a)


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    assert with_values(text, {n: c.text for n, c in constants(text).items()}) == text
    assert kind_of(text, text + "x") in ("const", "code")
