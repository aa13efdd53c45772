"""Patches in words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.research.patch import in_words, names, sides

HEAD = "diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n"


def patch(*lines: str) -> str:
    return HEAD + "@@ -1,9 +1,9 @@\n" + "\n".join(lines) + "\n"


def test_constants_are_named() -> None:
    text = patch(" import x", "-A = 1", "+A = 2", " ", "-B = 'x'", "+B = 'y'")
    assert in_words(text) == "A 1→2, B 'x'→'y'"
    assert names(text) == {"A", "B"}


def test_other_changes_are_counted() -> None:
    text = patch("-A = 1", "+A = 2", "+y = f(x)", "+z = y")
    assert in_words(text) == "A 1→2, +3 −1 lines"
    assert names(text) == frozenset()
    assert in_words(patch("-def f(:", "+    x")) == "+1 −1 lines"


def test_many_constants_are_cut_short() -> None:
    text = patch(*(f"-{c} = 1" for c in "ABCDEFGH"), *(f"+{c} = 2" for c in "ABCDEFGH"))
    assert in_words(text).endswith("F 1→2, and 2 more")


def test_lines_that_look_like_headers_are_lines() -> None:
    assert sides(patch("--- x", "+++ y")) == (["-- x"], ["++ y"])


def test_nothing_says_nothing() -> None:
    assert in_words(None) == in_words("") == in_words(HEAD) == ""


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    in_words(text)
    names(text)
