"""Agents that submit nothing: what they may, when they are asked, and that they hold no GPU."""

from __future__ import annotations

import json

import pytest

from swarm.coordinator import rights
from swarm.errors import Refused
from swarm.ledger.reader import Reader
from swarm.research import roles
from swarm.views import progress
from tests.coordinator.play import Play

TEAM = [
    {"name": "a0", "kind": "scripted", "slot": "0"},
    {"name": "v", "kind": "scripted", "slot": None, "role": "verifier"},
    {"name": "s", "kind": "scripted", "slot": None, "role": "statistician"},
    {"name": "r", "kind": "scripted", "slot": None, "role": "analyst"},
]


@pytest.fixture
def team(play: Play) -> Play:
    slots = [{"id": str(i), "devices": f"cpu:{i}", "accelerator": "core", "torch": "2"} for i in range(2)]
    play.begin(0, named=TEAM, slots=slots, policy={"confirm_share": 0.9, "idle_after": 1e6})
    return play


def test_the_table_of_rights() -> None:
    assert [r for r in roles.ROLES if roles.measures(r)] == ["experimenter"]
    assert [r for r in roles.ROLES if not roles.refusal(r, "remeasure")] == ["verifier", "statistician"]
    assert all(
        not roles.refusal(r, tool) for r in roles.ROLES for tool in ("note", "idea_add", "improve", "flag", "wait")
    )
    assert roles.role_of("{}") == "experimenter" and roles.role_of('{"role": "analyst"}') == "analyst"


def test_who_only_reads_cannot_submit_and_is_told_why(team: Play) -> None:
    for name in ("v", "s", "r"):
        team.edit(name, A=0.5)
        with pytest.raises(Refused, match="not with your role"):
            team.story.submit(name, "x")
        with pytest.raises(Refused, match="not with your role"):
            team.story.submit_values(name, {"A": "0.5"})
        with pytest.raises(Refused, match="not with your role"):
            team.story.adopt(name, "best")
    with pytest.raises(Refused, match="flag the experiment"):
        team.story.remeasure("r", "baseline", "x")
    with pytest.raises(Refused, match="get it by themselves"):
        team.story.remeasure("a0", "baseline", "x")
    assert team.ledger.value("SELECT COUNT(*) FROM experiments") == 1


def test_they_hold_no_slot_and_no_share_of_the_pool(team: Play) -> None:
    w = team.world
    assert [w.slots_of(w.agent(n)) for n in ("v", "s", "r")] == [[], [], []]
    pool = team.story.spawn(task=json.loads(w.campaign.task)["task"], agents=[{"name": "p", "kind": "scripted"}], slots=[],
                            stop={"hours": 1})  # fmt: skip
    assert pool["agents"][0]["name"] == "p"
    assert w.width(w.agent("p")) == 1, "the pool's one slot is its alone"
    assert team.story.scene("r")["where"] == ""


def test_a_reader_is_asked_at_first_and_then_after_every_so_many_verdicts(team: Play) -> None:
    assert team.story.contact("r", final=True)["room"] == 1
    team.story.turn("r", turn=1, tokens=10)
    assert team.story.contact("r", final=True)["room"] == 0
    for n in range(rights.AFTER):
        assert team.story.contact("r", final=True)["room"] == 0
        team.measured("a0", A=0.9 - n / 50)
    heard = team.story.contact("r", final=True)
    assert heard["room"] == 1 and heard["reads"] is True
    assert "reads" not in team.story.contact("a0", final=True)
    team.story.turn("a0", turn=1)
    assert team.kinds().count("turned") == 1


def test_what_a_reader_writes_is_counted_between_verdicts(team: Play) -> None:
    for n in range(20):
        team.story.note("r", f"note {n}")
    with pytest.raises(Refused, match="20 notes"):
        team.story.note("r", "one more")
    team.measured("a0", A=0.5)
    team.story.note("r", "one more")


def test_a_verifier_has_it_measured_again_within_its_bounds(team: Play) -> None:
    kept = team.measured("a0", A=0.5)
    runs = team.e(kept.id).runs
    answer = team.story.remeasure("v", kept.id, "too good")
    assert team.ledger.run(answer["run"]).purpose in ("confirm", "reference")
    team.settle()
    assert team.e(kept.id).runs == runs + 1
    other = team.measured("a0", B=1.5)
    again = team.story.remeasure("s", "baseline", "the noise")
    assert team.story.remeasure("s", "e0001", "the noise")["run"] == again["run"], "said again it is the same"
    team.story.remeasure("s", kept.id, "the noise")
    with pytest.raises(Refused, match="are under way"):
        team.story.remeasure("s", other.id, "the noise")
    before = team.e("e0001").runs
    team.settle()
    assert team.e("e0001").runs == before + 1
    crashed = "A = 7"
    team.crashing = lambda source: "boom" if crashed in source else None
    bad = team.measured("a0", A=7.0)
    with pytest.raises(Refused, match="no score"):
        team.story.remeasure("v", bad.id, "x")
    team.ledger.change("campaigns", {"id": 1}, task=json.dumps(
        {**json.loads(team.world.campaign.task), "policy": {**json.loads(team.world.campaign.task)["policy"], "confirm_share": 0.0}}
    ))  # fmt: skip
    team.world.forget()
    with pytest.raises(Refused, match="had its share"):
        team.story.remeasure("v", kept.id, "again")


def test_a_flag_is_kept_shown_and_changes_no_verdict(team: Play) -> None:
    kept = team.measured("a0", A=0.5)
    first = team.story.flag("r", kept.id, "it reads the validation text")
    assert team.story.flag("r", kept.id, "again") == first
    with pytest.raises(Refused, match="without a reason"):
        team.story.flag("r", "baseline", " ")
    with pytest.raises(Refused, match="your own"):
        team.story.flag("a0", kept.id, "x")
    assert team.e(kept.id).verdict == kept.verdict
    with Reader(team.workspace.ledger) as reader:
        assert reader.flags(kept.id) == [("r", "it reads the validation text")]
        seen = progress.snapshot(reader, team.now, True)
    assert [a.role for a in seen.agents if a.name != "you"] == ["experimenter", "verifier", "statistician", "analyst"]
    assert [p.text for p in seen.problems] == [f"{kept.id} was flagged by r: it reads the validation text"]


def test_a_successor_has_the_role_or_is_refused(team: Play) -> None:
    with pytest.raises(Refused, match="analyst, which a tuner cannot be"):
        team.story.replace("r", "tuner")
    name = team.story.replace("r", "claude")["agent"]
    assert roles.role_of(team.a(name).options) == "analyst"
    assert roles.role_of(team.a("a0").options) == "experimenter"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"kind": "tuner", "role": "analyst"}, "tuner cannot be"),
        ({"kind": "scripted", "role": "verifier", "slot": "1"}, "no use"),
        ({"kind": "scripted", "options": {"role": "analyst"}}, "no option"),
    ],
)
def test_spawn_refuses_what_no_role_is(team: Play, wish: dict[str, object], said: str) -> None:
    before = len(team.world.agents())
    with pytest.raises(Refused, match=said):
        team.story.spawn(task=json.loads(team.world.campaign.task)["task"], agents=[{"name": "x", **wish}], slots=[],
                         stop={"hours": 1})  # fmt: skip
    assert len(team.world.agents()) == before
