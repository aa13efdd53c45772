"""Opening the ledger's file: for the one writer, or read-only for everybody else."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from swarm.errors import SwarmError

VERSION = 2
MOVE = "Move it away, then give the command again."
# What version 2 changed of the tables of version 1. A CHECK is only words in the schema: no row has to move
# (sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").
FROM_1 = """
ALTER TABLE experiments ADD COLUMN expect_p REAL;
PRAGMA writable_schema=ON;
UPDATE sqlite_schema SET sql = replace(sql, '''promote'',''imported''', '''promote'',''imported'',''wave'',''blank''')
WHERE name = 'experiments' AND type = 'table';
"""
DAMAGED = ("malformed", "not a database", "disk I/O error", "is locked", "is full", "readonly", "unable to open")


def open_writer(path: Path) -> sqlite3.Connection:
    """The coordinator's connection: WAL, every commit on the disk before it returns. Makes the file when absent.

    Raises SwarmError when the file cannot be written or was made by a newer swarm.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA busy_timeout=5000")
        check(db, path)  # what is not ours is left as it is
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA foreign_keys=ON")
        _migrate(db, path)
        _write_nothing(db)
    except sqlite3.Error as error:
        raise SwarmError(f"cannot write the ledger {path}: {error}", _todo(path, error)) from None
    return db


def _write_nothing(db: sqlite3.Connection) -> None:
    """SQLite opens a file that may only be read as gladly as another one: find out now, not in mid-story."""
    db.executescript(f"BEGIN IMMEDIATE; PRAGMA user_version={VERSION}; ROLLBACK")


class Unmade(SwarmError):
    """There is no ledger, or a coordinator is just making it."""

    def __init__(self) -> None:
        super().__init__("nothing recorded here yet.", "Start one: swarm spawn --gpus 8 --agents tuner")


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection.

    Raises Unmade when there is no ledger, SwarmError when it cannot be read.
    """
    if not path.exists():
        raise Unmade
    try:
        db = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None)
        db.execute("PRAGMA busy_timeout=5000")
        version = check(db, path)
    except sqlite3.Error as error:
        raise SwarmError(f"cannot read the ledger {path}: {error}", _todo(path, error)) from None
    if version == 0:  # the file is there a moment before its tables are
        db.close()
        raise Unmade
    return db if version == VERSION else _renewed(db, path)


def _renewed(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """An older file as this program would have it, in memory: who only reads changes nothing of it."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(db):
        db.backup(copy)
    _migrate(copy, path)
    copy.execute("PRAGMA query_only=ON")
    return copy


def check(db: sqlite3.Connection, path: Path) -> int:
    """The version of the file. Raises SwarmError when this program is too old for it."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise SwarmError(
            f"{path} was written by a newer swarm (version {version}; this one reads {VERSION}).", "Update swarm."
        )
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if "campaigns" not in tables and (tables or version):
        raise SwarmError(f"{path} is a database of something else, not a ledger of swarm.", MOVE)
    return version


def damage(error: Exception) -> SwarmError | None:
    """An error of SQLite in the middle of things, as a sentence; None for what is a fault of ours."""
    text = str(error)
    if not isinstance(error, sqlite3.DatabaseError) or not any(words in text for words in DAMAGED):
        return None
    return SwarmError(f"the ledger (.swarm/results.db): {text}.", _todo(None, error))


def _todo(path: Path | None, error: Exception) -> str:
    text = str(error)
    if path is not None and path.exists() and not path.is_file():
        return MOVE
    if "not a database" in text or "malformed" in text:
        return "The file is damaged. Put a copy of it back, or move it away and begin anew: swarm spawn"
    if "locked" in text:
        return "Another program holds it open for writing: close that one."
    return "Is the disk full, or the folder read-only?"


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    if (found := check(db, path)) == VERSION:
        return
    from importlib import resources  # half as long to load as SQLite; who only reads does without

    files = resources.files("swarm.ledger")
    first = files.joinpath("schema.sql").read_text() if found == 0 else FROM_1
    second = files.joinpath("version2.sql").read_text()
    try:
        db.executescript(f"BEGIN IMMEDIATE;\n{first}\n{second}\nPRAGMA user_version={VERSION};\nCOMMIT;")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    finally:
        db.execute("PRAGMA writable_schema=RESET")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
