from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from swarm import procs
from swarm.errors import SwarmError
from swarm.ledger.reader import Reader
from swarm.views import alive, board, look, snapshot
from swarm.workspace import Workspace
from tests.ledger.made import START, Night, add, made


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return made(tmp_path / ".swarm" / "results.db", 60)


def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path / ".swarm" / "results.db")


def test_the_board_ranks_kept_ones_by_estimate(night: Night, tmp_path: Path) -> None:
    found = board(read(tmp_path), 5)
    assert [r.rank for r in found.rows] == [1, 2, 3, 4, 5]
    assert [r.estimate for r in found.rows] == sorted(r.estimate or 9 for r in found.rows)
    assert (found.metric, found.better, found.hardware) == ("val_bpb", "lower", "NVIDIA H100 80GB HBM3")
    assert found.below[-1].state == "baseline"
    assert found.experiments == 60
    assert 0 < found.real < found.kept
    states = {r.experiment: r.state for r in board(read(tmp_path), 500).rows}
    assert states[night.best] == "best"
    assert "unconfirmed" in states.values()


def test_best_and_baseline_are_always_shown_once(night: Night, tmp_path: Path) -> None:
    for n in (1, 3, 500):
        found = board(read(tmp_path), n)
        shown = [r.experiment for r in (*found.rows, *found.below)]
        assert len(shown) == len(set(shown))
        assert {night.best, "e0001"} <= set(shown)


def test_a_promoted_discard_is_on_the_board(night: Night, tmp_path: Path) -> None:
    discard = night.db.execute("SELECT id FROM experiments WHERE verdict='discard' LIMIT 1").fetchone()[0]
    night.db.execute("UPDATE campaigns SET best=?", (discard,))
    found = board(read(tmp_path), 1)
    assert discard in [r.experiment for r in (*found.rows, *found.below)]


def test_counts_of_a_snapshot_are_those_of_the_ledger(night: Night, tmp_path: Path) -> None:
    s = snapshot(read(tmp_path), night.now, alive=True)
    assert s.kept + s.discarded + s.crashed == 60
    assert s.runs["screen"] == 60
    assert s.runs["baseline"] == 4
    assert s.promoted == len(read(tmp_path).promotions(1))
    assert s.sd is not None
    assert 0.0005 < s.sd < 0.004
    assert s.df >= 3
    assert s.busy is not None
    assert 0.9 < s.busy <= 1.0
    assert s.best is not None
    assert s.best.experiment == night.best
    assert s.promotion is not None
    assert s.stop["usd"] == 60.0
    assert sum(a.experiments for a in s.agents) == 60
    assert sum(a.kept for a in s.agents) == s.kept


def test_agents_on_best_and_behind(night: Night, tmp_path: Path) -> None:
    s = snapshot(read(tmp_path), night.now, alive=True)
    author = night.db.execute("SELECT agent FROM experiments WHERE id=?", (night.best,)).fetchone()[0]
    rows = {a.name: a for a in s.agents}
    assert rows[author].on_best
    late = next(a for a in s.agents if a.name != author)
    night.db.execute("UPDATE agents SET tip='e0001' WHERE name=?", (late.name,))
    add(night.db, "experiments", id="e0900", campaign=1, agent=late.name, origin="stack", kind="code", description="x", stage="queued",
        rebase_onto=night.best, created=night.now)  # fmt: skip
    row = {a.name: a for a in snapshot(read(tmp_path), night.now, alive=True).agents}[late.name]
    assert (row.on_best, row.behind, row.rebasing, row.queued) == (False, s.promoted, True, 1)


def test_before_the_first_promotion_everybody_is_on_best(tmp_path: Path) -> None:
    made(tmp_path / ".swarm" / "results.db", 0)
    s = snapshot(read(tmp_path), START + 400, alive=True)
    assert all(a.on_best for a in s.agents)
    assert s.promotion is None
    assert s.best is not None
    assert s.best.experiment == "e0001"


def test_runs_on_an_agents_slot_are_told_with_it(night: Night, tmp_path: Path) -> None:
    night.run("e0002", "confirm", 0.99, "2", status="running", score=None, ended=None)
    s = snapshot(read(tmp_path), night.now + 60, alive=True)
    row = {a.slots: a for a in s.agents}[("2",)]
    assert [(g.experiment, g.purpose) for g in row.going] == [("e0002", "confirm")]


def test_time_stands_still_when_nobody_works_on_it(night: Night, tmp_path: Path) -> None:
    last = night.db.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()[0]
    assert snapshot(read(tmp_path), night.now + 1e6, alive=False).at == last
    night.db.execute("UPDATE campaigns SET state='ended', ended=?", (last + 9,))
    s = snapshot(read(tmp_path), night.now + 1e6, alive=True)
    assert s.at == last + 9
    assert s.busy is not None
    assert s.busy > 0.9


def test_problems_of_the_last_hour(night: Night, tmp_path: Path) -> None:
    night.say("lost", None, "e0003", run=3, attempt=1, why="Xid 79")
    night.say("agent", "gpu1-codex", None, state="stopped", why="given up after 8 restarts: it ended with 1")
    night.say("agent", "gpu2-claude", None, state="stopped", why="the campaign ended")
    texts = [p.text for p in snapshot(read(tmp_path), night.now + 5, alive=True).problems]
    assert len(texts) == 2
    assert "Xid 79" in texts[0]
    assert "given up" in texts[1]
    assert snapshot(read(tmp_path), night.now + 9000, alive=True).problems == ()


def test_a_crashed_baseline_is_no_experiment(tmp_path: Path) -> None:
    night = made(tmp_path / ".swarm" / "results.db", 0)
    night.db.execute("UPDATE experiments SET verdict='crash' WHERE id='e0001'")
    s = snapshot(read(tmp_path), START + 400, alive=True)
    assert s.crashed == 0


def test_a_coordinator_is_alive_while_it_holds_its_lock(night: Night, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert not alive(workspace)
    workspace.make()
    fd = procs.take(workspace.lock)
    assert fd is not None
    assert alive(workspace)
    assert look(workspace, night.now).alive
    os.close(fd)
    assert not alive(workspace)


def test_only_the_newest_campaign_counts(night: Night, tmp_path: Path) -> None:
    night.db.execute("UPDATE campaigns SET state='ended', ended=?", (night.now,))
    later = night.now + 1000
    add(night.db, "campaigns", id=2, name="second", task=json.dumps({"task": {}}), stop="{}", state="baseline", metric="val_bpb",
        better="lower", created=later)  # fmt: skip
    s = snapshot(read(tmp_path), later + 10, alive=True)
    assert (s.kept, s.lost, s.slots, s.runs, s.sd) == (0, 0, 0, {}, None)
    assert board(read(tmp_path), 10).rows == ()


def test_only_imported_is_nothing_recorded(tmp_path: Path) -> None:
    night = made(tmp_path / ".swarm" / "results.db", 0)
    night.db.execute("PRAGMA foreign_keys=OFF")
    night.db.execute("UPDATE campaigns SET id=0")
    with pytest.raises(SwarmError, match="nothing recorded"):
        board(read(tmp_path))
