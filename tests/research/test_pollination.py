"""Who is behind, and what is carried over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.research.pollination import behind, lineage, own_changes

#   1 ── 2 ── 3
#    └── 4 ── 5
TREE = {"1": None, "2": "1", "3": "2", "4": "1", "5": "4"}


def test_lineage_begins_with_itself() -> None:
    assert lineage("3", TREE) == ["3", "2", "1"]
    assert lineage("unknown", TREE) == ["unknown"]
    assert lineage("a", {"a": "b", "b": "a"}) == ["a", "b"]


def test_behind_is_worse_and_without_best() -> None:
    assert behind("3", "5", TREE, 0.29, set())
    assert not behind("3", "5", TREE, 0.3, set())
    assert not behind("5", "4", TREE, 0.0, set())


def test_whoever_stands_on_a_withdrawn_best_is_behind() -> None:
    assert behind("3", "5", TREE, 0.9, {"2"})
    assert behind("5", "1", TREE, 0.9, {"4"})  # best went back to 1, and 5 still stands on 4
    assert not behind("5", "4", TREE, 0.9, {"1"})  # best itself stands on it


def test_own_changes_are_oldest_first_without_what_was_withdrawn() -> None:
    assert own_changes("3", "5", TREE, set()) == ["2", "3"]
    assert own_changes("3", "5", TREE, {"2"}) == ["3"]
    assert own_changes("4", "5", TREE, set()) == []


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str | None]:
    size = draw(st.integers(1, 12))
    return {"0": None, **{str(i): str(draw(st.integers(0, i - 1))) for i in range(1, size)}}


@given(trees(), st.data())
def test_whatever_the_tree(tree: dict[str, str | None], data: st.DataObject) -> None:
    tip, best = (data.draw(st.sampled_from(sorted(tree))) for _ in range(2))
    withdrawn = data.draw(st.sets(st.sampled_from(sorted(tree))))
    own = own_changes(tip, best, tree, withdrawn)
    line = lineage(tip, tree)
    assert line[0] == tip and line[-1] == "0"
    assert not set(own) & (withdrawn | set(lineage(best, tree)))
    assert [x for x in reversed(line) if x in own] == own
    assert not behind(best, best, tree, 0.0, withdrawn)  # so that a rebase ends
