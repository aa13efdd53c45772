"""`swarm diff`: what an experiment changed, against its parent or another one."""

from __future__ import annotations

import sys

from rich.console import Group, RenderableType
from rich.text import Text

from swarm.cli import screen
from swarm.errors import SwarmError
from swarm.ledger.reader import Reader
from swarm.research.experiment import Experiment
from swarm.workspace import Workspace

MOST = 400  # lines on a terminal; all of them into a file or a pipe
STYLES = (("+++", "bold"), ("---", "bold"), ("diff ", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def run(workspace: Workspace, experiment: str, other: str | None = None) -> None:
    """Print a diff. Raises SwarmError for unknown experiments, and where nothing was built yet."""
    with Reader(workspace.ledger) as reader:
        e = reader.find(experiment)
        against = reader.find(other) if other else reader.experiment(e.parent or e.base or "")
    patch = between(workspace, against, e) if other and against else own(e)
    most = MOST if sys.stdout.isatty() else None
    screen.show(lambda width: draw(e, against, patch, most))


def own(e: Experiment) -> str:
    """The change as the ledger holds it: against the parent once it is bound, before that against what it was edited on."""
    if e.origin == "baseline":
        raise SwarmError(
            f"{e.id} is the baseline: the task as given, nothing changed.", f"Another one: swarm diff best {e.id}"
        )
    return e.patch or ""


def between(workspace: Workspace, a: Experiment, b: Experiment) -> str:
    """From `a` to `b`, whatever lies between them."""
    from swarm.repo import Hub

    for e in (a, b):
        if (e.commit or e.submitted) is None:
            raise SwarmError(f"{e.id} has no commit yet: it waits for its turn.", f"What it is: swarm show {e.id}")
    return Hub(workspace.hidden).diff(a.commit or a.submitted or "", b.commit or b.submitted or "")


def draw(e: Experiment, against: Experiment | None, patch: str, most: int | None = None) -> RenderableType:
    """A line of what is compared with what, and the diff in colours."""
    base = f" against {against.id} {screen.sha(against.commit)}" if against else ""
    head = Text(
        f"# {e.id} {screen.sha(e.commit or e.submitted)}{base}: {screen.shorter(screen.clean(e.description), 60)}",
        "dim",
    )
    lines = screen.clean(patch, lines=True).rstrip("\n").split("\n") if patch else ["# no difference"]
    shown = [Text(line, _style(line), no_wrap=True, overflow="ignore") for line in lines[:most]]
    left = len(lines) - len(shown)
    rest = [Text(f"# … {left} more lines: swarm diff {e.id} > {e.id}.diff", "dim")] if left else []
    return Group(head, *shown, *rest)


def _style(line: str) -> str:
    return next((style for start, style in STYLES if line.startswith(start)), "")
