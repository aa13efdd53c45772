"""Which workspace a command means, and who is asking."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm import procs
from swarm.errors import SwarmError
from swarm.workspace import Workspace, find, is_checkout

if TYPE_CHECKING:
    from swarm.client import Client


def here() -> Workspace:
    """The workspace around the current folder; inside an agent's worktree the one that the worktree belongs to.

    Raises SwarmError when there is none.
    """
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        raise SwarmError("the folder you are in was deleted.", "Go to another one: cd") from None
    for path in (folder, *folder.parents):
        if path.parent.name == "worktrees" and (path.parent.parent / ".swarm").is_dir():
            return Workspace(path.parent.parent)
    found = find(folder)
    if found.root.name == "templates" and is_checkout(found.root.parent):
        return Workspace(found.root.parent)  # the template looks like a task of its own
    return found


def seated() -> bool:
    """Whether this command runs inside an agent's session."""
    return bool(os.environ.get("SWARM_TOKEN_FILE") or os.environ.get("SWARM_SEAT"))


def agent() -> Client:
    """The door as the agent whose session this is: its seat (SWARM_SEAT, a JSON file) names the door and the token.

    Raises SwarmError outside an agent's session, or when these files cannot be read.
    """
    import json

    from swarm.client import Client

    token, door = os.environ.get("SWARM_TOKEN_FILE"), os.environ.get("SWARM_DOOR_FILE")
    seat = os.environ.get("SWARM_SEAT")
    if not token and not seat:
        raise SwarmError(
            "this is an agent's command: it works inside an agent's session only.",
            'Your own file is measured with: swarm try train.py -m "what it does"',
        )
    try:
        raw = json.loads(Path(seat).read_text()) if seat else {}
        return Client.of(Path(door or raw.get("door") or here().door), Path(token or raw["token"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SwarmError(
            f"this session's seat cannot be read: {error}", "Is the coordinator running? swarm status"
        ) from None


def owner(start: bool = False) -> Client:
    """The door as the owner of this workspace; with `start` a coordinator is started where none runs.

    Raises SwarmError when nothing was ever started here, or the coordinator does not start.
    """
    workspace = here()
    if not workspace.ledger.exists():
        raise SwarmError("nothing runs here yet.", "Start agents: swarm spawn --gpus 8 --agents tuner")
    if start:
        from swarm.daemon.start import ensure

        return ensure(workspace)
    from swarm.client import Client

    return Client.at(workspace)


def rows(workspace: Workspace, sql: str, *args: object) -> list[dict[str, Any]]:
    """What the ledger answers, read-only; nothing when there is no ledger. Raises SwarmError when it cannot be read."""
    from contextlib import closing

    from swarm.ledger.connection import Unmade, open_reader

    try:
        opened = open_reader(workspace.ledger)
    except Unmade:
        return []
    with closing(opened) as db:
        cursor = db.execute(sql, args)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def newest(workspace: Workspace) -> dict[str, Any] | None:
    """The newest campaign; None when there is none."""
    return next(iter(rows(workspace, "SELECT * FROM campaigns ORDER BY id DESC LIMIT 1")), None)


def ended(workspace: Workspace) -> str | None:
    """Why the newest campaign ended; None while it goes on, or when there is none."""
    campaign = newest(workspace)
    return str(campaign["why_ended"] or "") if campaign and campaign["state"] == "ended" else None


def rest(workspace: Workspace) -> None:
    """Send home a coordinator that only waits for more to do: its campaign has ended. Raises SwarmError if it stays."""
    if ended(workspace) is None or not procs.held(workspace.lock):
        return
    if not rows(workspace, "SELECT 1 FROM runs WHERE status='running' LIMIT 1"):
        from swarm.daemon.start import stop

        stop(workspace)
