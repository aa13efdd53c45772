"""What the swarm queues by itself: stacks where slots idle, blank runs; played with real git and SQLite."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from swarm.coordinator import blanks, house
from swarm.errors import Refused
from swarm.ledger.reader import Reader
from swarm.ledger.search import search
from swarm.views import board, snapshot
from tests.coordinator.play import Play, total, value

APART: dict[str, Any] = {"rebase_every": 1e9, "confirm_share": 0.0, "blank": 0}


def kept(play: Play, **apart: dict[str, float]) -> list[str]:
    """Changes of different agents, all kept and none in best: nothing is confirmed."""
    idents = [play.submit(agent, **values) for agent, values in apart.items()]
    while any(play.e(i).verdict is None for i in idents):
        play.step()
    assert {play.e(i).verdict for i in idents} == {"keep"}
    return idents


def rest(play: Play, seconds: float = 400.0) -> None:
    for _ in range(80):
        play.step(seconds)


def stacks(play: Play) -> list[tuple[str, str | None]]:
    rows = play.ledger.rows(
        "SELECT stack_of, verdict FROM experiments WHERE agent='swarm' AND origin='stack' ORDER BY rowid"
    )
    return [(" + ".join(json.loads(members)), verdict) for members, verdict in rows]


def notes(play: Play) -> list[str]:
    return [str(t) for (t,) in play.ledger.rows("SELECT text FROM notes WHERE agent='swarm' ORDER BY id")]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No candidate is confirmed, so best stays the baseline."""
    monkeypatch.setattr("swarm.coordinator.confirm.review", lambda w: False)


@pytest.mark.usefixtures("quiet")
def test_where_slots_idle_kept_changes_of_different_agents_are_measured_together(play: Play) -> None:
    play.begin(policy=APART)
    one, two = kept(play, a0={"A": 0.9}, a1={"B": 1.8})
    play.settle()
    assert stacks(play) == [], "nothing before a slot has rested"
    rest(play)
    assert stacks(play) == [(f"{one} + {two}", "keep")]
    e = play.e(play.ledger.value("SELECT id FROM experiments WHERE agent='swarm'"))
    text = play.hub.read(e.commit or "", "train.py").decode()
    assert ("A = 0.9" in text, "B = 1.8" in text, e.parent) == (True, True, "e0001")
    assert {play.a(a).tip for a in ("a0", "a1")} == {one, two}
    assert notes(play) == []


@pytest.mark.usefixtures("quiet")
def test_of_one_agent_nothing_is_stacked_and_a_setting_turns_it_off(tmp_path: Path) -> None:
    alone = Play(tmp_path / "1")
    alone.begin(agents=1, policy=APART)
    kept(alone, a0={"A": 0.9})
    kept(alone, a0={"B": 1.8})
    rest(alone)
    assert stacks(alone) == []
    off = Play(tmp_path / "2")
    off.begin(policy={**APART, "stacks": False})
    kept(off, a0={"A": 0.9}, a1={"B": 1.8})
    rest(off)
    assert stacks(off) == []


def fighting(source: str) -> float:
    return total(source) + (0.5 if value(source, "A") < 1 and value(source, "B") < 2 else 0.0)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("killed", [False, True])
def test_a_stack_that_loses_is_taken_apart_and_what_does_not_stack_is_noted(tmp_path: Path, killed: bool) -> None:
    play = Play(tmp_path, loss=fighting)
    play.begin(agents=3, policy=APART)
    a, b, c = kept(play, a0={"A": 0.9}, a1={"B": 1.8}, a2={"C": 2.9})
    for _ in range(80):
        play.step(400.0)
        if killed and not play.ledger.open_runs("running"):
            play.open()
    seen = stacks(play)
    assert seen[0] == (f"{a} + {b} + {c}", "discard")
    assert len({members for members, _ in seen}) == len(seen), "no set twice"
    [note] = notes(play)
    said = re.fullmatch(f"{a} and {b} do not stack on e0001: [+]([0-9.]+) ± [0-9.]+ against their sum", note)
    assert said is not None, note
    assert float(said[1]) == pytest.approx(0.5, abs=0.1)
    assert search(play.ledger, f"{a} stack")[0].description == note, "recall finds it"
    # the rest is tried without the pair
    assert (f"{a} + {c}", "keep") in seen
    assert (f"{b} + {c}", "keep") in seen


@pytest.mark.usefixtures("quiet")
def test_a_change_that_helps_nowhere_else_is_named_alone(tmp_path: Path) -> None:
    """It was kept on another base than best: there A hurts."""
    play = Play(
        tmp_path, loss=lambda source: total(source) + (0.5 if "A = 0.9" in source and "C = 3.0" in source else 0.0)
    )
    play.begin(policy=APART)
    kept(play, a0={"C": 2.9})
    two, three = kept(play, a0={"A": 0.9}, a1={"B": 1.8})
    rest(play)
    assert (f"{two} + {three}", "discard") in stacks(play)
    said = re.fullmatch(
        f"{two} does not help on e0001: [+]([0-9.]+) ± [0-9.]+ against what it gained where it was found",
        notes(play)[0],
    )
    assert said is not None, notes(play)
    assert float(said[1]) == pytest.approx(0.5, abs=0.15)
    assert len({members for members, _ in stacks(play)}) == len(stacks(play))


@pytest.mark.usefixtures("quiet")
def test_changes_that_do_not_fit_each_other_are_noted_without_a_run(play: Play) -> None:
    play.begin(policy=APART)
    one, two = kept(play, a0={"A": 0.9}, a1={"A": 0.8})
    before = play.ledger.value("SELECT COUNT(*) FROM runs WHERE purpose='screen'")
    rest(play)
    assert stacks(play)[0] == (f"{one} + {two}", "conflict")
    [note] = notes(play)
    assert note.startswith(f"{one} and {two} do not stack on e0001: conflict")
    singles = len([members for members, _ in stacks(play) if "+" not in members])
    answered = play.ledger.value("SELECT COUNT(*) FROM experiments WHERE agent='swarm' AND verdict='answered'")
    assert singles == answered == 2, "each alone was measured before"
    assert play.ledger.value("SELECT COUNT(*) FROM runs WHERE purpose='screen'") == before


def test_a_stack_that_wins_becomes_best_by_confirmation(play: Play) -> None:
    play.begin(policy={"rebase_every": 1e9, "blank": 0})
    play.submit("a0", A=0.9)
    play.submit("a1", B=1.8)
    rest(play)
    best = play.world.campaign.best or ""
    text = play.hub.read(play.e(best).commit or "", "train.py").decode()
    assert ("A = 0.9" in text, "B = 1.8" in text) == (True, True)


# --- blank runs ---------------------------------------------------------------------------------------------------


def blank_rows(play: Play) -> list[tuple[Any, ...]]:
    return play.ledger.rows(
        "SELECT id, agent, parent, tree, verdict, same_as FROM experiments WHERE origin='blank' ORDER BY rowid"
    )


def many(play: Play, count: int) -> None:
    for number in range(count):
        play.measured("a0", A=9 + number)


def test_every_so_many_experiments_one_changes_nothing(play: Play) -> None:
    play.begin(agents=1, policy={"blank": 0.25})
    many(play, 3)
    assert blank_rows(play) == []
    many(play, 6)
    rows = blank_rows(play)
    assert len(rows) == 2
    for ident, agent, parent, tree, verdict, same_as in rows:
        assert (agent, parent, same_as) == ("swarm", "e0001", None)
        assert tree == play.e("e0001").tree
        assert verdict in ("keep", "discard")
        assert play.ledger.value("SELECT COUNT(*) FROM runs WHERE experiment=? AND status='finished'", ident) >= 1
    assert play.a("a0").tip == "e0001"


def test_none_where_none_are_wanted(play: Play) -> None:
    play.begin(agents=1, policy={"blank": 0})
    many(play, 5)
    assert blank_rows(play) == []


def test_the_count_goes_on_after_a_restart(play: Play) -> None:
    play.begin(agents=1, policy={"blank": 0.25})
    for number in range(9):
        play.measured("a0", A=9 + number)
        play.open()
    assert len(blank_rows(play)) == 2


@pytest.fixture
def lucky(tmp_path: Path) -> Play:
    """A blank that looks good however often it is measured."""
    play = Play(tmp_path)
    blank: list[int] = []

    def loss(source: str) -> float:
        return total(source) - (0.5 if blank else 0.0)

    plain = play.score

    def score(spec: Any) -> Any:
        origin = play.ledger.value(
            "SELECT origin FROM experiments e JOIN runs r ON r.experiment=e.id WHERE r.id=?", spec.run
        )
        blank[:] = [1] if origin == "blank" else []
        return plain(spec)

    play.loss, play.score = loss, score  # type: ignore[method-assign]
    play.open()
    return play


def test_a_blank_that_holds_is_counted_and_does_not_become_best(lucky: Play) -> None:
    play = lucky
    play.begin(agents=1, policy={"blank": 0.25})
    many(play, 4)
    play.settle()
    [(ident, _, _, _, verdict, _)] = blank_rows(play)
    assert verdict == "keep"
    assert play.e(ident).runs >= 2, "confirmed like any other"
    assert play.ledger.value("SELECT COUNT(*) FROM promotions") == 0
    assert (play.world.campaign.best, play.a("a0").tip, play.a("swarm").tip) == ("e0001", "e0001", "e0001")
    with Reader(play.workspace.ledger) as reader:
        seen, top = snapshot(reader, play.now, True), board(reader)
    assert (seen.blanks.count, seen.blanks.kept, seen.blanks.promoted) == (1, 1, 1)
    assert (seen.kept, seen.discarded) == (0, 4)
    assert seen.real == pytest.approx(0)
    assert (top.experiments, top.kept) == (4, 0)
    assert ident not in {row.experiment for row in (*top.rows, *top.below)}


def test_its_runs_answer_nobodys_question(lucky: Play) -> None:
    """The same file again is answered by what the blank is a copy of, never by the blank."""
    play = lucky
    play.begin(agents=1, policy={"blank": 0.25, "stacks": False})
    many(play, 4)
    play.story.grid(["A=1.0,5", "B=2,5"], on="e0002")
    play.settle()
    answered = {i for (i,) in play.ledger.rows("SELECT DISTINCT same_as FROM experiments WHERE same_as IS NOT NULL")}
    assert answered == {"e0001"}


# --- the author ---------------------------------------------------------------------------------------------------


def test_the_author_is_nobody_who_can_be_stopped_replaced_or_spawned(play: Play) -> None:
    play.begin()
    play.story.grid(["A=1,9"])
    play.settle()
    assert play.a(house.NAME).kind == "house"
    with pytest.raises(Refused, match="no agent swarm"):
        play.story.stop(["swarm"])
    with pytest.raises(Refused):
        play.story.replace("swarm", "scripted")
    with pytest.raises(Refused, match="swarm"):
        play.spawn(agents=1, named=[{"name": "swarm", "kind": "scripted"}], slots=[])
    play.open()
    rest(play, 1.0)
    assert "swarm" not in play.sessions.panes
    assert not play.workspace.worktree("swarm").exists()


def test_the_campaign_ends_when_the_workers_have_ended(play: Play) -> None:
    play.begin(
        agents=1,
        policy={"blank": 0.25},
        named=[{"name": "a0", "kind": "scripted", "slot": "0", "stop": {"experiments": 5}}],
    )
    many(play, 5)
    rest(play, 10.0)
    assert play.world.campaign.state == "ended"


def test_the_timer_of_blanks_is_not_fooled_by_a_clock(play: Play) -> None:
    play.begin(agents=1, policy={"blank": 0.25})
    many(play, 2)
    play.jump(-5000)
    many(play, 3)
    assert len(blank_rows(play)) == 1
    assert blanks.TIMER in play.world.timers
