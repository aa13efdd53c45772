"""What was acknowledged is there, as it was acknowledged, and once."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.soak.heard import Diary
from tests.soak.pinned import Hub

ORIGIN = {"submitted": "submit", "tried": "try"}
TEXT = 4000  # characters of what an agent is told that are kept

Done = tuple[str, str, str]  # promoted, undone or told; of whom; what


def everything(db: sqlite3.Connection, hub: Hub, diary: Diary) -> Iterator[str]:
    yield from submissions(db, hub, diary)
    yield from verbs(db, diary)


def submissions(db: sqlite3.Connection, hub: Hub, diary: Diary) -> Iterator[str]:
    """Each acknowledged submission: its row, one event, its commit, and in this the very bytes."""
    rows = {i: (o, c) for i, o, c in db.execute("SELECT id, origin, submitted FROM experiments")}
    events = Counter(i for (i,) in db.execute("SELECT experiment FROM events WHERE kind='submitted'"))
    heard: dict[str, dict[str, str]] = {}
    wanted = [(str(e["experiment"]), path) for e in diary.entries("submitted", "tried") for path in e["files"]]
    there = hub.files([(str(rows[i][1]), path) for i, path in wanted if i in rows])
    for entry in diary.entries("submitted", "tried"):
        ident, files = str(entry["experiment"]), dict(entry["files"])
        if heard.setdefault(ident, files) != files:
            yield f"{ident} was acknowledged for two different files"
            continue
        if ident not in rows:
            yield f"{ident} was acknowledged to {entry.get('who')} and is not in the ledger"
            continue
        origin, commit = rows[ident]
        if origin != ORIGIN[entry["did"]]:
            yield f"{ident} was acknowledged as {entry['did']} and stands there as {origin}"
        if events[ident] != 1:
            yield f"{ident} was submitted once and the ledger tells of it {events[ident]} times"
            events[ident] = 1
        for path, digest in files.items():
            data = there.get((str(commit), path))
            if data is None:
                yield f"{path} of {ident} cannot be read in its commit {commit}"
            elif hashlib.sha256(data).hexdigest() != digest:
                yield f"{path} of {ident} is not what was submitted"


def verbs(db: sqlite3.Connection, diary: Diary) -> Iterator[str]:
    """Promotions, undos and what was told: all there, in each writer's order, none doubled."""
    there = list(_done(db))
    for writer, entries in diary.writers.items():
        at = 0
        for entry in entries:
            if entry["did"] not in ("promoted", "undone", "told"):
                continue
            wanted = _wanted(entry)
            place = next((n for n in range(at, len(there)) if there[n] & wanted), None)
            if place is None:
                yield f"{_words(entry)}, acknowledged to {writer}, is not in the ledger (or not in that order)"
            else:
                at = place + 1
    for key, promised, unanswered in _promises(diary):
        count = len([1 for done in there if key in done])
        if count < promised or (key[0] == "told" and count > promised + unanswered):
            yield f"{' '.join(key)}: acknowledged {promised} times, {count} times in the ledger"


def _done(db: sqlite3.Connection) -> Iterator[set[Done]]:
    """What persons did, in the ledger's order. An undo goes by what it left or by what became best."""
    listing = (
        "SELECT kind, agent, experiment, data FROM events WHERE kind IN ('promoted', 'withdrawn', 'told') ORDER BY seq"
    )
    for kind, agent, experiment, text in db.execute(listing):
        data = json.loads(text)
        if kind == "told":
            yield {("told", agent, data["text"])}
        elif data.get("by") == "person" and kind == "promoted":
            yield {("promoted", experiment, "")}
        elif data.get("by") == "person":
            yield {("undone", experiment, ""), ("undone", data["to"], "")}


def _wanted(entry: dict[str, Any]) -> set[Done]:
    did = entry.get("what") if entry["did"] == "asked" else entry["did"]
    if did == "told":
        return {("told", str(entry["agent"]), str(entry["text"])[:TEXT])}
    return {(str(did), str(entry.get("experiment")), "")}


def _promises(diary: Diary) -> Iterator[tuple[Done, int, int]]:
    """Each thing with how often it was acknowledged, and how often it was asked for and never answered."""
    acknowledged = Counter(d for e in diary.entries("promoted", "told") for d in _wanted(e))
    unanswered = Counter(d for e in diary.entries("asked") if e["what"] != "told" or "text" in e for d in _wanted(e))
    for key, count in acknowledged.items():
        yield key, count, unanswered[key]


def _words(entry: dict[str, Any]) -> str:
    return " ".join(str(entry[name])[:60] for name in ("did", "experiment", "agent", "text") if name in entry)
