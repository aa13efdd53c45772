"""Opening the ledger's file: for the one writer, or read-only for everybody else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from swarm.errors import SwarmError

VERSION = 1
MOVE = "Move it away, then give the command again."
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
    return db


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
    if check(db, path) == VERSION:
        return
    from importlib import resources  # half as long to load as SQLite; who only reads does without

    schema = resources.files("swarm.ledger").joinpath("schema.sql").read_text()
    db.executescript(f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version={VERSION};\nCOMMIT;")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
