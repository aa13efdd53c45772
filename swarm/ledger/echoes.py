"""Earlier experiments that a new change repeats or undoes: candidates by the words of their diffs, judged by the diffs."""

from __future__ import annotations

import re

from swarm.ledger.search import Asked, Found, experiment_of, query
from swarm.research import echoes

LOOKED = (
    150  # diffs read from each end of what matches; a long campaign holds thousands with the same constant beside it
)
TOLD = 2  # of each kind
WORD = re.compile(r"\w+(?:\.\w+)*")


def of(ledger: Asked, ident: str) -> list[tuple[str, Found]]:
    """`("repeats" or "undoes", the earlier experiment)`, the newest first, at most TOLD of each.

    Undone is only what was kept: a discarded change is in nobody's file. What was never measured is no result to tell of.
    """
    rows = ledger.rows("SELECT patch FROM experiments WHERE id=?", ident)
    mine = echoes.change_of(rows[0][0]) if rows else echoes.Change()
    if mine.empty:
        return []
    found: list[tuple[str, Found]] = []
    count = {"repeats": 0, "undoes": 0}
    for other, patch, verdict in _candidates(ledger, ident, rows[0][0], mine):
        theirs = echoes.change_of(patch)
        word = (
            "repeats" if echoes.repeats(mine, theirs) else "undoes" if verdict == "keep" and echoes.undoes(mine, theirs) else ""
        )  # fmt: skip
        if word and count[word] < TOLD:
            count[word] += 1
            earlier = experiment_of(ledger, other)
            found += [(word, earlier)] if earlier is not None else []
        if min(count.values()) == TOLD:
            break
    return found


def _candidates(ledger: Asked, ident: str, patch: str, mine: echoes.Change) -> list[tuple[str, str, str | None]]:
    """Judged experiments whose diffs hold all that this one's holds, the newest first."""
    asked = [_phrase(text) for text in echoes.phrases(patch)]
    if not any(asked):
        return []
    match = "patch : (" + " AND ".join(a for a in asked if a) + ")"
    rowids: set[int] = set()
    for order in ("DESC", "ASC"):  # by its number: FTS5 stops at the limit
        sql = f"SELECT rowid FROM words WHERE words MATCH ? AND rowid>0 ORDER BY rowid {order} LIMIT ?"
        rowids |= {int(row) for (row,) in ledger.rows(sql, match, LOOKED)}
    if mine.constants:  # what moved the first one away: `-NAME = a` above `+NAME = b`, wherever in the campaign
        name, (_, after) = min(mine.constants.items())
        moved = f'patch : "{name} {_words(after)} {name}"'
        sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid>0 ORDER BY rowid DESC LIMIT ?"
        rowids |= {int(row) for (row,) in ledger.rows(sql, moved, LOOKED)}
    idents = [f"e{row // 2:04d}" for row in sorted(rowids, reverse=True) if row % 2 == 0]
    rows = []
    for other in idents:
        sql = "SELECT id, patch, verdict FROM experiments WHERE id=? AND verdict IN ('keep','discard','crash') AND origin!='stack'"
        rows += ledger.rows(sql, other) if other != ident else []
    return [row for row in rows if _touches(row[1] or "", mine)]


def _touches(patch: str, mine: echoes.Change) -> bool:
    """Whether a diff sets the constants, too: most that match only have them beside what they change."""
    return all(re.search(rf"^[-+]{re.escape(name)}\b", patch, re.M) for name in mine.constants)


def _phrase(text: str) -> str:
    """The words of a line in this order, for FTS5; empty where there is none."""
    words = _words(text)
    return f'"{words}"' if words and query(words) is not None else ""


def _words(text: str) -> str:
    return " ".join(WORD.findall(text))
