"""What is typed after `swarm grid`."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research import grid

SOURCE = 'LR = 0.02\nDEPTH = 8\nPATTERN = "SSSL"\nBETAS = (0.9, 0.95)\n\n\ndef f():\n    return LR\n'


def test_constants_and_experiments() -> None:
    assert grid.read(["LR=.01,.02", " DEPTH = 6, 8 "]) == {"LR": [".01", ".02"], "DEPTH": ["6", "8"]}
    assert grid.read(["e0012", " best"]) == ["e0012", "best"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2", ["1", "2"]),
        ("(0.9, 0.95), (0.8, 0.9)", ["(0.9, 0.95)", "(0.8, 0.9)"]),
        ("'a,b',\"c\"", ["'a,b'", '"c"']),
        ("", [""]),
        ("1,,2", ["1", "", "2"]),
    ],
)
def test_values_are_split_at_outer_commas(text: str, parts: list[str]) -> None:
    assert grid.split(text) == parts


@given(st.lists(st.text("()[]\"',=AB12. -", max_size=12), max_size=4))
def test_any_words_are_read_or_refused_with_a_sentence(words: list[str]) -> None:
    with contextlib.suppress(ValueError):
        asked = grid.read(words)
        if isinstance(asked, dict):
            assert all(len(f.levels) >= 2 for f in grid.factors(asked, SOURCE))


def test_what_is_as_today_is_known_whatever_it_is_written_like() -> None:
    [lr, depth] = grid.factors({"LR": ["2e-2", ".04"], "DEPTH": ["4", "6"]}, SOURCE)
    assert (lr.levels, lr.today) == (("0.02", ".04"), 0)
    assert (depth.levels, depth.today) == (("4", "6"), None)
    assert not [same for _, same in grid.cells([lr, depth]) if same]
    [depth] = grid.factors({"DEPTH": ["8", "6"]}, SOURCE)
    assert grid.cells([lr, depth]) == [((0, 0), True), ((0, 1), False), ((1, 0), False), ((1, 1), False)]
    assert grid.size([lr, depth]) == 4


def test_a_word_for_a_text_needs_no_quotes() -> None:
    [pattern] = grid.factors({"PATTERN": ["SSSL", "SL", "'L'"]}, SOURCE)
    assert (pattern.levels, pattern.today) == (('"SSSL"', "'SL'", "'L'"), 0)


def test_tuples_are_values() -> None:
    [betas] = grid.factors({"BETAS": ["(0.9, 0.95)", "(0.8, 0.95)"]}, SOURCE)
    assert betas.today == 0


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"RL": ["1", "2"]}, "RL is no constant"),
        ({"DEPTHS": ["1", "2"]}, "There is DEPTH"),
        ({"LR": ["1"]}, "LR needs two values"),
        ({"LR": ["1", "1.0"]}, "there twice"),
        ({"LR": ["1", "f()"]}, "not a plain value"),
        ({"LR": ["1", "2 # x"]}, "not a plain value"),
        ({"LR": ["1", "2\nDEPTH = 3"]}, "not a plain value"),
        ({"LR": [str(n) for n in range(33)]}, "33 values are too many"),
    ],
)
def test_what_is_wrong_is_said(asked: dict[str, list[str]], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        grid.factors(asked, SOURCE)


def test_more_factors_than_fit_are_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="10 at once"):
        grid.read([f"A{n}=1,2" for n in range(10)])


def test_cells_in_words() -> None:
    changes = grid.changes(["e0001", "e0002"])
    assert [grid.told(changes, levels) for levels, _ in grid.cells(changes)] == [
        "none of them", "e0002", "e0001", "e0001 + e0002",
    ]  # fmt: skip
    factors = grid.factors({"LR": ["0.02", ".04"], "DEPTH": ["8", "6"]}, SOURCE)
    assert grid.told(factors, (1, 1)) == "LR=.04 DEPTH=6"
    with pytest.raises(ValueError, match="nothing to be put together"):
        grid.changes(["e0001"])
