"""Who is behind, and what is carried over."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swarm.research.pollination import (
    FEW,
    Plan,
    Rules,
    Standing,
    at_once,
    diverse,
    lineage,
    lost,
    missed,
    own_changes,
    plan,
)

#   1 ── 2 ── 3
#    └── 4 ── 5
TREE = {"1": None, "2": "1", "3": "2", "4": "1", "5": "4"}


def test_lineage_begins_with_itself() -> None:
    assert lineage("3", TREE) == ["3", "2", "1"]
    assert lineage("unknown", TREE) == ["unknown"]
    assert lineage("a", {"a": "b", "b": "a"}) == ["a", "b"]


def test_whoever_stands_on_a_withdrawn_best_is_lost() -> None:
    assert lost("3", "5", TREE, {"2"})
    assert lost("5", "1", TREE, {"4"})  # best went back to 1, and 5 still stands on 4
    assert not lost("5", "4", TREE, {"1"})  # best itself stands on it


def test_behind_is_worse_and_without_best() -> None:
    two = [Standing("a", on_best=True), Standing("b", p=0.29, gap=1)]
    assert plan(two, Rules()) == Plan(("b",), ())
    assert plan([two[0], Standing("b", p=0.3, gap=1)], Rules()) == Plan((), ())
    assert plan([two[0], Standing("b", p=0.4, gap=1)], Rules(gap=0.5)) == Plan(("b",), ())
    assert plan([two[0], Standing("b", p=0.1, gap=1, settled=False)], Rules()) == Plan((), ())


def test_as_good_but_of_long_ago_is_stale() -> None:
    old = Standing("b", p=0.45, gap=0.1, missed=3, results=6)
    best = Standing("a", on_best=True)
    assert plan([best, old], Rules()).late == ("b",)
    assert plan([best, old], Rules(stale=0)).late == plan([best, old], Rules(stale=4)).late == ()
    assert plan([best, old], Rules(stale_after=7)).late == ()
    assert plan([best, Standing("b", p=0.5, missed=3, results=6)], Rules()).late == ()  # it is the better one


def test_a_quarter_of_four_stays_the_best_of_the_others() -> None:
    four = [Standing("a", on_best=True), *(Standing(n, p=0.1, gap=g) for n, g in (("b", 3), ("c", 1), ("d", 2)))]
    assert plan(four, Rules()) == Plan(("b", "d"), ("c",))
    assert plan(four, Rules(stay=0)).stay == () == plan(four[:3], Rules()).stay
    assert plan(four, Rules(wide=0.5)) == Plan(("b", "d", "c"), ())  # too far behind for that


def test_missed_promotions() -> None:
    assert (
        missed("5", ["2", "4"], TREE) == 0 and missed("4", ["4", "5"], TREE) == 1 and missed("1", ["2", "3"], TREE) == 2
    )


def test_diverse_is_good_and_none_of_the_other_s_line() -> None:
    assert diverse(["3", "2", "5", "4", "1"], TREE, 3) == ["3", "5"]
    assert diverse(["1", "3", "5"], TREE, 3) == ["1"] and diverse(["3", "5"], TREE, 1) == ["3"]


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
    assert not lost(best, best, tree, withdrawn)  # so that a rebase ends
    ranked = data.draw(st.permutations(sorted(tree)))
    chosen = diverse(ranked, tree, 4)
    assert chosen[0] == ranked[0] and len(chosen) <= 4
    assert all(a == b or a not in lineage(b, tree) for a in chosen for b in chosen)


standings = st.builds(
    Standing, agent=st.just(""), on_best=st.booleans(), lost=st.booleans(), p=st.floats(0, 1), gap=st.floats(-9, 99),
    missed=st.integers(0, 9), results=st.integers(0, 20), settled=st.booleans(), own=st.booleans(),
).map(lambda s: replace(s, on_best=s.on_best and not s.lost))  # fmt: skip
swarms = st.lists(standings, min_size=1, max_size=16).map(
    lambda them: [replace(s, agent=f"a{i:02}") for i, s in enumerate(them)]
)
policies = st.builds(
    Rules, behind=st.floats(0, 1), gap=st.none() | st.floats(0, 9), stale=st.integers(0, 5), stale_after=st.integers(0, 9),
    stay=st.floats(0, 0.9), wide=st.floats(0, 20),
)  # fmt: skip


@given(swarms, policies, st.randoms(use_true_random=False))
def test_whatever_the_agents(agents: list[Standing], rules: Rules, dice: random.Random) -> None:
    found = plan(agents, rules)
    by_name = {a.agent: a for a in agents}
    assert not set(found.late) & set(found.stay)
    assert all(by_name[n].settled and not by_name[n].on_best for n in (*found.late, *found.stay))
    assert {a.agent for a in agents if a.lost and a.settled} <= set(found.late)  # purpose or not
    assert len(found.stay) <= (rules.stay * len(agents) if len(agents) >= FEW else 0)
    assert all(by_name[n].gap <= rules.wide and by_name[n].own for n in found.stay)
    if len(agents) > 1 and any(a.settled for a in agents):
        assert found.late or any(a.on_best for a in agents) or not any(a.settled and not a.on_best for a in agents)
    assert 1 <= at_once(len(agents)) <= max(1, len(agents) / 4)
    shuffled = list(agents)
    dice.shuffle(shuffled)
    assert plan(shuffled, rules) == found


@given(swarms, policies)
def test_when_all_that_are_late_were_moved_nobody_is_late(agents: list[Standing], rules: Rules) -> None:
    """Moving comes to an end, one batch after the other, and somebody builds on best then."""
    for _ in range(len(agents) + 1):
        late = plan(agents, rules).late
        if not late:
            break
        now = late[: at_once(len(agents))]
        agents = [replace(a, on_best=True, lost=False, gap=0.0) if a.agent in now else a for a in agents]
    assert not plan(agents, rules).late
    assert len(agents) < 2 or any(a.on_best for a in agents) or not any(a.settled for a in agents)
