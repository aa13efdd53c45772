"""What is once said is never changed, and nothing recorded is deleted: the file itself refuses, whoever asks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.ledger.made import add, connect

NEVER = {
    "a verdict": ("UPDATE experiments SET verdict='discard'", "a verdict never changes"),
    "a verdict taken back": ("UPDATE experiments SET verdict=NULL", "a verdict never changes"),
    "a score": ("UPDATE runs SET score=0.5", "a score never changes"),
    "a score taken back": ("UPDATE runs SET score=NULL", "a score never changes"),
    "an experiment": ("DELETE FROM experiments", "experiments are never deleted"),
    "a run": ("DELETE FROM runs", "runs are never deleted"),
    "a note": ("DELETE FROM notes", "notes are never deleted"),
    "a verdict that is none": ("UPDATE experiments SET verdict='good'", "a verdict never changes|CHECK"),
    "a twin of an attempt": ("INSERT INTO attempts SELECT * FROM attempts", "UNIQUE"),
}


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    made = connect(tmp_path / "results.db")
    add(
        made,
        "campaigns",
        id=1,
        name="c1",
        task="{}",
        stop="{}",
        state="searching",
        metric="m",
        better="lower",
        created=0.0,
    )
    add(
        made, "experiments", id="e0001", campaign=1, origin="submit", kind="const", description="x", stage="done",
        verdict="keep", created=0.0,
    )  # fmt: skip
    add(made, "runs", id=1, experiment="e0001", purpose="screen", seed=1, status="finished", score=1.0, queued=0.0)
    add(made, "attempts", run=1, n=1, slot="0", boot_id="", started=0.0)
    add(made, "notes", campaign=1, text="x", at=0.0)
    return made


@pytest.mark.parametrize("what", NEVER)
def test_it_is_refused_and_stays(db: sqlite3.Connection, what: str) -> None:
    statement, why = NEVER[what]
    before = list(db.iterdump())
    with pytest.raises(sqlite3.IntegrityError, match=why):
        db.execute(statement)
    assert list(db.iterdump()) == before


def test_the_same_said_again_is_no_change(db: sqlite3.Connection) -> None:
    db.execute("UPDATE experiments SET verdict='keep', reason='said again'")
    db.execute("UPDATE runs SET score=1.0, ended=2.0")
