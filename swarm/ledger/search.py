"""Recall: earlier experiments and notes by their words, the best match first. SQLite's FTS5 does the work."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from swarm.research.patch import in_words, names

WORD = re.compile(r"\w+(?:\.\w+)*")  # 0.028 is one word, MATRIX_LR too
MOST_WORDS = 40
LONGEST = 100  # characters of a word
# how much a match says: description, hypothesis, patch (its context lines too), verdict and why, note
WEIGHTS = (6.0, 3.0, 1.0, 1.5, 5.0)
SHELF = 0  # the campaign of what was imported
ALIKE = 0.6  # share of the words of the shorter description
LITTLE = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "more",
        "less",
        "of",
        "on",
        "or",
        "the",
        "this",
        "to",
        "try",
        "with",
    ]
)
COLUMNS = (
    "id, campaign, agent, description, hypothesis, patch, verdict, reason, raw, estimate, stderr, runs, p_better, parent_m, "
    "dropped, judged_at"
)


class Asked(Protocol):
    """A ledger or a reader of one."""

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class Found:
    """An experiment, or a note (`experiment` None, `description` its text).

    `delta`: estimate minus its parent's, in the metric's own units; None where nothing was measured.
    """

    experiment: str | None
    campaign: int
    agent: str | None
    description: str
    hypothesis: str | None = None
    changed: str = ""
    verdict: str | None = None
    reason: str | None = None
    score: float | None = None
    delta: float | None = None
    stderr: float | None = None
    runs: int = 0
    p_better: float | None = None
    dropped: bool = False
    names: frozenset[str] = frozenset()


def query(text: str) -> str | None:
    """A legal FTS5 query for any text: any of its words. None when it has no word."""
    words = dict.fromkeys(w[:LONGEST] for w in WORD.findall(text))
    quoted = [f'"{w}"' for w in words if _storable(w)]
    return " OR ".join(quoted[:MOST_WORDS]) or None


def search(ledger: Asked, text: str, n: int = 8) -> list[Found]:
    """The `n` experiments and notes that match best, of all campaigns of this ledger."""
    asked = query(text)
    if asked is None:
        return []
    sql = f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, {', '.join(map(str, WEIGHTS))}), rowid LIMIT ?"
    found = (_found(ledger, int(row)) for (row,) in ledger.rows(sql, asked, n))
    return [f for f in found if f is not None]


def similar(ledger: Asked, ident: str, n: int = 3) -> list[Found]:
    """Earlier experiments that changed the same constants, or whose description says much the same.

    A hint, never a reason to refuse: two descriptions may be alike and the changes not.
    """
    me = _experiment(ledger, ident)
    if me is None:
        return []
    near = search(ledger, " ".join([me.description, *me.names]), 12 + n)
    others = (f for f in near if f.experiment and f.experiment != ident)
    return [f for f in others if _alike(me, f)][:n]


def _alike(a: Found, b: Found) -> bool:
    if a.names and a.names == b.names:
        return True
    mine, theirs = _words(a.description), _words(b.description)
    shorter = min(len(mine), len(theirs))
    return shorter >= 2 and len(mine & theirs) >= ALIKE * shorter


def _words(text: str) -> set[str]:
    return {w.lower() for w in WORD.findall(text)} - LITTLE


def _storable(word: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in word)


def _found(ledger: Asked, rowid: int) -> Found | None:
    if rowid % 2 == 0:
        return _experiment(ledger, f"e{rowid // 2:04d}")
    rows = ledger.rows("SELECT campaign, agent, text FROM notes WHERE id=?", rowid // 2)
    return Found(None, *rows[0]) if rows else None


def _experiment(ledger: Asked, ident: str) -> Found | None:
    rows = ledger.rows(f"SELECT {COLUMNS} FROM experiments WHERE id=?", ident)
    if not rows:
        return None
    (e, campaign, agent, description, hypothesis, patch, verdict, reason, raw, estimate, stderr, runs, p, parent_m, dropped,
     _) = rows[0]  # fmt: skip
    measured = runs > 0 and estimate is not None and verdict != "crash"
    elsewhere = campaign == SHELF and verdict != "crash"
    delta = estimate - parent_m if measured and parent_m is not None else None
    return Found(
        e, campaign, agent, description, hypothesis, in_words(patch), verdict, reason, raw if measured or elsewhere else None, delta,
        stderr if measured else None, runs, p, bool(dropped), names(patch),
    )  # fmt: skip


def told(found: Found, better: str = "lower") -> str:
    """One line: what it changed, by how much, how sure."""
    if found.experiment is None:
        return f"note by {found.agent or 'a person'}: {_short(found.description, 400)}"
    what = _short(found.description, 160)
    if found.changed and found.changed not in what:
        what = f"{what} [{_short(found.changed, 160)}]"
    return f"{found.experiment} {_outcome(found, better)}: {what}"


def _outcome(found: Found, better: str) -> str:
    if found.campaign == SHELF:  # measured by others, who knows where
        score = f" ({found.score:.6g} there)" if found.score is not None else ""
        return f"{_short(found.reason or 'imported', 120)}, {found.verdict or 'no result'}{score}"
    if found.verdict is None:
        return "not judged yet" if not found.runs else "the baseline"
    if found.delta is None:
        why = "" if not found.reason else f" ({_short(_first(found.reason.splitlines()), 100)})"
        return f"{found.verdict}{why}"
    good = found.delta < 0 if better == "lower" else found.delta > 0
    sure = f", P(better) {found.p_better:.2f}" if found.p_better is not None else ""
    held = ", did not hold when measured again" if found.dropped else ""
    size = f"{abs(found.delta):.4f} ± {found.stderr or 0:.4f} {'better' if good else 'worse'} than what it changed"
    return f"{found.verdict}, {size}{sure}, {found.runs} run{'s' * (found.runs != 1)}{held}"


def _first(lines: Iterable[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
