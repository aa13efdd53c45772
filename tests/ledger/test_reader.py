from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from swarm.errors import SwarmError
from swarm.ledger.connection import open_reader
from swarm.ledger.reader import Reader
from tests.ledger.made import START, add, made


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    made(tmp_path / "results.db", 40).db.close()
    return tmp_path / "results.db"


@pytest.mark.parametrize("text", ["e0012", "12", "0012", "e12", " e0012 "])
def test_an_experiment_is_found_by_its_number(ledger: Path, text: str) -> None:
    with Reader(ledger) as reader:
        assert reader.find(text).id == "e0012"


def test_an_experiment_is_found_by_its_commit_and_by_name(ledger: Path) -> None:
    with Reader(ledger) as reader:
        e = reader.find("e0012")
        campaign = reader.campaign()
        assert e.commit
        assert reader.find(e.commit[:7].upper()).id == e.id
        assert reader.find(e.commit).id == e.id
        assert reader.find("best").id == campaign.best
        assert reader.find("baseline").id == "e0001"
        tip = reader.value("SELECT tip FROM agents WHERE name='gpu0-claude'")
        assert reader.find("swarm/gpu0-claude").id == reader.find("gpu0-claude").id == tip


@pytest.mark.parametrize("text", ["deadbee", "e9999", "nobody", "", "e", "'; --", "%", "9" * 30])
def test_what_is_not_there_is_said_with_the_next_command(ledger: Path, text: str) -> None:
    with Reader(ledger) as reader, pytest.raises(SwarmError) as error:
        reader.find(text)
    assert "swarm leaderboard" in error.value.hint


def test_digits_that_fit_two_commits_are_refused_with_their_names(ledger: Path) -> None:
    db = sqlite3.connect(ledger)
    db.execute("UPDATE experiments SET \"commit\"='abcdef1' || SUBSTR(\"commit\", 8) WHERE id IN ('e0003', 'e0004')")
    db.commit()
    with Reader(ledger) as reader, pytest.raises(SwarmError, match=r"e0003.*e0004|e0004.*e0003"):
        reader.find("abcdef1")


def test_a_repeated_commit_is_the_experiment_that_was_measured(ledger: Path) -> None:
    db = sqlite3.connect(ledger)
    db.execute(
        "UPDATE experiments SET same_as='e0009', \"commit\"=(SELECT \"commit\" FROM experiments WHERE id='e0009') WHERE id='e0003'"
    )
    db.commit()
    with Reader(ledger) as reader:
        assert reader.find(str(reader.find("e0009").commit)).id == "e0009"


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_top_is_sorted_in_the_metrics_direction_and_holds_kept_ones(tmp_path: Path, better: str) -> None:
    made(tmp_path / "r.db", 60, better=better).db.close()
    with Reader(tmp_path / "r.db") as reader:
        campaign = reader.campaign()
        rows = reader.top(campaign, 1, 15)
        values = [e.estimate for e in rows if e.estimate is not None]
        assert values == sorted(values, reverse=better == "higher")
        assert {e.verdict for e in rows} <= {"keep", None}
        raws = [e.raw for e in reader.top(campaign, 1, 15, raw=True) if e.raw is not None]
        assert raws == sorted(raws, reverse=better == "higher")
        assert len(reader.top(campaign, 1, 500, everything=True)) > len(reader.top(campaign, 1, 500))


def test_imported_and_other_hardware_are_not_ranked(ledger: Path) -> None:
    db = sqlite3.connect(ledger)
    for ident, origin, klass in (("e0901", "imported", 1), ("e0902", "submit", 2)):
        add(db, "experiments", id=ident, campaign=1, origin=origin, kind="code", description="lucky", stage="done", verdict="keep",
            klass=klass, estimate=0.1, raw=0.1, stderr=0.1, runs=1, created=START)  # fmt: skip
    db.commit()
    with Reader(ledger) as reader:
        assert not {"e0901", "e0902"} & {e.id for e in reader.top(reader.campaign(), 1, 100)}


def test_a_board_over_many_rows_is_an_index_not_a_sort(ledger: Path) -> None:
    db = sqlite3.connect(ledger)
    plan = db.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM experiments WHERE campaign=1 AND estimate IS NOT NULL AND klass IS 1 AND "
        "origin!='imported' AND (verdict='keep' OR origin='baseline' OR id='e0009') ORDER BY estimate ASC, bound LIMIT 10"
    ).fetchall()
    assert any("experiments_by_estimate" in row[3] for row in plan)


def test_repeats_are_experiments_measured_more_than_once(ledger: Path) -> None:
    with Reader(ledger) as reader:
        campaign = reader.campaign()
        groups = reader.repeats(campaign, 1)
        assert all(len(g) > 1 for g in groups)
        expected = reader.value(
            "SELECT COUNT(*) FROM (SELECT 1 FROM runs WHERE status='finished' GROUP BY experiment HAVING COUNT(*)>1)"
        )
        assert len(groups) == expected
        assert reader.repeats(campaign, 99) == []


def test_the_nearest_promoted_ancestor(ledger: Path) -> None:
    with Reader(ledger) as reader:
        campaign = reader.campaign()
        promotions = reader.promotions(1)
        assert promotions, "the made night promotes"
        assert reader.standing_on(1, str(campaign.best)) == campaign.best
        child = reader.value("SELECT id FROM experiments WHERE parent=?", promotions[0].experiment)
        if child is not None and child not in {p.experiment for p in promotions}:
            assert reader.standing_on(1, child) == promotions[0].experiment
        assert reader.standing_on(1, "e0001") is None


def test_events_come_in_order_and_by_kind(ledger: Path) -> None:
    with Reader(ledger) as reader:
        newest = reader.events(1, newest=5)
        assert [e.seq for e in newest] == sorted(e.seq for e in newest)
        assert reader.events(1, after=newest[-1].seq) == []
        assert {e.kind for e in reader.events(1, ("promoted", "baseline"))} == {"promoted", "baseline"}


def test_runs_under_way_and_queues(ledger: Path) -> None:
    db = sqlite3.connect(ledger)
    add(
        db,
        "experiments",
        id="e0801",
        campaign=1,
        agent="gpu0-claude",
        origin="submit",
        kind="code",
        description="x",
        stage="bound",
        created=START,
    )
    add(
        db,
        "experiments",
        id="e0802",
        campaign=1,
        agent="gpu0-claude",
        origin="submit",
        kind="code",
        description="x",
        stage="queued",
        created=START,
    )
    add(db, "experiments", id="e0803", campaign=1, agent="gpu1-codex", origin="stack", kind="code", description="x", stage="queued",
        rebase_onto="e0009", created=START)  # fmt: skip
    add(
        db,
        "runs",
        id=9001,
        experiment="e0801",
        purpose="screen",
        seed=1,
        slot="0",
        klass=1,
        status="running",
        attempt=1,
        queued=START,
        started=START,
    )
    db.commit()
    with Reader(ledger) as reader:
        assert [(r.experiment, a) for r, a in reader.going(1)] == [("e0801", "gpu0-claude")]
        assert reader.waiting(1) == {"gpu0-claude": 1, "gpu1-codex": 1}
        assert reader.rebasing(1) == {"gpu1-codex"}


def test_no_ledger_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="nothing recorded") as error:
        Reader(tmp_path / "results.db")
    assert "swarm spawn" in error.value.hint


def test_a_reader_cannot_write(ledger: Path) -> None:
    with Reader(ledger) as reader, pytest.raises(sqlite3.OperationalError, match=re.compile("readonly|read-only")):
        reader.db.execute("DELETE FROM events")


def test_a_ledger_that_is_just_being_made_is_none_yet(tmp_path: Path) -> None:
    """Eight spawns at once met the file a moment before its tables."""
    path = tmp_path / "results.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        with pytest.raises(SwarmError, match="nothing recorded here yet"):
            open_reader(path)
