"""`swarm recall`, `swarm best`, `swarm read`: what agents look at, as they see it."""

from __future__ import annotations

from dataclasses import asdict

from swarm.api import looking
from swarm.cli import screen
from swarm.cli.places import agent
from swarm.ledger import search
from swarm.ledger.reader import Reader
from swarm.workspace import Workspace


def run(workspace: Workspace, query: str, n: int = 8, as_json: bool = False) -> None:
    """Print what speaks of it, the best match first. Raises SwarmError when nothing is recorded."""
    if as_json:
        with Reader(workspace.ledger) as reader:
            found = search.search(reader, query, n)
        screen.print_json([{**asdict(f), "names": sorted(f.names)} for f in found])
        return
    print(screen.clean(looking.recall(workspace, query, n), lines=True))


def best(workspace: Workspace) -> None:
    """Print the best experiment and its change. Raises SwarmError when nothing is recorded."""
    print(screen.clean(looking.best(workspace), lines=True))
    print("\n  more   swarm diff best baseline   swarm leaderboard   swarm export best --branch NAME")


def read(path: str, line: int = 1) -> None:
    """Print a file of the calling agent's worktree. Raises SwarmError outside an agent's session."""
    answer = agent().get("read", file=path, line=line)
    print(screen.clean(str(answer["text"]), lines=True))
