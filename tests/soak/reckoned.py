"""Verdicts and estimates reckoned again from the scores alone, in the order in which these were told."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

FLOOR = 1e-6  # the least spread of a run
TIE = (0.45, 0.55)


@dataclass
class Known:
    """The losses of one campaign and hardware class so far, and the spread of repeated ones."""

    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    squares: dict[str, float] = field(default_factory=dict)
    free: int = 0

    def add(self, ident: str, loss: float) -> None:
        group = self.losses[ident]
        group.append(loss)
        mean = math.fsum(group) / len(group)
        self.squares[ident] = math.fsum((x - mean) ** 2 for x in group)
        self.free += len(group) > 1

    @property
    def sd(self) -> float:
        return max(FLOOR, math.sqrt(math.fsum(self.squares.values()) / self.free)) if self.free else FLOOR


@dataclass(frozen=True)
class Judged:
    verdict: str
    parent: str | None
    p: float | None
    parent_m: float | None
    parent_v: float | None
    lines: int
    reason: str


def everything(db: sqlite3.Connection) -> Iterator[str]:
    yield from verdicts(db)
    yield from means(db)


def verdicts(db: sqlite3.Connection) -> Iterator[str]:
    """Each keep and discard follows from the scores that were there when it was said."""
    signs = {c: 1.0 if better == "lower" else -1.0 for c, better in db.execute("SELECT id, better FROM campaigns")}
    runs = {
        r: (e, k, s)
        for r, e, k, s in db.execute(
            "SELECT id, experiment, klass, score FROM runs WHERE status='finished' AND score IS NOT NULL"
        )
    }
    columns = "id, verdict, parent, p_better, parent_m, parent_v, lines, COALESCE(reason, '')"
    experiments = {
        row[0]: Judged(*row[1:])
        for row in db.execute(f"SELECT {columns} FROM experiments WHERE verdict IN ('keep', 'discard')")
    }
    parents = dict(db.execute("SELECT id, parent FROM experiments").fetchall())
    known: dict[tuple[int, int], Known] = defaultdict(Known)
    waiting: set[str] = set()  # judged; the run that it was judged by is told next
    listing = "SELECT campaign, kind, experiment, data FROM events WHERE kind IN ('judged', 'measured') ORDER BY seq"
    for campaign, kind, ident, text in db.execute(listing):
        data = json.loads(text)
        if kind == "judged":
            if data.get("verdict") in ("keep", "discard"):
                waiting.add(ident)
            continue
        if data.get("run") not in runs:
            continue
        owner, klass, score = runs[data["run"]]
        state = known[campaign, klass]
        state.add(owner, signs[campaign] * score)
        if ident in waiting and ident in experiments:
            waiting.discard(ident)
            against = next((a for a in ancestors(ident, parents) if state.losses.get(a)), None)
            yield from follows(ident, experiments[ident], state, signs[campaign], against)
    for ident in sorted(waiting):
        yield f"{ident} was judged and no result came with it"


def ancestors(ident: str, parents: dict[str, str | None]) -> Iterator[str]:
    """The parent first. One that a person promoted unseen may have no result: then the next one is what counts."""
    at = parents.get(ident)
    while at is not None:
        yield at
        at = parents.get(at)


def follows(ident: str, e: Judged, known: Known, sign: float, against: str | None) -> Iterator[str]:
    """p from the runs' mean, the stored belief of the parent and the noise of then; the word from p."""
    if e.p is None or e.parent_m is None or e.parent_v is None:
        yield f"{ident} was judged ({e.verdict}) without the numbers it was judged by"
        return
    sd, mine = known.sd, known.losses[ident]
    parent = sign * e.parent_m
    difference = math.fsum(mine) / len(mine) - parent
    spread = math.sqrt(sd * sd / len(mine) + e.parent_v)
    p = 0.5 * math.erfc(difference / (spread * math.sqrt(2.0)))
    if abs(p - e.p) > 1e-6:
        yield f"{ident} has P(better) {e.p:.6f}; its score and its parent's give {p:.6f}"
    if against is None:
        yield f"{ident} was judged against {e.parent}, which had no result"
        return
    theirs = known.losses[against]
    own = sd / math.sqrt(len(theirs))
    if abs(parent - math.fsum(theirs) / len(theirs)) > own * (1 + 1e-6) + 1e-12 or e.parent_v > own * own * (1 + 1e-6):
        yield f"{ident} was judged against a belief in {against} that its runs do not bear"
    over_limit = "is over the limit of" in e.reason
    tie = TIE[0] < p < TIE[1] and e.lines != 0
    better = e.lines < 0 if tie else p >= 0.5
    if e.verdict != ("keep" if better and not over_limit else "discard"):
        yield f"{ident} was judged {e.verdict}; its score and its parent's say otherwise (P {p:.4f})"


def means(db: sqlite3.Connection) -> Iterator[str]:
    """The number of runs and the mean shown for each experiment are those of its finished runs."""
    listing = (
        "SELECT e.id, e.runs, e.raw, COUNT(r.score), AVG(r.score) FROM experiments e LEFT JOIN runs r ON r.experiment=e.id "
        "AND r.status='finished' AND r.klass=e.klass WHERE e.origin != 'imported' GROUP BY e.id"
    )
    for ident, runs, raw, count, mean in db.execute(listing):
        if runs != count:
            yield f"{ident} says it has {runs} runs; {count} are finished"
        elif count and (raw is None or not math.isclose(raw, mean, rel_tol=1e-9, abs_tol=1e-12)):
            yield f"{ident} shows {raw}; the mean of its runs is {mean}"
