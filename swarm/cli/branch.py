"""`swarm export WHAT --branch NAME`: a commit of the swarm as a branch of the person's own repository."""

from __future__ import annotations

import json
from pathlib import Path

from swarm.cli import machine
from swarm.cli.places import newest
from swarm.errors import SwarmError
from swarm.workspace import Workspace


def run(workspace: Workspace, what: str, branch: str) -> None:
    """Make the branch. Raises SwarmError when `what` or the repository is not there, or the branch exists."""
    from swarm.ledger.reader import Reader
    from swarm.repo import Hub

    with Reader(workspace.ledger) as reader:
        found = reader.find(what)
    commit = found.commit or found.submitted
    if commit is None:
        raise SwarmError(f"{found.id} has no commit yet: it waits for its turn.", f"What it is: swarm show {found.id}")
    home = repository(workspace)
    Hub(workspace.hidden).push(home, commit, branch)
    print(f"  {found.id} {commit[:7]} is branch {branch} of {home}.   git -C {home} show {branch}")


def repository(workspace: Workspace) -> Path:
    """The person's repository: the task's, else the one around the workspace. Raises SwarmError without one."""
    campaign = newest(workspace)
    task = json.loads(campaign["task"])["task"]["path"] if campaign else ""
    for folder in (Path(task), workspace.root):
        if task and workspace.hidden in folder.parents:
            continue  # our own copy of a URL is no place for a person's branch
        top = machine.git("rev-parse", "--show-toplevel", cwd=folder) if folder.is_dir() else None
        if top:
            return Path(top)
    raise SwarmError(
        "there is no git repository of yours here to put a branch in.",
        "Make one (git init), or take the files: swarm export best",
    )
