"""What repeats and what undoes an earlier change is read off the diffs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.echoes import Change, bare, change_of, phrases, repeats, undoes

HEAD = "diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n"
LINES = st.lists(
    st.sampled_from(["    x = f(x)", "y = rope(q, 60000)", "def g():", "    return 1", "z += 1"]), max_size=4
)
VALUES = st.dictionaries(st.sampled_from(["LR", "DEPTH", "WD"]), st.integers(0, 3), max_size=3)


def patch(*lines: str) -> str:
    return HEAD + "@@ -1,9 +1,9 @@\n" + "\n".join(lines) + "\n"


def made(before: dict[str, int], after: dict[str, int], gone: list[str], come: list[str]) -> str:
    old = [f"-{n} = {v}" for n, v in before.items()] + [f"-{line}" for line in gone]
    new = [f"+{n} = {after[n]}" for n in before] + [f"+{line}" for line in come]
    return patch(*old, *new)


def test_what_a_change_is() -> None:
    found = change_of(patch(" import x", "-LR = 0.04  # was 0.02", "+LR = 4e-2 * 2", "-y = 1", "+", "+y = f(1)  # so"))
    assert found == Change({"LR": ("0.04", "0.08")}, {"y = 1": 1}, {"y = f(1)": 1})
    assert change_of(None).empty and change_of(patch("-LR = 0.04", "+LR = 4e-2  # the same")).empty
    assert change_of(patch("-x = 1", "+x = 1  # a comment", "+", "+# another")).empty
    assert change_of(patch("-x = '#a'", "+x = '#b'")) == Change({}, {"x = '#a'": 1}, {"x = '#b'": 1})


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("x = 1  # y", "x = 1"), ("x = '#'", "x = '#'"), ('x = "a\\"#"  # b', 'x = "a\\"#"'), ("# all", ""), ("   ", ""),
        ('x = """#"""  # c', 'x = """#"""'), ("    y()", "    y()"),
    ],
)  # fmt: skip
def test_a_line_without_its_comment(line: str, rest: str) -> None:
    assert bare(line) == rest


def test_the_same_values_on_another_parent_repeat_it() -> None:
    first = change_of(patch("-LR = 0.04", "+LR = 0.02"))
    assert repeats(change_of(patch("-LR = 0.08", "+LR = 2e-2  # half of it")), first)
    assert not repeats(change_of(patch("-LR = 0.04", "+LR = 0.021")), first)
    assert not repeats(change_of(patch("-LR = 0.04", "+LR = 0.02", "-WD = 1", "+WD = 2")), first)
    assert not repeats(change_of(patch("-LR = 0.04", "+LR = 0.02", "+x = 1")), first)


def test_back_to_what_a_change_moved_it_from_undoes_it() -> None:
    both = change_of(patch("-LR = 0.04", "-WD = 1", "+LR = 0.02", "+WD = 2"))
    assert undoes(change_of(patch("-WD = 3", "+WD = 1")), both), "from wherever it is by now"
    assert not undoes(change_of(patch("-WD = 2", "+WD = 1", "-LR = 0.02", "+LR = 0.03")), both)
    lines = change_of(patch("-    x = norm(x)", "+    x = x * 2"))
    assert undoes(change_of(patch("+    x = norm(x)")), lines), "a line that it took away comes again"
    assert undoes(change_of(patch("-    x = x * 2")), lines), "and the reverse"
    assert not undoes(change_of(patch("+    x = norm(x)", "+    z = 1")), lines)
    assert not undoes(change_of(patch("+)")), change_of(patch("-)", "-foo(")))
    assert not undoes(Change(), lines) and not repeats(Change(), Change())


@given(VALUES, VALUES, LINES, LINES)
def test_a_change_repeats_itself_and_its_inverse_undoes_it(
    before: dict[str, int], after: dict[str, int], gone: list[str], come: list[str]
) -> None:
    before = {n: v for n, v in before.items() if n in after}
    there = change_of(made(before, after, gone, come))
    back = change_of(made({n: after[n] for n in before}, before, come, gone))
    again = change_of(made(before, after, [f"{line}  # so" for line in gone], [*come, "   "]))
    assert there == again
    assert there.empty == back.empty
    if not there.empty:
        assert repeats(there, again) and undoes(back, there) and undoes(there, back)
        assert not undoes(there, there) or any(line in there.come for line in there.gone)


@given(st.text(max_size=200), st.lists(st.text(max_size=30), max_size=6))
def test_any_text(text: str, lines: list[str]) -> None:
    for any_ in (text, patch(*lines), patch(*[f"+{line}" for line in lines])):
        change = change_of(any_)
        assert not undoes(change, Change()) and not repeats(change, Change())
        assert len(phrases(any_)) <= 6
    assert bare(bare(text)) == bare(text) or "#" in text
