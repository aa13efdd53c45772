"""What the door shows of the ledger, read beside the story's thread so that a long list never keeps it waiting."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from swarm.ledger.connection import open_reader
from swarm.workspace import Workspace

MOST = 500  # events at once


def events(workspace: Workspace, after: int) -> list[dict[str, Any]]:
    """What happened after event `after`, oldest first. Raises SwarmError when the ledger cannot be read."""
    if not workspace.ledger.exists():
        return []
    with closing(open_reader(workspace.ledger)) as db:
        rows = db.execute(
            "SELECT seq, at, kind, agent, experiment, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, MOST),
        ).fetchall()
    names = ("seq", "at", "kind", "agent", "experiment")
    return [{**dict(zip(names, row[:5], strict=True)), "data": json.loads(row[5])} for row in rows]


def leaderboard(workspace: Workspace, n: int) -> list[dict[str, Any]]:
    """The first `n` rows of the leaderboard."""
    raise NotImplementedError
