"""Who builds on what: some look elsewhere on purpose, the stale come along, some work apart, new ones begin on good ones."""

from __future__ import annotations

import pytest

from swarm.coordinator import pollinate, spawn
from swarm.errors import Refused
from swarm.research.pollination import lineage
from tests.coordinator.play import Play


def found(play: Play, agent: str, **values: float) -> str:
    """A keep of this agent's own, on what it builds on."""
    play.story.contact(agent, final=True)
    e = play.measured(agent, **values)
    assert e.verdict == "keep"
    return e.id


def on_best(play: Play) -> set[str]:
    tree, best = pollinate.parents(play.world), play.world.campaign.best
    return {a.name for a in pollinate.people(play.world) if best in lineage(a.tip, tree)}


def go_on(play: Play, steps: int = 40) -> None:
    for _ in range(steps):
        play.step(30)


def test_of_four_one_stays_on_its_own_branch_and_is_told_so(play: Play) -> None:
    play.begin(4, policy={"rebase_every": 1e6, "stay_within": 100})
    for name, change in (("a0", {"A": 0.3}), ("a1", {"B": 1.9}), ("a2", {"B": 1.7}), ("a3", {"B": 1.8})):
        play.submit(name, **change)
    go_on(play)
    (one,) = {"a0", "a1", "a2", "a3"} - on_best(play)
    assert pollinate.outlook(play.world)["elsewhere"] == [one]
    news = play.story.contact(one, final=True)["news"]
    told = [line for line in news if f"you stay on {play.a(one).tip} on purpose" in line]
    assert len(told) == 1 and play.world.campaign.best in told[0]
    go_on(play)
    assert play.story.contact(one, final=True)["news"] == []  # once


def test_too_far_behind_nobody_stays(play: Play) -> None:
    play.begin(4, policy={"rebase_every": 1e6})
    found(play, "a2", B=1.95)
    found(play, "a0", A=0.3)  # 65 sd better
    go_on(play)
    assert on_best(play) == {"a0", "a1", "a2", "a3"}
    assert "stays" not in play.kinds()


def test_as_good_as_best_and_long_without_it_is_moved(play: Play) -> None:
    def ready(stale: int) -> None:
        play.begin(2, policy={"stale": stale, "stale_after": 2, "behind": 0.0, "rebase_every": 1})
        found(play, "a0", A=0.5)

    ready(stale=1)
    tree = pollinate.parents(play.world)
    go_on(play, 3)
    assert play.a("a1").tip == "e0001"  # it had no result since
    for value in (9.0, 8.0):
        play.measured("a1", C=value)
    go_on(play, 3)
    assert play.world.campaign.best in lineage(play.a("a1").tip, {**tree, **pollinate.parents(play.world)})


def test_no_more_than_a_quarter_at_a_time(play: Play) -> None:
    """The rule of staleness makes all late at once; they go one by one."""
    play.begin(5, policy={"rebase_every": 1})
    for i in range(1, 5):
        play.submit(f"a{i}", B=2 - i / 10)
    play.submit("a0", A=0.3)
    most = 0
    for _ in range(60):
        play.step(5)
        sql = "SELECT COUNT(*) FROM experiments WHERE rebase_onto IS NOT NULL AND stage!='done'"
        most = max(most, int(play.ledger.value(sql)))
    assert most == 1 and len(on_best(play)) >= 4


def test_apart_nobody_is_moved_told_or_answered(play: Play) -> None:
    play.begin(2, policy={"apart": True, "rebase_every": 1})
    best = found(play, "a0", A=0.3)
    go_on(play)
    assert play.world.campaign.best == best and play.a("a1").tip == "e0001"
    assert not [line for line in play.story.contact("a1", final=True)["news"] if "best is now" in line]
    assert [line for line in play.story.contact("a0", final=True)["news"] if "best is now" in line]
    assert play.story.constants("a1")["experiments"] == [] != play.story.constants("a0")["experiments"]
    assert play.story.scene("a1")["best"] == {} and play.story.scene("a0")["best"]["experiment"] == best
    same = play.measured("a1", A=0.3)
    assert same.verdict == "keep" and same.same_as is None
    with pytest.raises(Refused, match="works for itself"):
        play.story.adopt("a1", best)
    assert spawn.grounds(play.world, "best", 1) == [None]
    play.spawn(named=[{"name": "b0", "kind": "scripted", "slot": "7"}], slots=[
        {"id": "7", "devices": "cpu:7", "accelerator": "core", "torch": "2", "device_nodes": []}])  # fmt: skip
    assert play.a("b0").tip == "e0001"


def test_new_agents_begin_on_good_ones_of_different_lines(play: Play) -> None:
    play.begin(3, policy={"rebase_every": 1e6, "behind": 0.0, "stale": 0, "stacks": False})
    first, second = found(play, "a0", A=0.3), found(play, "a1", B=1.5)
    third = found(play, "a1", C=2.9)
    found(play, "a2", C=2.99)
    go_on(play)
    assert play.world.campaign.best == first
    assert spawn.different(play.world, 2) == [first, third]  # not second: it is of third's line
    slots = [
        {"id": str(n), "devices": f"cpu:{n}", "accelerator": "core", "torch": "2", "device_nodes": []} for n in (7, 8)
    ]
    named = [{"name": f"b{n}", "kind": "scripted", "slot": str(n)} for n in (7, 8)]
    play.spawn(named=named, slots=slots, source="diverse")
    assert [play.a(name).tip for name in ("b7", "b8")] == [first, third]
    assert (play.workspace.worktree("b8") / "train.py").read_text().count("B = 1.5") == 1
    fresh = play.story.replace("a2", "scripted", source="diverse", name="c0")
    assert fresh["tip"] not in (first, second)
