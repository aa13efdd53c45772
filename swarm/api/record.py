"""What the door shows of the ledger, read beside the story's thread so that a long list never keeps it waiting."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from swarm import clock
from swarm.errors import Refused
from swarm.ledger import backlog, pages, search
from swarm.ledger.reader import Reader
from swarm.research.experiment import Event
from swarm.workspace import Workspace

MOST = 500  # events at once


def events(workspace: Workspace, after: int) -> list[dict[str, Any]]:
    """What happened after event `after`, oldest first. Raises SwarmError when the ledger cannot be read."""
    if not workspace.ledger.exists():
        return []
    with Reader(workspace.ledger) as reader:
        found = reader.all(Event, "WHERE seq > ? AND campaign >= 0 ORDER BY seq LIMIT ?", after, MOST)
    return [{**asdict(event), "data": json.loads(event.data)} for event in found]


def recall(workspace: Workspace, text: str, n: int) -> list[dict[str, Any]]:
    """Earlier experiments and notes that speak of it, best first. Raises SwarmError when the ledger cannot be read."""
    with Reader(workspace.ledger) as reader:
        found = search.search(reader, text, n)
    return [{**asdict(f), "names": sorted(f.names)} for f in found]


def ideas(workspace: Workspace, n: int, over: bool = False) -> dict[str, Any]:
    """The backlog, and how many of it nobody ever tried. Raises SwarmError when there is no campaign."""
    with Reader(workspace.ledger) as reader:
        campaign = reader.campaign().id
        counts = backlog.counts(reader, campaign)
        found = backlog.listed(reader, campaign, clock.now(), n, over)
    return {"ideas": [asdict(idea) for idea in found], "counts": counts.of, "untried": counts.untried}


def notebook(workspace: Workspace, page: str | None, version: int | None) -> dict[str, Any]:
    """All pages without their texts; or one with its text. Raises Refused when there is no such page or version."""
    with Reader(workspace.ledger) as reader:
        campaign = reader.campaign().id
        if page is None:
            short = [asdict(p) | {"text": p.text[:120]} for p in pages.listed(reader, campaign)]
            return {"pages": short}
        found = pages.at_version(reader, campaign, page, version)
    if found is None:
        raise Refused(
            f"there is no page {page!r}{f' of version {version}' if version else ''}.", "See: swarm notebook", 404
        )
    return asdict(found)


def leaderboard(workspace: Workspace, n: int) -> list[dict[str, Any]]:
    """The first `n` rows of the leaderboard, best first. Raises SwarmError when there is no campaign."""
    from swarm import views  # the daemon is up sooner without

    with Reader(workspace.ledger) as reader:
        return [asdict(row) for row in views.board(reader, n).rows]
