"""Keeping what was measured elsewhere. Other hardware, other noise: it is shown and recalled, never ranked with ours.

All of it is in campaign 0, which no board draws, in hardware classes of its own, and with no run to its name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from swarm import procs
from swarm.errors import SwarmError
from swarm.ledger.ledger import Ledger
from swarm.ledger.tsv import Found, Table
from swarm.workspace import Workspace

SHELF = 0  # the campaign's id
SHORT = 7  # characters of a commit that are enough to know it again


@dataclass(frozen=True)
class Change:
    """A commit of somebody's repository and what it changed; `at`: seconds since 1970."""

    commit: str
    at: float
    subject: str
    patch: str


def write(
    workspace: Workspace, table: Table, source: str, now: float, changes: Sequence[Change] = ()
) -> tuple[int, int]:
    """Add the rows and commits that are not there yet. Only while no coordinator runs. A row that names a commit is that
    commit's result. Returns how many experiments are new and how many were there.

    Raises SwarmError when one does, or the ledger cannot be written.
    """
    with _alone(workspace) as ledger, ledger.tx():
        shelf = _Shelf(ledger, table.metric, source, now)
        results = _by_commit(table.rows, changes)
        for change in changes:
            shelf.put_commit(change, results.get(change.commit))
        joined = {id(row) for row in results.values()}
        for row in table.rows:
            if id(row) not in joined:
                shelf.put_row(row)
        return shelf.new, shelf.known


@contextmanager
def _alone(workspace: Workspace) -> Iterator[Ledger]:
    workspace.make()
    lock = procs.take(workspace.lock)
    if lock is None:
        raise SwarmError(
            "a coordinator is running here, and only it may write the ledger.", "Import after it has ended: swarm stop"
        )
    try:
        ledger = Ledger(workspace.ledger)
        try:
            yield ledger
        finally:
            ledger.close()
    finally:
        os.close(lock)


def _by_commit(rows: Iterable[Found], changes: Iterable[Change]) -> dict[str, Found]:
    """The last row about each commit; rows name them by their first digits."""
    short: dict[str, list[str]] = {}
    for change in changes:
        short.setdefault(change.commit[:SHORT], []).append(change.commit)
    found = {}
    for row in rows:
        if row.commit and len(row.commit) >= SHORT:
            for commit in short.get(row.commit[:SHORT], ()):
                if commit.startswith(row.commit):
                    found[commit] = row
    return found


class _Shelf:
    """Campaign 0 while one file or repository is put on it."""

    def __init__(self, ledger: Ledger, metric: str, source: str, now: float) -> None:
        self.ledger, self.source, self.now = ledger, source, now
        self.new = self.known = 0
        if ledger.value("SELECT 1 FROM campaigns WHERE id=?", SHELF) is None:
            task = json.dumps({"task": {"path": "imported", "metric": {"name": metric}}, "policy": {}})
            ledger.add(
                "campaigns", id=SHELF, name="imported", task=task, stop="{}", state="ended", metric=metric, better="lower",
                created=now, ended=now, why_ended="imported",
            )  # fmt: skip
        self.klass = ledger.klass(f"imported from {source}", "", "")
        self.rows: set[tuple[Any, ...]] = set()
        self.commits: dict[str, list[tuple[str, str, float | None, str | None, str | None]]] = {}
        sql = 'SELECT id, agent, "commit", raw, description, patch, verdict FROM experiments WHERE campaign=?'
        for ident, agent, commit, raw, description, patch, verdict in ledger.rows(sql, SHELF):
            self.rows.add((agent, commit, raw, description))
            if commit and len(commit) >= SHORT:
                self.commits.setdefault(commit[:SHORT], []).append((ident, commit, raw, patch, verdict))

    def put_commit(self, change: Change, result: Found | None) -> None:
        """A commit that is there already, from a table say, gets what it did not have yet: its patch, its result."""
        there = [c for c in self.commits.get(change.commit[:SHORT], ()) if change.commit.startswith(c[1])]
        if not there:
            self._add(result, f"commit {change.commit[:SHORT]}", change)
            return
        self.known += 1
        for ident, _, raw, patch, verdict in there:
            more: dict[str, Any] = {}
            if not patch:
                more |= {"commit": change.commit, "patch": change.patch}
            if result is not None and verdict is None and raw is None:
                more |= {"verdict": result.verdict, "raw": result.score, "peak_vram_mb": _mb(result)}
            if more:
                self.ledger.change("experiments", {"id": ident}, **more)

    def put_row(self, row: Found) -> None:
        """A line of a table; not one that a commit on the shelf has as its result."""
        text = _text(row)
        same = (row.agent or self.source, row.commit, row.score, text) in self.rows
        if same or (row.agent is None and any(raw == row.score for raw in self._results(row.commit))):
            self.known += 1
            return
        self._add(row, f"line {row.line}", None)

    def _results(self, commit: str | None) -> list[float | None]:
        """What is known of a commit that came with its patch."""
        if not commit or len(commit) < SHORT:
            return []
        near = self.commits.get(commit[:SHORT], ())
        return [raw for _, full, raw, patch, verdict in near if patch and verdict and full.startswith(commit)]

    def _add(self, row: Found | None, where: str, change: Change | None) -> None:
        text = (_text(row) if row else "") or (change.subject if change else "") or "no description"
        self.ledger.add(
            "experiments", id=self.ledger.next_experiment(), campaign=SHELF, agent=(row and row.agent) or self.source,
            origin="imported", kind="code", description=text, stage="done",
            commit=change.commit if change else row and row.commit, patch=change.patch if change else None,
            verdict=row and row.verdict, reason=f"imported from {self.source}, {where}", runs=0, raw=row and row.score,
            peak_vram_mb=_mb(row), klass=self.klass, measured_by=f"imported from {self.source}",
            created=change.at if change and change.at else self.now, judged_at=self.now if row else None,
        )  # fmt: skip
        self.new += 1


def _text(row: Found) -> str:
    return row.description or row.name or "no description"


def _mb(row: Found | None) -> float | None:
    return None if row is None or row.memory_gb is None else row.memory_gb * 1024
