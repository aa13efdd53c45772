"""A night without anybody: budgets of agents, slots whose agents wait, agents replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarm.errors import Refused
from tests.coordinator.play import Play

IDLER = {"name": "tuner", "kind": "tuner", "slot": None, "options": {"device": "cpu", "idle": True}}


def named(*more: dict[str, Any], **of_a0: Any) -> list[dict[str, Any]]:
    """Two agents on a slot each; `of_a0` is said of the first."""
    first = {"name": "a0", "kind": "scripted", "slot": "0", **of_a0}
    return [first, {"name": "a1", "kind": "scripted", "slot": "1"}, *more]


def whys(play: Play, agent: str) -> list[str]:
    rows = play.ledger.rows("SELECT data FROM events WHERE kind='agent' AND agent=? ORDER BY seq", agent)
    return [json.loads(data)["why"] for (data,) in rows]


def test_an_agents_experiments_are_over_and_its_runs_finish(play: Play) -> None:
    play.begin(2, named=named(stop={"experiments": 1}))
    play.executor.manual = True
    first, second = play.submit("a0", A=0.9), play.submit("a0", B=1.9)
    play.step()
    play.executor.manual = False
    play.settle()
    assert play.a("a0").state == "stopped"
    assert "its own end: 1 experiments are done" in whys(play, "a0")
    assert "a0" not in play.sessions.panes
    assert play.e(first).verdict == "keep"
    assert play.e(second).verdict in ("cancelled", "keep")  # what waited is not started; what ran has its result
    assert play.world.campaign.state == "searching"
    heard = play.story.contact("a0", final=True)
    assert heard["stop"] and "1 experiments are done" in heard["why"]
    assert len(play.world.slots()) == 2  # its slot goes on confirming


def test_an_agents_dollars_and_hours(play: Play) -> None:
    play.begin(2, named=named(stop={"usd": 1.0, "hours": 5}))
    play.story.turn("a0", turn=1, tokens=10, usd=0.9)
    play.story.turn("a1", turn=1, tokens=10, usd=5.0)
    play.step()
    assert play.a("a0").state != "stopped"
    play.step(5 * 3600)
    assert whys(play, "a0")[-1] == "its own end: 5 hours are over"
    assert play.a("a1").state != "stopped"


def test_when_every_agent_has_come_to_its_own_end_so_has_the_campaign(play: Play) -> None:
    play.begin(1, named=[{"name": "a0", "kind": "scripted", "slot": "0", "stop": {"usd": 1}}, IDLER])
    play.executor.manual = True
    ident = play.submit("a0", A=0.9)
    play.step()
    play.story.turn("a0", turn=1, usd=1.0)
    play.step(2)
    assert play.world.campaign.state == "ending"
    assert play.e(ident).verdict is None  # it runs to its end
    play.executor.manual = False
    for _ in range(40):
        play.step()
    assert play.world.campaign.state == "ended"
    assert play.e(ident).verdict == "keep"
    assert play.world.campaign.why_ended == "every agent has come to its own end"


def test_a_slot_whose_agent_is_limited_tunes(play: Play) -> None:
    play.begin(2, named=named(IDLER), stop={"experiments": 3})
    play.story.turn("a0", state="limited", until=play.now + 3600)
    ready = [play.story.submit_values("tuner", {n: "1.8"}, n)["experiment"] for n in ("A", "C")]
    assert play.story.contact("tuner", final=True)["room"] == 0
    play.step()
    assert [play.e(i).stage for i in ready] == ["queued", "queued"]  # the slots' owners come first
    own = play.submit("a1", B=1.5)
    for _ in range(12):
        play.step(61)
    assert {play.e(i).verdict for i in [*ready, own]} <= {"keep", "discard"}
    assert play.a("a0").state == "limited"
    assert play.world.campaign.state == "searching"  # three were measured, two of them by the way


def test_who_idles_takes_no_share_of_a_pool(play: Play) -> None:
    agents = [{"name": "a0", "kind": "scripted", "slot": None}, IDLER]
    play.begin(1, pool=2, named=agents)
    assert play.world.width(play.a("a0")) == 2
    for value in (0.9, 0.8):
        play.submit("a0", A=value)
    play.story.submit_values("tuner", {"B": "1.9"}, "B")
    play.step()
    going = {play.e(r.experiment).agent for r in play.ledger.open_runs("running")}
    assert going == {"a0"}


def test_a_task_without_constants_has_nobody_who_idles(play: Play) -> None:
    (play.task_folder / "train.py").write_text("print(6.0)\n")
    play.loss = lambda source: 6.0
    answer = play.spawn(1, named=[{"name": "a0", "kind": "scripted", "slot": "0"}, IDLER])
    assert [a["name"] for a in answer["agents"]] == ["a0"]
    assert any("no UPPERCASE constants" in note for note in answer["notes"])


def test_another_kind_takes_the_gpu_and_goes_on_from_the_same_tip(play: Play) -> None:
    play.begin(2)
    kept = play.measured("a0", A=0.5)
    play.edit("a0", C=1.25)
    answer = play.story.replace("gpu0", "codex")
    assert (answer["ended"], answer["agent"], answer["slots"]) == ("a0", "a0-codex", ["0"])
    assert answer["tip"] == kept.id and answer["edits"] and answer["dropped"] == []
    assert play.sessions.panes.keys() == {"a1", "a0-codex"}
    assert "A = 0.5" in (play.workspace.worktree("a0-codex") / "train.py").read_text()
    assert "C = 1.25" in (play.workspace.worktree("a0") / "train.py").read_text()  # what stood there stands there
    assert play.story.contact("a0", final=True)["stop"]
    after = play.measured("a0-codex", B=1.0)
    assert after.verdict == "keep" and after.parent == kept.id
    assert "replaced by a0-codex" in whys(play, "a0")


def test_a_replacement_asked_for_twice_is_one(play: Play) -> None:
    play.begin(2)
    first = play.story.replace("a0", "codex", source="best")
    assert play.story.successor("a0", "codex") == {"name": "a0-codex"}
    assert play.story.replace("a0", "codex", source="best") == first
    assert play.sessions.started.count("a0-codex") == 1
    with pytest.raises(Refused, match="a0 was replaced by a0-codex"):
        play.story.replace("a0", "claude")
    with pytest.raises(Refused, match="gpu0 has a codex already"):
        play.story.replace("gpu0", "codex")
    assert play.story.replace("a0-codex", "codex")["agent"] == "a0-codex-2"


def test_what_cannot_be_replaced(play: Play) -> None:
    play.begin(2, named=named(IDLER))
    play.story.try_file({"train.py": "A = 1\n"}, "mine")
    for who, said in (("you", "no GPU"), ("tuner", "no GPU"), ("nobody", "nobody"), ("gpu7", "gpu7")):
        with pytest.raises(Refused, match=said):
            play.story.replace(who, "codex")
    play.story.stop(now=True)
    with pytest.raises(Refused, match="over"):
        play.story.replace("a0", "codex")


def test_an_agent_of_a_pool_and_one_that_was_given_up(play: Play) -> None:
    play.begin(2, pool=2)
    play.story.stop(["a1"])
    assert play.story.replace("a0", "codex")["agent"] == "codex-1"
    assert play.story.replace("a1", "codex")["agent"] == "codex-2"
    assert play.sessions.panes.keys() == {"codex-1", "codex-2"}


def test_who_replaces_has_its_own_options_and_end(play: Play) -> None:
    play.begin(2)
    play.story.replace("a0", "codex", options={"model": "m"}, stop={"experiments": 1})
    assert json.loads(play.a("a0-codex").options)["model"] == "m"
    play.measured("a0-codex", A=0.5)
    play.step(2)
    assert play.a("a0-codex").state == "stopped"


def test_after_the_end_who_was_replaced_stays_away_and_own_ends_begin_again(play: Play) -> None:
    agents = [*named(stop={"experiments": 1}), {"name": "a2", "kind": "scripted", "slot": "2"}]
    play.begin(3, named=agents)
    play.story.replace("a1", "codex")
    play.measured("a0", A=0.5)
    play.step(2)
    assert play.a("a0").state == "stopped"
    play.story.stop(now=True)
    play.settle()
    assert play.world.campaign.state == "ended"
    play.now += 10
    assert sorted(play.story.resume({"hours": 1})["restarted"]) == ["a0", "a1-codex", "a2"]
    play.step(2)
    assert play.a("a0").state != "stopped"
    play.measured("a0", B=0.5)
    play.step(2)
    assert play.a("a0").state == "stopped"
