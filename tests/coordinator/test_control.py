"""A control beside the swarm: what each side is kept from, and that there would be something to see without the wall."""

from __future__ import annotations

from typing import Any

import pytest

from swarm.cli import clean
from swarm.coordinator import control
from swarm.coordinator.recover import load
from swarm.errors import Refused
from swarm.ledger import search
from swarm.ledger.reader import Reader
from swarm.views import board, snapshot
from tests.coordinator.play import Play

CONTROL = {"name": "control", "kind": "tuner", "slot": None, "options": {"idle": True, "control": True}}


def begin(play: Play, agents: int = 2, share: float = 0.5, **wish: Any) -> None:
    named = [{"name": f"a{i}", "kind": "scripted", "slot": str(i)} for i in range(agents)]
    play.begin(agents, named=[*named, CONTROL], policy={"control": share, **wish.pop("policy", {})}, **wish)


def proposes(play: Play, **values: float) -> str:
    """The control's next experiment, measured: others keep the slots busy, so that a share of something is its own."""
    said = {name: str(value) for name, value in values.items()}
    ident = str(play.story.submit_values("control", said)["experiment"])
    for _ in range(200):
        play.step(30)
        if play.e(ident).stage == "done":
            play.settle()
            return ident
    raise AssertionError(f"{ident} is not measured")


def test_it_starts_from_the_baseline_and_has_a_best_of_its_own(play: Play) -> None:
    begin(play)
    play.measured("a0", A=0.5)
    play.settle()
    ours = play.world.campaign.best
    assert ours != play.world.campaign.baseline
    mine = proposes(play, B=1.5)
    assert play.e(mine).parent == play.world.campaign.baseline
    for _ in range(100):
        play.step(30)
        its = play.world.control
        assert its is not None
        if its.best == mine:
            break
    assert its.best == mine and play.e(mine).runs >= 2  # by its own runs, by the same rule
    assert play.world.campaign.best == ours
    assert play.hub.refs()["refs/heads/best"] == play.world.commit_of(ours or "")
    again = proposes(play, C=2.5)
    assert play.e(again).parent == mine


def test_it_is_never_rebased_and_hears_of_nothing(play: Play) -> None:
    begin(play, policy={"rebase_every": 1})
    with play.world.as_control():
        before = play.a("control").tip
    play.measured("a0", A=0.2)
    for _ in range(20):
        play.step(30)
    assert play.a("a1").tip == play.world.campaign.best != before
    with play.world.as_control():
        assert play.a("control").tip == before
    heard = play.story.contact("control", final=True)
    assert heard["news"] == [] and heard["results"] == []
    assert any("best is now" in line for line in play.story.contact("a1", final=True)["news"])  # others do hear it


def test_what_it_learns_from_is_its_own(play: Play) -> None:
    begin(play)
    theirs = play.measured("a0", A=0.7).id
    assert play.story.constants("control")["experiments"] == []
    mine = proposes(play, B=1.9)
    (seen,) = play.story.constants("control")["experiments"]
    assert seen["values"]["B"] == "1.9" and seen["mine"]
    (told,) = play.story.constants("a1")["experiments"]
    assert told["values"]["A"] == "0.7"  # and the others' tuners do not learn from it
    assert {play.e(theirs).campaign, play.e(mine).campaign} == {1, -1}


def test_nobody_sees_what_it_found(play: Play) -> None:
    begin(play)
    mine = proposes(play, B=0.1)  # better than all else
    other = play.measured("a0", A=0.9).id
    answer = play.story.submit_values("a1", {"B": "0.2"}, "B down a lot")
    assert not any(mine in note for note in answer["notes"])
    with Reader(play.workspace.ledger) as reader:
        assert mine not in {row.experiment for row in board(reader, 50, everything=True).rows}
        assert other in {row.experiment for row in board(reader, 50, everything=True).rows}
        found = [f.experiment for f in search.search(reader, "B")]
        assert answer["experiment"] in found and mine not in found
        shown = snapshot(reader, play.now, True)
    assert "control" not in [row.name for row in shown.agents]
    assert shown.runs["control"] >= 1
    play.settle()
    assert play.world.campaign.best != mine and play.a("a0").tip != mine
    for ask in (lambda: play.story.adopt("a0", mine), lambda: play.story.experiment(mine)):
        with pytest.raises(Refused):
            ask()
    play.edit("a0", C=1.0)
    with pytest.raises(Refused, match="no experiment that a change can be based on"):
        play.story.submit("a0", "on it", on=mine)
    with pytest.raises(Refused, match="control's"):
        play.story.promote(mine, force=True)
    assert "B" not in str(play.story.scene("a0")["findings"])


def test_the_same_file_of_the_other_side_is_no_answer(play: Play) -> None:
    begin(play)
    ours = play.measured("a0", A=0.8)
    mine = proposes(play, A=0.8)
    assert play.hub.tree(play.e(mine).commit or "") == ours.tree
    assert play.e(mine).verdict == "keep" and play.e(mine).runs >= 1
    theirs = proposes(play, B=1.25)
    copy = play.measured("a1", A=0.8, B=1.25)  # from the baseline, or on what a0 found
    assert copy.tree == play.e(theirs).tree
    assert copy.verdict == "keep" and copy.same_as is None and copy.runs >= 1


def test_it_has_its_share_and_no_more(play: Play) -> None:
    begin(play, share=0.25)
    w, number = play.world, 0
    for _ in range(70):
        for name in ("a0", "a1"):
            if play.story.contact(name)["room"] > 0:
                number += 1
                play.story.submit_values(name, {"C": str(3 + number / 1000)})
        if play.story.contact("control")["room"] > 0:
            number += 1
            play.story.submit_values("control", {"C": str(3 + number / 1000)})
        play.step(7)
    assert w.used is not None and w.campaign.searching is not None
    kept = w.used
    load(w)
    control.due(w)
    assert kept == pytest.approx(w.used)  # what is added up run by run is what the ledger says
    sql = (
        "SELECT SUM(a.ended-a.started) FROM attempts a JOIN runs r ON r.id=a.run JOIN experiments e ON e.id=r.experiment "
        "WHERE a.started>=? AND e.campaign=?"
    )
    ours, its = (float(w.ledger.value(sql, w.campaign.searching, c) or 0) for c in (1, -1))
    assert 0.15 < its / (ours + its) <= 0.3, (ours, its)  # a run more or less: 20 are all


def test_after_a_restart_it_goes_on_as_it_was(play: Play) -> None:
    begin(play)
    mine = proposes(play, B=1.5)
    with play.world.as_control():
        tip = play.a("control").tip
    play.ledger.close()
    play.open()
    assert "control" in play.sessions.started
    with play.world.as_control():
        assert play.a("control").tip == tip == mine
        assert play.world.beliefs.losses(mine, play.world.home)
    assert proposes(play, C=2.9)


def test_it_ends_and_goes_on_with_the_campaign(play: Play) -> None:
    begin(play)
    play.story.submit_values("control", {"B": "1.5"})
    play.story.stop(now=True)
    play.settle()
    its = play.world.control
    assert its is not None and its.state == "ended" == play.world.campaign.state
    assert play.story.contact("control", final=True)["stop"]
    assert play.ledger.value("SELECT COUNT(*) FROM experiments WHERE stage!='done'") == 0
    assert "control" not in play.sessions.panes
    assert "control" in play.story.resume({"hours": 1})["restarted"]
    assert not play.story.contact("control", final=True)["stop"]
    assert play.story.stop(["control"])["stopped"] == ["control"]
    assert play.story.contact("control", final=True)["stop"]
    assert play.world.campaign.state == "searching"


def test_it_begins_with_its_campaign_or_not_at_all(play: Play) -> None:
    play.begin(1)
    with pytest.raises(Refused, match="begins with its campaign"):
        play.spawn(named=[CONTROL], slots=[])


def test_the_comparison_is_at_equal_hours_and_on_record(play: Play) -> None:
    begin(play)
    assert play.ledger.figure(1, "control")["seconds"] == 0
    play.measured("a0", A=0.2)
    proposes(play, B=1.0)
    for _ in range(20):
        play.step(30)
    found = play.ledger.figure(1, "control")
    assert found["seconds"] >= found["equal"] > 0
    assert found["control"]["runs"] >= 2 and found["swarm"]["runs"] >= 2
    assert found["p"] > 0.5 if found["swarm"]["estimate"] < found["control"]["estimate"] else found["p"] <= 0.5


def test_the_next_campaign_has_a_control_of_its_own(play: Play) -> None:
    begin(play)
    mine = proposes(play, B=1.5)
    play.story.stop(now=True)
    play.settle()
    begin(play)
    assert play.world.campaign.id == 2 and play.world.campaign.name == "c2"
    assert play.story.constants("control")["experiments"] == []
    with play.world.as_control():
        assert play.world.campaign.id == -2 and play.a("control").tip == play.world.campaign.baseline
    again = proposes(play, B=1.5)
    assert play.e(again).runs >= 1 and play.e(again).campaign == -2 != play.e(mine).campaign
    assert [place for place in clean._places(play.workspace) if place.agent == "control"][
        -1
    ].commit == play.world.commit_of(play.ledger.value("SELECT base FROM agents WHERE campaign=-2"))
