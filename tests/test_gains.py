"""Whose the gain of best is, and how sure each change is, as screens say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm import views
from swarm.ledger.reader import Reader
from swarm.views.gains import Sure, gains
from tests.coordinator.play import Play
from tests.ledger.made import made


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_the_parts_add_up_and_go_to_constants_and_code(play: Play) -> None:
    play.begin(agents=1)
    with Reader(play.workspace.ledger) as reader:
        assert gains(reader, reader.campaign()) is None
    play.measured("a0", A=0.5)
    path = play.workspace.worktree("a0") / "train.py"
    path.write_text(path.read_text().replace("def main", "D = 1\n\n\ndef main").replace("B = 2.0", "B = 1.5"))
    e = play.e(play.story.submit("a0", "more code")["experiment"])
    play.settle()
    assert play.e(e.id).kind == "code"
    assert play.world.campaign.best == e.id
    found = views.look(play.workspace, play.now).gains
    assert found is not None
    assert found.total == pytest.approx(1.0, abs=0.06)
    assert found.const == pytest.approx(0.5, abs=0.06)
    assert found.const + found.code == pytest.approx(found.total)
    assert sum(found.agents.values()) == pytest.approx(found.total)
    assert set(found.agents) == {"scripted"}


def test_what_was_withdrawn_gained_nothing(play: Play) -> None:
    play.begin(agents=1)
    play.measured("a0", A=0.5)
    play.story.undo()
    with Reader(play.workspace.ledger) as reader:
        assert gains(reader, reader.campaign()) is None


def test_how_sure_a_change_is_agrees_with_the_coordinator(play: Play) -> None:
    play.begin(agents=2)
    for n in range(5):
        play.measured(f"a{n % 2}", **{"ABC"[n % 3]: 0.99 - n / 50})
    with Reader(play.workspace.ledger) as reader:
        sure = Sure(reader, reader.campaign())
        rows = {row.experiment: row for row in views.board(reader, 20).rows}
        kept = [ident for (ident,) in play.ledger.rows("SELECT id FROM experiments WHERE verdict='keep'")]
        assert kept
        for ident in kept:
            mine = play.world.beliefs.effect(ident, 1)
            assert mine is not None
            assert sure.better(play.e(ident)) == pytest.approx(mine.gain, abs=0.05)
            assert rows[ident].p_real == sure.better(play.e(ident))
        assert sure.real == pytest.approx(sum(play.world.beliefs.effect(i, 1).gain for i in kept), abs=0.05)  # type: ignore[union-attr]
        assert sure.better(play.e("e0001")) is None


def test_a_ledger_without_figures_says_what_was_judged(tmp_path: Path) -> None:
    made(tmp_path / ".swarm" / "results.db", 60)
    with Reader(tmp_path / ".swarm" / "results.db") as reader:
        assert Sure(reader, reader.campaign()).real is None
        assert views.board(reader, 5).real == reader.real(1)
        assert views.board(reader, 5).rows[0].p_real is None
