"""The ledger's own story: nothing missing, nothing twice, nothing left open, and best what the promotions say."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ATTEMPTS = 3
UNSTARTED = "not started"  # how the reason of an attempt begins that is not held against its run


def everything(db: sqlite3.Connection, folders: Path) -> Iterator[str]:
    """`folders`: where the attempts' folders are."""
    for look in (numbers, ended, runs, tries, told_once, verdicts, best):
        yield from look(db)
    yield from results(db, folders)


def numbers(db: sqlite3.Connection) -> Iterator[str]:
    """Rows are numbered without a gap: none was lost, none came twice."""
    counted = {
        "experiments": "SELECT CAST(SUBSTR(id, 2) AS INTEGER) FROM experiments", "runs": "SELECT id FROM runs",
        "promotions": "SELECT id FROM promotions", "events": "SELECT seq FROM events",
    }  # fmt: skip
    for table, sql in counted.items():
        there = sorted(n for (n,) in db.execute(sql))
        if there != list(range(1, len(there) + 1)):
            missing = sorted(set(range(1, max(there) + 1)) - set(there))
            yield f"the numbers of {table} have gaps: {', '.join(map(str, missing[:5]))}"
    for seed, count in db.execute("SELECT seed, COUNT(*) FROM runs GROUP BY seed HAVING COUNT(*) > 1"):
        yield f"{count} runs have the seed {seed}"


def ended(db: sqlite3.Connection) -> Iterator[str]:
    """The campaign is over and nothing waits any more."""
    for name, state in db.execute("SELECT name, state FROM campaigns WHERE state != 'ended'"):
        yield f"campaign {name} has not ended ({state})"
    for run, ident, status in db.execute(
        "SELECT id, experiment, status FROM runs WHERE status IN ('queued', 'running')"
    ):
        yield f"run {run} of {ident} is still {status} after the end"
    for name, state in db.execute(
        "SELECT name, state FROM agents WHERE kind NOT IN ('person','house') AND state != 'stopped'"
    ):
        yield f"agent {name} is {state} after the end"
    for ident, stage in db.execute("SELECT id, stage FROM experiments WHERE stage != 'done'"):
        yield f"{ident} is still {stage} after the end"


def runs(db: sqlite3.Connection) -> Iterator[str]:
    """A finished run has one score, one attempt that finished and was told of once; a crashed one has a reason."""
    measured = Counter(json.loads(d)["run"] for (d,) in db.execute("SELECT data FROM events WHERE kind='measured'"))
    finished = Counter(r for (r,) in db.execute("SELECT run FROM attempts WHERE outcome='finished'"))
    for run, status, score, reason in db.execute("SELECT id, status, score, reason FROM runs"):
        if (score is not None) != (status == "finished"):
            yield f"run {run} is {status} and its score is {score}"
        if status == "crashed" and not reason:
            yield f"run {run} crashed without a reason"
        if finished[run] != (status == "finished"):
            yield f"run {run} is {status} and {finished[run]} of its attempts finished"
        if measured[run] > 1 or (measured[run] == 0 and status in ("finished", "crashed")):
            yield f"the result of run {run} ({status}) was counted {measured[run]} times"


def tries(db: sqlite3.Connection) -> Iterator[str]:
    """The attempts of a run: one after the other, at most three, only the last one not lost."""
    listing = "SELECT run, n, outcome, COALESCE(why, ''), ended FROM attempts ORDER BY run, n"
    attempts: dict[int, list[tuple[int, str | None, str, float | None]]] = {}
    for run, *rest in db.execute(listing):
        attempts.setdefault(run, []).append(tuple(rest))
    for run, status, current, reason in db.execute("SELECT id, status, attempt, COALESCE(reason, '') FROM runs"):
        mine = attempts.get(run, [])
        if [n for n, *_ in mine] != list(range(1, len(mine) + 1)) or current != len(mine):
            yield f"the attempts of run {run} are {[n for n, *_ in mine]}, and the run says {current}"
            continue
        if len([1 for _, _, why, _ in mine if not why.startswith(UNSTARTED)]) > ATTEMPTS:
            yield f"run {run} was tried {len(mine)} times"
        for n, outcome, _, end in mine:
            if outcome is None or end is None:
                yield f"attempt {n} of run {run} never ended"
            elif n < len(mine) and outcome != "lost":
                yield f"attempt {n} of run {run} is {outcome}, and yet another one followed"
        last = mine[-1][1] if mine else None
        fits: dict[str, tuple[str | None, ...]] = {
            "finished": ("finished",),
            "crashed": ("lost", None) if reason.startswith("machine: ") else ("crashed",),
            "cancelled": ("cancelled", "lost", None),
        }
        if (last is not None and last not in fits.get(status, (last,))) or (status == "finished" and last is None):
            yield f"run {run} is {status} and its last attempt {last}"


def told_once(db: sqlite3.Connection) -> Iterator[str]:
    """What happens once is told once: a submission, a binding, a verdict; and the rows of best's history as events."""
    for kind in ("submitted", "bound", "judged"):
        doubled = "SELECT experiment, COUNT(*) FROM events WHERE kind=? GROUP BY experiment HAVING COUNT(*) > 1"
        for ident, count in db.execute(doubled, (kind,)):
            yield f"{ident} was {kind} {count} times"
    missing = (
        "SELECT e.id FROM experiments e WHERE e.origin IN ('submit', 'try', 'promote') AND NOT EXISTS "
        "(SELECT 1 FROM events v WHERE v.kind='submitted' AND v.experiment=e.id)"
    )
    for (ident,) in db.execute(missing):
        yield f"nobody is told that {ident} was submitted"
    said = {
        i: json.loads(d).get("verdict")
        for i, d in db.execute("SELECT experiment, data FROM events WHERE kind='judged'")
    }
    listing = "SELECT id, verdict FROM experiments WHERE origin NOT IN ('baseline', 'imported')"
    for ident, verdict in db.execute(listing):
        if verdict != said.get(ident, "cancelled" if verdict == "cancelled" else None):
            yield f"{ident} is {verdict} and was told as {said.get(ident)}"


def verdicts(db: sqlite3.Connection) -> Iterator[str]:
    """No verdict without a result, no result without a verdict."""
    listing = (
        "SELECT e.id, e.origin, e.verdict, e.same_as, e.judged_at, "
        "COALESCE(SUM(r.status='finished'), 0), COALESCE(SUM(r.status='crashed'), 0), "
        "COALESCE(SUM(r.ended=e.judged_at AND r.status=CASE e.verdict WHEN 'crash' THEN 'crashed' ELSE 'finished' END), 0), "
        "EXISTS (SELECT 1 FROM promotions p WHERE p.experiment=e.id AND p.by='person') "
        "FROM experiments e LEFT JOIN runs r ON r.experiment=e.id WHERE e.origin != 'imported' GROUP BY e.id"
    )
    measured = {i for (i,) in db.execute("SELECT experiment FROM runs WHERE status='finished'")}
    for ident, origin, verdict, same_as, at, finished, crashed, judging, by_person in db.execute(listing):
        if origin == "baseline":
            continue
        if verdict is None:
            if finished or crashed or not (origin == "promote" and by_person):  # promoted unseen: never judged
                yield f"{ident} has no verdict after the end"
        elif verdict in ("keep", "discard", "crash"):
            if not judging:
                yield f"{ident} is {verdict} without a result ({finished} finished, {crashed} crashed, judged at {at})"
        elif finished and not by_person:
            yield f"{ident} is {verdict} and was measured all the same"
        if verdict == "answered" and same_as is not None and same_as not in measured:
            yield f"{ident} was answered from {same_as}, which was never measured"


def best(db: sqlite3.Connection) -> Iterator[str]:
    """Best played again from the events, and once more from the promotions that stand."""
    for campaign, name, said, baseline in db.execute(
        "SELECT id, name, best, baseline FROM campaigns WHERE id > 0"
    ).fetchall():
        rows = db.execute(
            "SELECT experiment, previous, by, withdrawn IS NOT NULL FROM promotions WHERE campaign=? ORDER BY id",
            (campaign,),
        ).fetchall()
        listing = "SELECT kind, experiment, data FROM events WHERE campaign=? AND kind IN ('promoted', 'withdrawn') ORDER BY seq"
        moves = [(k, e, json.loads(d)) for k, e, d in db.execute(listing, (campaign,))]
        at = baseline
        for kind, ident, data in moves:
            came_from, goes_to = (data.get("previous"), ident) if kind == "promoted" else (ident, data.get("to"))
            if came_from != at and not (kind == "withdrawn" and goes_to == at):  # several at once lead to the same
                yield f"{ident} was {kind} from {came_from} when best was {at}"
            at = goes_to
        if at != said:
            yield f"best of {name} is {said}; what was promoted and withdrawn leads to {at}"
        standing = [e for e, _, _, gone in rows if not gone]
        if said != (standing[-1] if standing else baseline):
            yield f"best of {name} is {said}; the last promotion that stands is {standing[-1:] or baseline}"
        yield from history(rows, moves)


def history(rows: list[tuple[Any, ...]], moves: list[tuple[str, str, dict[str, Any]]]) -> Iterator[str]:
    """Each promotion has its row and its event."""
    events = [(e, d.get("previous"), d.get("by")) for k, e, d in moves if k == "promoted"]
    if [row[:3] for row in rows] != events:
        yield f"{len(rows)} promotions are recorded and {len(events)} were told, or not the same ones"
    gone, taken_back = Counter(e for e, _, _, g in rows if g), Counter(e for k, e, _ in moves if k == "withdrawn")
    if gone != taken_back:
        yield f"promotions withdrawn: {dict(gone)}; told as withdrawn: {dict(taken_back)}"


def results(db: sqlite3.Connection, folders: Path) -> Iterator[str]:
    """Where the files of an attempt are still there: what it found is what the ledger says."""
    metric = dict(db.execute("SELECT id, metric FROM campaigns").fetchall())
    listing = (
        "SELECT a.run, a.n, a.outcome, r.score, e.campaign FROM attempts a JOIN runs r ON r.id=a.run "
        "JOIN experiments e ON e.id=r.experiment WHERE a.outcome IN ('finished', 'crashed')"
    )
    for run, n, outcome, score, campaign in db.execute(listing):
        folder = folders / f"r{run:06d}-{n}"
        found = result(folder / "result.json")
        if found is not None and (found.get("run"), found.get("attempt"), found.get("outcome")) != (run, n, outcome):
            yield f"run {run}, attempt {n} is {outcome}; its result is of another: {str(found)[:80]}"
        elif found is not None and outcome == "finished" and found.get("score") != score:
            yield f"run {run} has the score {score} and its result says {found.get('score')}"
        printed = last_printed(folder / "log.txt", metric[campaign]) if outcome == "finished" else None
        if printed is not None and printed != score:
            yield f"run {run} has the score {score} and printed {printed}"


def result(path: Path) -> dict[str, Any] | None:
    """None when there is none (any more)."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}


def last_printed(log: Path, metric: str) -> float | None:
    """The last `METRIC: NUMBER` of a log, None where it has none."""
    try:
        found = re.findall(rb"^" + re.escape(metric.encode()) + rb":[ \t]*(\S+)[ \t\r]*$", log.read_bytes(), re.M)
        return float(found[-1]) if found else None
    except (OSError, ValueError):
        return None
