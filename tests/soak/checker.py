"""The independent checker: what must be true of a workspace whose campaign has ended, whatever happened before.

It knows the ledger's file, the hub, the folder and the driver's diaries, and imports nothing of the swarm. What it
believes of the tables it learns from `swarm/ledger/schema.sql`.

    python -m tests.soak.checker WORKSPACE DIARIES
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.soak import leftover, promised, reckoned, recorded
from tests.soak.heard import Diary
from tests.soak.pinned import Hub, pinned

SCHEMA = Path(__file__).parents[2] / "swarm" / "ledger" / "schema.sql"
MOST = 20  # findings told of one kind; the rest is counted

Claim = Callable[[], Iterable[str]]


def check(workspace: Path, diaries: Path) -> list[str]:
    """What is wrong, in plain words; empty when all is well. `diaries`: the folder with a file *.jsonl per writer."""
    hidden = workspace / ".swarm"
    diary = Diary.read(diaries)
    # leftovers first: opening the ledger makes files of its own
    found = [*told("leftover", lambda: leftover.everything(workspace)), *diary.trouble]
    if not (hidden / "results.db").is_file():
        return [*found, f"there is no ledger in {hidden}"]
    db = sqlite3.connect(f"{(hidden / 'results.db').resolve().as_uri()}?mode=ro", uri=True)
    hub = Hub(hidden / ".git")
    claims: dict[str, Claim] = {
        "whole": lambda: whole(db),
        "recorded": lambda: recorded.everything(db, hidden / "runs"),
        "reckoned": lambda: reckoned.everything(db),
        "pinned": lambda: pinned(db, hub, diary.faults),
        "promised": lambda: promised.everything(db, hub, diary),
    }
    try:
        for name, claim in claims.items():
            found += told(name, claim)
    finally:
        db.close()
    return found


def told(name: str, claim: Claim) -> list[str]:
    """The findings of one kind, bounded. A look that fails is a finding: it has proved nothing."""
    found: list[str] = []
    try:
        found += claim()
    except Exception as error:
        found.append(f"the look at what is {name} failed: {type(error).__name__}: {error}")
    more = len(found) - MOST
    return [*found[:MOST], f"{name}: and {more} more of this kind"] if more > 0 else found


def whole(db: sqlite3.Connection) -> Iterator[str]:
    """The file itself: readable to the last page, its references right, its tables and triggers those of the schema."""
    for (line,) in db.execute("PRAGMA integrity_check").fetchall():
        if line != "ok":
            yield f"the ledger is damaged: {line}"
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall():
        yield f"{table} row {row} names a row of {parent} that is not there"
    fresh = sqlite3.connect(":memory:")
    for part in (SCHEMA, SCHEMA.with_name("version2.sql")):
        fresh.executescript(part.read_text())
    listing = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
    there, wanted = ({(t, n): s for t, n, s in d.execute(listing)} for d in (db, fresh))
    fresh.close()
    for kind, name in sorted(there.keys() | wanted.keys()):
        if there.get((kind, name)) != wanted.get((kind, name)):
            yield f"the {kind} {name} of the ledger is not that of the schema"


if __name__ == "__main__":
    words = check(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(words) or "nothing is wrong")
    sys.exit(bool(words))
