"""A ledger that an older swarm wrote: read as it is, and brought up to date by the one that writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from swarm.errors import SwarmError
from swarm.ledger.connection import VERSION, open_reader, open_writer
from swarm.ledger.ledger import Ledger
from swarm.research.experiment import Experiment

OLD = Path(__file__).with_name("version1.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    db = sqlite3.connect(path)
    db.executescript(OLD.read_text())
    db.execute("PRAGMA user_version=1")
    db.execute(
        "INSERT INTO campaigns (id, name, task, stop, state, metric, better, created) "
        "VALUES (1, 'c', '{}', '{}', 'ended', 'm', 'lower', 0)"
    )
    db.execute(
        "INSERT INTO experiments (id, campaign, origin, kind, description, stage, verdict, created) "
        "VALUES ('e0001', 1, 'submit', 'const', 'warm', 'done', 'keep', 0)"
    )
    db.commit()
    db.close()
    return path


def shape(db: sqlite3.Connection) -> dict[str, object]:
    """Tables with their columns and checks, indexes, triggers, views, without blanks and comments."""
    found: dict[str, object] = {}
    for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"):
        columns = sorted(row[1:] for row in db.execute(f'PRAGMA table_info("{name}")')) if kind == "table" else None
        found[name] = columns if columns is not None else " ".join(sql.split())
    checked = db.execute("SELECT sql FROM sqlite_schema WHERE name='experiments'").fetchone()[0]
    return {**found, "origins": checked[checked.index("CHECK (origin") :].split(")")[0]}


def test_brought_up_to_date_it_is_as_if_new(old: Path, tmp_path: Path) -> None:
    new = open_writer(tmp_path / "new.db")
    mended = open_writer(old)
    assert shape(mended) == shape(new)
    assert mended.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert mended.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert mended.execute("SELECT description FROM experiments").fetchall() == [("warm",)]
    mended.execute("UPDATE experiments SET origin='wave'")
    with pytest.raises(sqlite3.IntegrityError):
        mended.execute("UPDATE experiments SET origin='nothing'")


def test_who_reads_leaves_the_file_alone(old: Path) -> None:
    before = old.read_bytes()
    db = open_reader(old)
    assert db.execute("SELECT id, expect_p FROM experiments").fetchall() == [("e0001", None)]
    assert db.execute("SELECT COUNT(*) FROM ideas").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError):
        db.execute("UPDATE experiments SET description='cold'")
    assert old.read_bytes() == before


def test_records_and_words_are_there(old: Path) -> None:
    ledger = Ledger(old)
    assert ledger.experiment("e0001") == ledger.one(Experiment, "WHERE id='e0001'")
    ledger.add("ideas", campaign=1, text="colder", state="open", at=0.0)
    ledger.add("pages", campaign=1, name="heat", version=1, text="cold helps", at=0.0)
    ledger.add("pages", campaign=1, name="heat", version=2, text="warm helps", at=1.0)
    rows = ledger.rows("SELECT rowid FROM words WHERE words MATCH 'colder OR warm OR cold' ORDER BY rowid")
    assert rows == [(-4,), (-3,), (2,)]


def test_a_step_that_fails_leaves_the_old_ledger(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = sqlite3.connect(old)
    db.execute("CREATE TABLE ideas (x)")  # something in the way
    db.commit()
    before = list(db.iterdump())
    with pytest.raises(SwarmError):
        open_writer(old)
    assert list(db.iterdump()) == before
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
