"""Recall: earlier experiments, notes, ideas and pages by their words, the best match first. SQLite's FTS5 does the work."""

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
    "dropped, judged_at, klass"
)


class Asked(Protocol):
    """A ledger or a reader of one."""

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class Found:
    """An experiment; or (`experiment` None, `description` its text) what `what` says: a note, an idea, a page.

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
    where: str | None = None  # the hardware class
    what: str = ""  # `note`, `idea 12, open`, `page warmdown (version 3)`; empty for an experiment


def query(text: str) -> str | None:
    """A legal FTS5 query for any text: any of its words. None when it has no word."""
    words = dict.fromkeys(w[:LONGEST] for w in WORD.findall(text))
    quoted = [f'"{w}"' for w in words if _storable(w)]
    return " OR ".join(quoted[:MOST_WORDS]) or None


def search(ledger: Asked, text: str, n: int = 8) -> list[Found]:
    """The `n` experiments, notes, ideas and pages that match best, of all campaigns of this ledger."""
    return _matching(ledger, query(text), n)


def written(ledger: Asked, ident: str, n: int = 2) -> list[Found]:
    """Notes, ideas and pages that name a constant which this experiment changes."""
    me = experiment_of(ledger, ident)
    asked = query(" ".join(f'"{name}"' for name in sorted(me.names))) if me else None
    return _matching(ledger, f"note : ({asked})", n) if asked else []


def _matching(ledger: Asked, asked: str | None, n: int, only: str = "") -> list[Found]:
    """`only`: a condition on the rowid."""
    if asked is None:
        return []
    rank = f"bm25(words, {', '.join(map(str, WEIGHTS))})"
    rows = ledger.rows(f"SELECT rowid FROM words WHERE words MATCH ? {only} ORDER BY {rank}, rowid LIMIT ?", asked, n)
    found = (_found(ledger, int(row)) for (row,) in rows)
    return [f for f in found if f is not None]


def similar(ledger: Asked, ident: str, n: int = 3) -> list[Found]:
    """Earlier experiments that changed the same constants, or whose description says much the same.

    A hint, never a reason to refuse: two descriptions may be alike and the changes not.
    """
    me = experiment_of(ledger, ident)
    if me is None:
        return []
    near = _matching(ledger, query(" ".join([me.description, *me.names])), 12 + n, "AND rowid>0")
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
    """See the triggers that fill `words`: an experiment, a note, or (negative) a page, an idea."""
    if rowid < 0:
        return _page(ledger, -rowid // 2) if rowid % 2 == 0 else _idea(ledger, (-rowid - 1) // 2)
    if rowid % 2 == 0:
        return experiment_of(ledger, f"e{rowid // 2:04d}")
    rows = ledger.rows("SELECT campaign, agent, text FROM notes WHERE id=?", rowid // 2)
    return _text(rows[0], "note") if rows else None


def _page(ledger: Asked, ident: int) -> Found | None:
    rows = ledger.rows("SELECT campaign, agent, text, name, version FROM pages WHERE id=?", ident)
    return _text(rows[0], f"page {rows[0][3]} (version {rows[0][4]})") if rows else None


def _idea(ledger: Asked, ident: int) -> Found | None:
    rows = ledger.rows("SELECT campaign, author, text, state, experiment, outcome FROM ideas WHERE id=?", ident)
    if not rows:
        return None
    campaign, author, text, state, experiment, outcome = rows[0]
    came = f" as {experiment}" if experiment else ""
    return _text((campaign, author, text), f"idea {ident}, {state}{came}{f': {outcome}' if outcome else ''}")


def _text(row: tuple[Any, ...], what: str) -> Found:
    """`row` begins with campaign, author and text."""
    return Found(None, row[0], row[1], row[2], what=what)


def experiment_of(ledger: Asked, ident: str) -> Found | None:
    """An experiment as recall tells it; None when there is none."""
    rows = ledger.rows(f"SELECT {COLUMNS} FROM experiments WHERE id=? AND origin!='blank'", ident)
    if not rows:
        return None
    (e, campaign, agent, description, hypothesis, patch, verdict, reason, raw, estimate, stderr, runs, p, parent_m, dropped,
     _, klass) = rows[0]  # fmt: skip
    measured = runs > 0 and estimate is not None and verdict != "crash"
    elsewhere = campaign == SHELF and verdict != "crash"
    delta = estimate - parent_m if measured and parent_m is not None else None
    return Found(
        e, campaign, agent, description, hypothesis, in_words(patch), verdict, reason, raw if measured or elsewhere else None, delta,
        stderr if measured else None, runs, p, bool(dropped), names(patch),
        _class(ledger, klass) if measured else None,
    )  # fmt: skip


def _class(ledger: Asked, klass: int | None) -> str | None:
    rows = ledger.rows("SELECT accelerator, budget FROM classes WHERE id=?", klass)
    return f"{rows[0][0]}, {rows[0][1]}" if rows else None


def told(found: Found, better: str = "lower") -> str:
    """One line: what it changed, by how much, how sure."""
    if found.experiment is None:
        return f"{found.what} by {found.agent or 'a person'}: {_short(found.description, 400)}"
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
    where = f" on {found.where}" if found.where else ""
    return f"{found.verdict}, {size}{sure}, {found.runs} run{'s' * (found.runs != 1)}{where}{held}"


def _first(lines: Iterable[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
