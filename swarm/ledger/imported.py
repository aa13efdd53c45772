"""Keeping what was measured elsewhere. Other hardware, other noise: it is shown and searched, never ranked with ours.

All of it is in campaign 0, which no board draws.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from swarm import procs
from swarm.errors import SwarmError
from swarm.ledger.ledger import Ledger
from swarm.ledger.tsv import Found, Table
from swarm.workspace import Workspace

SHELF = 0  # the campaign's id


def write(workspace: Workspace, table: Table, source: str, now: float) -> int:
    """Add the rows that are not there yet, and return how many were. Only while no coordinator runs.

    Raises SwarmError when one does, or the ledger cannot be written.
    """
    workspace.make()
    lock = procs.take(workspace.lock)
    if lock is None:
        raise SwarmError(
            "a coordinator is running here, and only it may write the ledger.", "Import after it has ended: swarm stop"
        )
    try:
        ledger = Ledger(workspace.ledger)
        try:
            with ledger.tx():
                return _add(ledger, table.rows, table.metric, source, now)
        finally:
            ledger.close()
    finally:
        os.close(lock)


def _add(ledger: Ledger, rows: Sequence[Found], metric: str, source: str, now: float) -> int:
    if ledger.value("SELECT 1 FROM campaigns WHERE id=?", SHELF) is None:
        task = json.dumps({"task": {"path": "imported", "metric": {"name": metric}}, "policy": {}})
        ledger.add(
            "campaigns", id=SHELF, name="imported", task=task, stop="{}", state="ended", metric=metric, better="lower",
            created=now, ended=now, why_ended="imported",
        )  # fmt: skip
    there = set(ledger.rows('SELECT agent, "commit", raw, description FROM experiments WHERE campaign=?', SHELF))
    count = 0
    for row in rows:
        agent = row.agent or source
        if (agent, row.commit, row.score, row.description) in there:
            continue
        memory = None if row.memory_gb is None else row.memory_gb * 1024
        ledger.add(
            "experiments", id=ledger.next_experiment(), campaign=SHELF, agent=agent, origin="imported", kind="code",
            description=row.description or row.name or "no description", stage="done", commit=row.commit, verdict=row.verdict,
            reason=f"imported from {source}, line {row.line}", runs=0, raw=row.score, peak_vram_mb=memory, created=now,
            judged_at=now,
        )  # fmt: skip
        count += 1
    return count
