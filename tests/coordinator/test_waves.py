"""Waves: many cells, one question, one answer; played with real git and SQLite."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.errors import Refused
from tests.coordinator.play import Play, total, value


def cells(play: Play, wave: int = 1) -> dict[str, str]:
    """Experiment by its levels."""
    rows = play.ledger.rows("SELECT levels, experiment FROM cells WHERE wave=?", wave)
    return {" ".join(f"{k}={v}" for k, v in json.loads(levels).items()): ident for levels, ident in rows}


def answer(play: Play, wave: int = 1) -> dict[str, Any]:
    return dict(json.loads(play.ledger.value("SELECT answer FROM waves WHERE id=?", wave)))


def text(play: Play, ident: str) -> str:
    return play.hub.read(play.e(ident).commit or "", "train.py").decode()


def state(play: Play, wave: int = 1) -> str:
    return str(play.ledger.value("SELECT state FROM waves WHERE id=?", wave))


def ran(play: Play, purpose: str = "screen") -> int:
    return int(play.ledger.value("SELECT COUNT(*) FROM runs WHERE purpose=? AND status='finished'", purpose))


def test_a_wave_over_constants_is_measured_and_answered(play: Play) -> None:
    play.begin()
    said = play.story.grid(["A=1.0,0.5", "B=2,1.5,9"])
    assert (said["wave"], said["cells"], said["runs"], said["on"], said["slots"]) == (1, 6, 5, "e0001", 2)
    assert said["minutes"] == pytest.approx(5 * 12 / 2 / 60)
    play.settle()
    there = cells(play)
    assert there["A=1.0 B=2.0"] == "e0001"
    own = {i for i in there.values() if i != "e0001"}
    assert len(own) == 5 == ran(play)
    assert {(play.e(i).origin, play.e(i).agent, play.e(i).parent) for i in own} == {("wave", "swarm", "e0001")}
    assert "A = 0.5" in text(play, there["A=0.5 B=1.5"])
    assert state(play) == "done"
    found = answer(play)
    assert found["best"] == there["A=0.5 B=1.5"]
    assert found["main"][0]["change"]["value"] == pytest.approx(-0.5, abs=0.05)
    assert "add up" in " ".join(found["text"])
    assert play.world.campaign.best == there["A=0.5 B=1.5"], "the best cell is a candidate like any other"
    assert {play.a(a).kind for a in ("a0", "a1")} == {"scripted"}


def test_a_cell_moves_nobody_but_by_way_of_best(play: Play) -> None:
    play.begin()
    play.story.grid(["A=1,0.5"])
    while play.e(cells(play)["A=0.5"]).verdict is None:
        play.step()
    assert {play.a(a).tip for a in ("a0", "a1", "swarm")} == {"e0001"}
    assert "swarm" not in {a["name"] for a in play.story.status()["agents"]}
    assert play.story.status()["live"] == 2


def fighting(source: str) -> float:
    """A and B help alone, and hurt together."""
    both = value(source, "A") < 1 and value(source, "B") < 2
    return total(source) + (0.5 if both else 0.0)


def test_a_wave_over_changes_says_which_do_not_stack(tmp_path: Path) -> None:
    play = Play(tmp_path, loss=fighting)
    play.begin(policy={"stacks": False, "rebase_every": 1e9, "confirm_share": 0.0})
    play.submit("a0", A=0.9)
    play.submit("a1", B=1.9)
    while play.ledger.value("SELECT COUNT(*) FROM experiments WHERE verdict='keep'") < 2:
        play.step()
    said = play.story.grid(["e0002", "e0003"], on="baseline")
    assert (said["cells"], said["runs"]) == (4, 3)
    play.settle()
    there = cells(play)
    assert there["e0002=out e0003=out"] == "e0001"
    assert play.e(there["e0002=in e0003=out"]).same_as == "e0002", "the very tree was measured already"
    assert "A = 0.9" in text(play, there["e0002=in e0003=in"])
    assert "B = 1.9" in text(play, there["e0002=in e0003=in"])
    lines = answer(play)["text"]
    assert any(line.startswith("e0002 and e0003 do not stack: +0.5") for line in lines), lines
    assert answer(play)["best"] in ("e0002", "e0003")


def test_what_does_not_fit_or_crashes_is_a_missing_cell(play: Play) -> None:
    play.begin(policy={"stacks": False, "rebase_every": 1e9})
    play.crashing = lambda source: "oom" if "C = 9.0" in source and "B = 9.0" in source else None
    one = play.measured("a0", A=7)
    two = play.measured("a1", A=8)
    play.story.grid([one.id, two.id], on="baseline")
    play.story.grid(["B=2,9.0", "C=3,9.0"], on="baseline")
    play.settle()
    assert play.e(cells(play)[f"{one.id}=in {two.id}=in"]).verdict == "conflict"
    [lost] = answer(play)["missing"]
    assert (lost["cell"], lost["why"]) == (f"{one.id} + {two.id}", "conflict")
    assert answer(play)["pairs"] == []
    assert answer(play, 2)["missing"][0]["why"] == "crash"
    assert answer(play, 2)["main"][0]["change"]["value"] == pytest.approx(7, abs=0.1)
    assert (state(play), state(play, 2)) == ("done", "done")


def test_repeats_are_as_many_runs_of_each_cell(play: Play) -> None:
    play.begin(policy={"stacks": False})
    said = play.story.grid(["A=1,9", "B=2,9"], repeats=3)
    assert said["runs"] == 9
    play.settle()
    there = cells(play)
    assert [play.e(i).runs for i in there.values() if i != "e0001"] == [3, 3, 3]
    assert state(play) == "done"
    assert {c["runs"] for c in answer(play)["cells"]} == {3}


@pytest.mark.parametrize(
    ("words", "on", "what"),
    [
        ([], None, "a wave of what"),
        (["A=1"], None, "A needs two values"),
        (["A=1,1.0"], None, "there twice"),
        (["A=1,2", "A=3,4"], None, "named twice"),
        (["D=1,2"], None, "D is no constant"),
        (["A=1,open('x')"], None, "not a plain value"),
        (["A=1,(2"], None, "not closed"),
        (["A=1,"], None, "not a plain value"),
        (["A=1,2", "e0001"], None, "not of both"),
        (["e0002"], None, "nothing to be put together"),
        (["e0001", "e0002"], None, "no change that was measured"),
        (["e0002", "e0002"], None, "named twice"),
        (["e0002", "e2"], None, "nothing to be put together"),
        ([f"X{n}=1,2" for n in range(64)], None, "64 at once"),
        (["A=" + ",".join(map(str, range(1000)))], None, "1000 values are too many"),
        (["e0002", "e0099"], None, "there is no e0099"),
        (["A=1,2"], "e0099", "nothing here"),
        (["A=" + ",".join(map(str, range(30))), "B=" + ",".join(map(str, range(20)))], None, "too many for one wave"),
        (["A=" + ",".join(map(str, range(30))), "B=1,2,3"], None, "Say it again with --yes|90 cells"),
    ],
)
def test_what_cannot_be_meant_is_said_and_queues_nothing(
    play: Play, words: list[str], on: str | None, what: str
) -> None:
    play.begin()
    play.measured("a0", A=9)
    with pytest.raises(Refused, match=what):
        play.story.grid(words, on=on)
    assert play.ledger.value("SELECT COUNT(*) FROM waves") == 0
    assert play.world.queueing() == set()


def test_a_large_one_wants_a_yes(play: Play) -> None:
    play.begin()
    words = ["A=" + ",".join(map(str, range(13))), "B=1,2,3,4,5"]
    with pytest.raises(Refused) as refused:
        play.story.grid(words)
    assert "--yes" in refused.value.hint
    assert play.story.grid(words, sure=True)["cells"] == 65


def test_an_experiment_that_best_has_already_is_no_factor(play: Play) -> None:
    play.begin()
    best = play.measured("a0", A=0.5)
    other = play.measured("a1", B=9)
    with pytest.raises(Refused, match=f"{best.id} is in {best.id} already"):
        play.story.grid([best.id, other.id])


def test_an_agents_wave_is_bounded_and_its_answer_is_news(play: Play) -> None:
    play.begin()
    with pytest.raises(Refused, match="at most 32"):
        play.story.grid(["A=1,2,3,4,5,6", "B=1,2,3,4,5,6"], agent="a0")
    play.story.grid(["B=2,9", "C=3,9"], agent="a0")
    with pytest.raises(Refused, match="wave 1 is not answered yet"):
        play.story.grid(["A=1,2"], agent="a0")
    assert play.story.contact("a0", final=True)["room"] == 2, "it counts against nobody's queue"
    play.settle()
    heard = play.story.contact("a0", final=True)["news"]
    assert [line for line in heard if line.startswith("wave 1 on e0001")], heard
    assert not [line for line in play.story.contact("a1", final=True)["news"] if "wave 1" in line]
    assert [t for (t,) in play.ledger.rows("SELECT text FROM notes WHERE agent='swarm'") if t.startswith("wave 1")]


def test_an_agent_keeps_to_its_constraints(play: Play) -> None:
    (play.workspace.root / "program.md").write_text("# Constraints\n- A >= 0.5\n")
    play.begin()
    with pytest.raises(Refused, match="forbids"):
        play.story.grid(["A=1,0.1"], agent="a0")
    assert play.story.grid(["A=1,0.6"], agent="a0")["cells"] == 2


def slots_of(play: Play, where: str) -> list[str]:
    rows = play.ledger.rows(
        f"SELECT r.slot FROM runs r JOIN experiments e ON e.id=r.experiment WHERE {where} AND r.started IS NOT NULL ORDER BY r.id"
    )
    return [str(slot) for (slot,) in rows]


def test_a_persons_wave_takes_any_slot_but_not_twice_running_from_one_that_waits(play: Play) -> None:
    play.begin(policy={"stacks": False, "confirm_share": 0.0})
    play.story.grid(["B=2,9,8,7,6,5,4"])
    numbers = iter(range(100, 200))
    for _ in range(400):
        if play.story.contact("a0")["room"] > 0:
            play.submit("a0", A=next(numbers))
        play.step()
        if state(play) == "done":
            break
    assert state(play) == "done"
    order = play.ledger.rows(
        "SELECT e.agent FROM runs r JOIN experiments e ON e.id=r.experiment WHERE r.slot='0' AND r.purpose='screen' ORDER BY r.started"
    )
    authors = [a for (a,) in order]
    assert "swarm" in authors
    assert "a0" in authors
    assert not any(a == b == "swarm" for a, b in itertools.pairwise(authors)), authors


def test_an_agents_wave_leaves_others_slots_alone_until_they_rest(play: Play) -> None:
    play.begin(policy={"stacks": False, "idle_after": 5000.0})
    play.story.grid(["B=2,9,8,7"], agent="a0")
    play.settle()
    assert set(slots_of(play, "e.origin='wave'")) == {"0"}


def test_a_wave_that_is_stopped_is_answered_with_what_there_is(play: Play) -> None:
    play.begin(agents=1, policy={"stacks": False})
    play.story.grid(["B=2,9,8,7"], agent="a0")
    while ran(play) < 1:
        play.step()
    with pytest.raises(Refused, match="not yours"):
        play.story.stop_grid(1, "a1")
    said = play.story.stop_grid(1)
    assert said["dropped"] >= 1
    play.settle()
    assert state(play) == "stopped"
    assert 1 <= ran(play) < 3
    assert answer(play)["missing"]
    assert play.story.stop_grid(1) == {"wave": 1, "state": "stopped", "dropped": 0}
    with pytest.raises(Refused, match="there is no wave 7"):
        play.story.stop_grid(7)


def test_repeats_that_wait_are_dropped_too(play: Play) -> None:
    play.begin(agents=1, policy={"stacks": False})
    play.story.grid(["B=2,9"], repeats=5)
    while ran(play) < 1:
        play.step()
    play.step()
    assert play.ledger.value("SELECT COUNT(*) FROM runs WHERE purpose='reference' AND status='queued'") >= 2
    play.story.stop_grid(1)
    play.settle()
    assert state(play) == "stopped"
    assert ran(play, "reference") <= 2


@pytest.mark.parametrize("now", [False, True])
def test_the_end_of_the_campaign_answers_open_waves(play: Play, now: bool) -> None:
    play.begin(agents=1)
    play.story.grid(["B=2,9,8,7,6,5"])
    while ran(play) < 2:
        play.step()
    play.story.stop(now=now)
    for _ in range(60):
        play.step()
    assert play.world.campaign.state == "ended"
    assert state(play) == "stopped"
    assert len(answer(play)["cells"]) >= 3
    with pytest.raises(Refused, match="ended"):
        play.story.grid(["A=1,2"])


def test_the_same_request_again_is_the_same_wave(play: Play) -> None:
    play.begin()
    first = play.story.grid(["A=1,2"], request="r1")
    assert play.story.grid(["A=1,2"], request="r1") == first
    assert play.ledger.value("SELECT COUNT(*) FROM waves") == 1
    assert play.story.grid(["A=1,2"], request="r2")["wave"] == 2


def test_a_coordinator_that_was_killed_goes_on_with_a_wave(play: Play) -> None:
    play.begin()
    play.story.grid(["A=1,0.5", "B=2,1.5,9"], repeats=2)
    while ran(play) < 2:
        play.step()
    play.open()
    play.settle()
    assert state(play) == "done"
    assert len(answer(play)["cells"]) == 6


def test_while_the_baseline_is_measured_a_wave_waits_for_it(play: Play) -> None:
    play.spawn()
    assert play.story.grid(["A=1,9"])["minutes"] == 0
    play.settle()
    assert state(play) == "done"


def test_a_deterministic_task_divides_by_nothing(tmp_path: Path) -> None:
    play = Play(tmp_path, noise=0.0)
    play.begin()
    play.story.grid(["A=1,0.5", "B=2,1"])
    play.settle()
    found = answer(play)
    assert found["main"][0]["change"]["p"] == 1.0
    assert found["p"] == 1.0


def test_higher_is_better_too(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.begin(task={"metric": {"name": "val_bpb", "better": "higher"}})
    play.story.grid(["A=1,2", "B=2,3"])
    play.settle()
    found = answer(play)
    assert found["best"] == cells(play)["A=2 B=3"]
    assert found["main"][0]["change"]["value"] == pytest.approx(1, abs=0.05)
    assert found["main"][0]["change"]["p"] > 0.99


def test_a_wave_stands_on_what_was_named(play: Play) -> None:
    play.begin()
    e = play.measured("a0", A=0.5)
    play.story.grid(["B=2,1.5"], on="baseline")
    play.settle()
    assert "A = 1.0" in text(play, cells(play)["B=1.5"])
    assert play.e(cells(play)["B=1.5"]).parent == "e0001"
    assert e.id not in text(play, cells(play)["B=1.5"])


def test_the_swarms_own_do_not_count_towards_the_end(play: Play) -> None:
    play.begin(stop={"experiments": 2})
    play.story.grid(["A=1,9,8,7", "B=2,9"])
    play.settle()
    assert play.world.campaign.state == "searching"


@pytest.fixture
def damaged(play: Play) -> Callable[[str], None]:
    def do(commit: str) -> None:
        path = play.workspace.hidden / ".git" / "objects" / commit[:2] / commit[2:]
        path.chmod(0o600)
        path.write_bytes(b"")
        play.open()

    return do


def test_a_change_whose_commit_is_damaged_holds_nobody_up(play: Play, damaged: Callable[[str], None]) -> None:
    play.begin(policy={"stacks": False, "rebase_every": 1e9})
    one, two = play.measured("a0", A=7), play.measured("a1", B=8)
    damaged(two.commit or "")
    play.story.grid([one.id, two.id], on="baseline")
    play.settle()
    assert state(play) == "done"
    assert play.measured("a0", C=9).verdict == "discard"
