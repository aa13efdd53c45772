"""A night without anybody: budgets of agents, slots whose agents wait, agents replaced."""

from __future__ import annotations

import json
from typing import Any

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
