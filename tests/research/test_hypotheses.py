"""The person's list of ideas: read, named, dealt so that no two agents begin with the same one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.research.hypotheses import deal, named, read

PROGRAM = """# Mine
1. not this

# Hypotheses
Ideas of ours:
1. Half the batch,
   twice the steps.
3) No warm-up.

7. Wider.
- not numbered

## Notes
2. Still below the heading.
# Constraints
1. DEPTH >= 6
"""
LISTS = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=12)


def test_the_list() -> None:
    assert read(PROGRAM) == ["Half the batch, twice the steps.", "No warm-up.", "Wider.", "Still below the heading."]
    assert read("nothing\n1. here\n") == []


def test_how_one_is_named() -> None:
    assert named("H3: no warm-up", None) == {3}
    assert named("tries hypothesis 2 and H10", "(H1)") == {1, 2, 10}
    assert named("on an H100x, DEPTH_H2, aH3, H3x, GH4") == set()


@given(LISTS, st.integers(1, 6), st.data())
def test_nobody_begins_with_the_same_one(entries: list[str], agents: int, data: st.DataObject) -> None:
    first = [deal(entries, (), rank, agents) for rank in range(min(agents, len(entries)))]
    assert first == list(range(1, len(first) + 1))


@given(LISTS, st.integers(1, 5), st.lists(st.integers(0, 4), max_size=60))
def test_everything_is_tried_once_whoever_is_fast(entries: list[str], agents: int, turns: list[int]) -> None:
    """Agents take turns in any order; each tries what it is dealt, at once."""
    tried: list[str] = []
    for rank in [*turns, *range(agents * (len(entries) + 1))]:
        number = deal(entries, tried, rank % agents, agents)
        if number is not None:
            assert entries[number - 1] not in tried
            tried.append(entries[number - 1])
    assert sorted(tried) == sorted(entries)


def test_alone_it_is_the_order_of_the_list() -> None:
    entries, tried, order = ["a", "b", "c"], [], []
    while (number := deal(entries, tried, 0, 1)) is not None:
        order.append(number)
        tried.append(entries[number - 1])
    assert order == [1, 2, 3]


@given(st.text())
def test_any_text(text: str) -> None:
    assert all(read("# Hypotheses\n" + text))
    named(text)
