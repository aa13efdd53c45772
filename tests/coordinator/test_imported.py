"""What was imported is history: it ranks nowhere, answers nothing, and weighs nothing in what is believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.errors import Refused
from swarm.ledger import imported
from swarm.ledger.imported import Change
from swarm.ledger.reader import Reader
from swarm.ledger.tsv import parse
from swarm.views import board
from tests.coordinator.play import Play

SHA = "1234567890" * 4
PATCH = "diff --git a/train.py b/train.py\n@@ -1 +1 @@\n-A = 1.0\n+A = 0.5\n"
ROWS = f"{SHA[:7]}\t0.100000\t1.0\tkeep\tfar better than ours\nabcdef1\t0.000001\t1.0\tkeep\tbetter still\n"


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A campaign with a kept change, and the shelf filled while no coordinator ran."""
    made = Play(tmp_path)
    made.begin(2)
    made.measured("a0", B=1.5)
    made.story.close()
    new, _ = imported.write(made.workspace, parse(ROWS), "results.tsv", 5.0, [Change(SHA, 4.0, "half of A", PATCH)])
    assert new == 2
    made.open()
    yield made
    made.story.close()


def test_it_is_on_no_board(play: Play) -> None:
    with Reader(play.workspace.ledger) as reader:
        rows = board(reader, n=100, everything=True).rows
        assert reader.campaign().id == 1
    assert rows
    assert all(row.score is None or row.score > 1 for row in rows)
    assert not {row.experiment for row in rows} & {
        e for (e,) in play.ledger.rows("SELECT id FROM experiments WHERE campaign=0")
    }


def test_it_weighs_nothing(play: Play) -> None:
    w = play.world
    before = {n: w.beliefs.of(n, w.home) for n in w.beliefs.nodes}
    assert before
    assert all(play.e(n).origin != "imported" for n in before)
    assert w.beliefs.noise(w.home).sd < 0.1
    assert (
        play.ledger.value("SELECT COUNT(*) FROM runs r JOIN experiments e ON e.id=r.experiment WHERE e.campaign=0") == 0
    )
    assert (
        play.ledger.value("SELECT COUNT(*) FROM slots s JOIN experiments e ON e.klass=s.klass WHERE e.campaign=0") == 0
    )


def test_the_same_change_is_measured_here_all_the_same(play: Play) -> None:
    e = play.measured("a1", A=0.5)
    assert e.verdict == "keep"
    assert e.runs >= 1
    assert e.raw is not None and e.raw > 1


def test_nobody_is_put_on_it(play: Play) -> None:
    best = play.world.campaign.best
    for name in (
        SHA[:7],
        SHA,
        "abcdef1",
        *(e for (e,) in play.ledger.rows("SELECT id FROM experiments WHERE campaign=0")),
    ):
        for force in (False, True):
            with pytest.raises(Refused):
                play.story.promote(name, force=force)
        with pytest.raises(Refused):
            play.story.adopt("a0", name)
        play.edit("a0", C=2.5)
        with pytest.raises(Refused):
            play.story.submit("a0", "on theirs", on=name)
    assert play.world.campaign.best == best
    assert (
        play.ledger.value(
            "SELECT COUNT(*) FROM promotions WHERE experiment IN (SELECT id FROM experiments WHERE campaign=0)"
        )
        == 0
    )
    play.settle()


def test_it_is_recalled_as_what_it_is(play: Play) -> None:
    told = " ".join(play.story.submit("a0", "half of A", on=None)["notes"]) if play.edit("a0", A=0.5) is None else ""
    assert "imported from results.tsv, commit 1234567, keep (0.1 there): far better than ours [A 1.0→0.5]" in told
