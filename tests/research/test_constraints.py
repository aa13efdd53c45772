"""A person's constraints: what is read, what is refused, and that nothing is ever half understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.constants import constants
from swarm.research.constraints import Rules, broken, doubts, one, read

GIVEN = constants('DEPTH = 8\nLR = 0.04\nPATTERN = "SSSL"\nBETAS = (0.8, 0.95)\nTIED = False\nVOCAB = 2**13\n')
NUMBERS = st.integers(-50, 50) | st.floats(-50, 50).map(lambda x: round(x, 3))
PROGRAM = """# Mine

DEPTH >= 100

## Constraints
- DEPTH >= 6
* `LR < 0.1`
1. PATTERN in {"SSSL", "SL"}   # windows
<!-- a remark -->
VOCAB unchanged.

### Also
- BETAS == (0.8, 0.95)
- keep it simple, please

# Ideas
- LR > 5
"""


def after(**values: object) -> list[str]:
    """What a change of the given file to these values breaks of the program."""
    texts = {name: c.text for name, c in GIVEN.items()} | {name: repr(v) for name, v in values.items()}
    changed = constants("".join(f"{name} = {text}\n" for name, text in texts.items()))
    return broken(read(PROGRAM).constraints, GIVEN, GIVEN, changed)


def test_what_stands_under_the_heading() -> None:
    rules = read(PROGRAM)
    assert [rule.text for rule in rules.constraints] == [
        "DEPTH >= 6", "LR < 0.1", 'PATTERN in {"SSSL", "SL"}', "VOCAB unchanged", "BETAS == (0.8, 0.95)",
    ]  # fmt: skip
    assert rules.unreadable == ("keep it simple, please",)
    assert read("DEPTH >= 6\n# Constraint\nDEPTH >= 6\n") == Rules()


def test_a_fence_hides_no_line_and_ends_no_section() -> None:
    rules = read("# CONSTRAINTS:\n```\nA > 1\n# B\n```\nC > 2\n# next\nD > 3\n")
    assert [rule.text for rule in rules.constraints] == ["A > 1", "C > 2"]
    assert rules.unreadable == ("# B",)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, []),
        ({"DEPTH": 6, "LR": 0.0999, "PATTERN": "SL"}, []),
        ({"DEPTH": 4}, ["DEPTH >= 6: DEPTH is 4"]),
        ({"DEPTH": 5.9}, ["DEPTH >= 6: DEPTH is 5.9"]),
        ({"DEPTH": True}, ["DEPTH >= 6: DEPTH is True"]),
        ({"DEPTH": "deep"}, ["DEPTH >= 6: DEPTH is 'deep'"]),
        ({"LR": 0.1}, ["LR < 0.1: LR is 0.1"]),
        ({"PATTERN": "L"}, ['PATTERN in {"SSSL", "SL"}: PATTERN is \'L\'']),
        ({"VOCAB": 4096}, ["VOCAB unchanged: VOCAB is 4096, it was 2**13"]),
        ({"VOCAB": 8192}, []),
        ({"BETAS": (0.8, 0.96)}, ["BETAS == (0.8, 0.95): BETAS is (0.8, 0.96)"]),
    ],
)
def test_what_a_change_breaks(values: dict[str, object], says: list[str]) -> None:
    assert after(**values) == says


def test_a_constant_that_is_none_any_more() -> None:
    changed = constants("DEPTH = 2 * WIDTH\nVOCAB = 8192\n")
    rules = read("# Constraints\nDEPTH >= 6\nVOCAB unchanged\nNEW >= 1\n").constraints
    assert broken(rules, GIVEN, GIVEN, changed) == ["DEPTH >= 6: DEPTH is no plain constant of the file any more"]


def test_who_stands_on_a_broken_one_is_not_to_blame() -> None:
    before, mine = constants("DEPTH = 4\nLR = 0.04\n"), constants("DEPTH = 4\nLR = 0.05\n")
    rules = read("# Constraints\nDEPTH >= 6\n").constraints
    assert broken(rules, GIVEN, before, mine) == []
    assert broken(rules, GIVEN, before, constants("DEPTH = 5\nLR = 0.05\n")) == ["DEPTH >= 6: DEPTH is 5"]


def test_what_is_unchanged_may_come_back() -> None:
    rules = read("# Constraints\nVOCAB unchanged\n").constraints
    elsewhere = constants("VOCAB = 1024\n")
    assert broken(rules, GIVEN, elsewhere, GIVEN) == []
    assert broken(rules, GIVEN, elsewhere, constants("VOCAB = 512\n")) == [
        "VOCAB unchanged: VOCAB is 512, it was 2**13"
    ]


def test_of_twins_the_one_that_is_read() -> None:
    twins, other = constants("DEPTH = 2\nDEPTH_GPU = 8\n"), constants("DEPTH = 1\nDEPTH_GPU = 4\n")
    rules = read("# Constraints\nDEPTH >= 6\n").constraints
    assert broken(rules, twins, twins, other, gpu=True) == ["DEPTH >= 6: DEPTH_GPU is 4"]
    assert broken(rules, twins, twins, other) == ["DEPTH >= 6: DEPTH is 1"]


def test_what_a_person_should_know() -> None:
    rules = read("# Constraints\nDEPTH > 8\nDEPHT >= 6\nbe bold\nVOCAB unchanged\n")
    assert doubts(rules, GIVEN) == [
        "cannot be checked: be bold",
        "DEPTH > 8: in the task as given DEPTH is 8",
        "DEPHT >= 6: the task has no constant DEPHT",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "depth >= 6", "DEPTH => 6", "DEPTH >= six", "DEPTH >=", ">= 6", "DEPTH", "DEPTH = 6", "DEPTH >= 6 and LR < 1",
        "4 <= DEPTH <= 8", "DEPTH in 4, 8", "DEPTH in {}", "DEPTH in {4, 8", "DEPTH in {4, x}", "DEPTH >= '6'",
        'PATTERN > "S"', "DEPTH >= (1, 2)", "DEPTH.x >= 6", "DEPTH >= 6; import os", "DEPTH >= __import__('os')",
        "unchanged", "VOCAB_SIZE unchanged or so", "DEPTH in {1}, {2}", "DEPTH >= 9**9**9**9", "X in {[1], [2]}",
    ],
)  # fmt: skip
def test_what_is_no_constraint(line: str) -> None:
    assert one(line) is None


@pytest.mark.parametrize("line", ["DEPTH in {4, 8}", "DEPTH in [4,8]", "DEPTH in (4, 8,)", "A==-1e-3"])
def test_what_is_one(line: str) -> None:
    assert one(line) is not None


@given(st.sampled_from([">=", "<=", ">", "<", "==", "!="]), NUMBERS, NUMBERS, NUMBERS)
def test_signs_mean_what_python_means(sign: str, bound: float, was: float, now: float) -> None:
    rule = one(f"X {sign} {bound!r}")
    assert rule is not None
    before, changed = constants(f"X = {was!r}\n"), constants(f"X = {now!r}\n")
    fine = was == now or eval(f"{now!r} {sign} {bound!r}")
    assert (broken([rule], before, before, changed) == []) == fine


@given(st.lists(NUMBERS, min_size=1, max_size=6), NUMBERS)
def test_in_is_one_of_them(values: list[float], now: float) -> None:
    rule = one("X in {" + ", ".join(map(repr, values)) + "}")
    assert rule is not None
    before = constants("X = 'first'\n")
    assert (broken([rule], before, before, constants(f"X = {now!r}\n")) == []) == (now in values)


@given(st.text(max_size=300))
def test_any_line_is_read_or_told(line: str) -> None:
    rules = read(f"# Constraints\n{line}\n")
    broken(rules.constraints, GIVEN, GIVEN, GIVEN)
    inner = " ".join(line.split())
    if (
        inner
        and not inner.startswith(("#", "```", "~~~", "<!--", "-", "*", "+"))
        and not inner[0].isdigit()
        and "\n" not in line
    ):
        assert rules.constraints or rules.unreadable


@given(st.text())
def test_any_program_can_be_read(text: str) -> None:
    read(text)
    read("# Constraints\n" + text)
