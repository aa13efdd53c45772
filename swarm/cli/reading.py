"""The signatures of the commands that only look. They read the ledger; no coordinator is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarm.cli import complete

Experiment = Annotated[
    str, typer.Argument(help="An experiment (e0231), a commit or a branch.", autocompletion=complete.experiments)
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def status(as_json: Json = False) -> None:
    """How it goes: best, noise, GPUs, agents, and what needs you.

    \b
      swarm status
      swarm status --json
    """
    from swarm.cli import status as screen
    from swarm.cli.places import here

    screen.run(here(), as_json)


def watch() -> None:
    """The same, live, until ctrl-C."""
    from swarm.cli import watch as screen
    from swarm.cli.places import here

    screen.run(here())


def leaderboard(
    n: Annotated[int, typer.Option("-n", help="How many rows.", min=1)] = 10,
    as_json: Json = False,
    tsv: Annotated[bool, typer.Option("--tsv", help="Tab-separated.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Sort by the raw score, which flatters lucky runs.")] = False,
) -> None:
    """What works, best first, by the estimate that luck cannot fool.

    \b
      swarm leaderboard -n 50
      swarm leaderboard --json | jq '.[0].commit'
    """
    from swarm.errors import UsageError

    if as_json and tsv:
        raise UsageError("--json or --tsv, not both.", "swarm leaderboard --help shows what it takes.")
    from swarm.cli import leaderboard as screen
    from swarm.cli.places import here

    screen.run(here(), n, as_json, tsv, raw)


def best() -> None:
    """The best so far: its score, its change, who found it.

    \b
      swarm best
    """
    from swarm.cli import recall as screen
    from swarm.cli.places import here

    screen.best(here())


def recall(
    query: Annotated[list[str], typer.Argument(help="Any words: constants, ideas, errors.", metavar="WORD...")],
    n: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 8,
    as_json: Json = False,
) -> None:
    """What was tried before: experiments and notes that speak of it, and what came of it.

    \b
      swarm recall MATRIX_LR
      swarm recall rotary embedding base -n 20
    """
    from swarm.cli import recall as screen
    from swarm.cli.places import here

    screen.run(here(), " ".join(query), n, as_json)


def read(
    path: Annotated[str, typer.Argument(help="A file of the worktree; none: their names.")] = ".",
    line: Annotated[int, typer.Option(help="Begin at this line.", min=1)] = 1,
) -> None:
    """Show a file of this agent's own worktree.

    \b
      swarm read train.py
    """
    from swarm.cli import recall as screen

    screen.read(path, line)


def show(experiment: Experiment, as_json: Json = False) -> None:
    """One experiment: its change, its runs, its verdict and why.

    \b
      swarm show e0231
    """
    from swarm.cli import show as screen
    from swarm.cli.places import here

    screen.run(here(), experiment, as_json)


def diff(
    experiment: Experiment,
    other: Annotated[str | None, typer.Argument(help="Against this one; else against its parent.")] = None,
) -> None:
    """What an experiment changed, against its parent or another one.

    \b
      swarm diff e0231
      swarm diff e0231 e0001
    """
    from swarm.cli import diff as screen
    from swarm.cli.places import here

    screen.run(here(), experiment, other)


def log(
    experiment: Experiment,
    lines: Annotated[int, typer.Option("-n", help="How many lines from the end.", min=1)] = 50,
) -> None:
    """What an experiment's training printed.

    \b
      swarm log e0231 -n 200
    """
    from swarm.cli import log as screen
    from swarm.cli.places import here

    screen.run(here(), experiment, lines)


def plot(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="PNG or SVG; both beside each other if absent.")
    ] = None,
    by: Annotated[str, typer.Option(help="The x axis: gpu-hours, hours or experiments.")] = "gpu-hours",
) -> None:
    """A picture: best so far, every experiment a dot, promotions and rebases marked.

    \b
      swarm plot
      swarm plot --by experiments -o progress.svg
    """
    from swarm.errors import UsageError

    if by not in ("gpu-hours", "hours", "experiments"):
        raise UsageError(f"--by {by}: the x axis is gpu-hours, hours or experiments.")
    from swarm.cli import plot as screen
    from swarm.cli.places import here

    screen.run(here(), out, by)


def export(
    what: Annotated[str, typer.Argument(help="results.tsv, or an experiment, a commit, best.")] = "results.tsv",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write here.")] = None,
    branch: Annotated[str | None, typer.Option(help="Make this branch in your own repository.")] = None,
) -> None:
    """Take the results home: results.tsv, or a commit as a branch of your repository.

    \b
      swarm export
      swarm export best --branch best-of-tonight
    """
    from swarm.cli.places import here

    if branch is not None:
        from swarm.cli import branch as maker

        maker.run(here(), "best" if what == "results.tsv" else what, branch)
        return
    from swarm.cli import export as screen

    screen.run(here(), what, out)


def skill(
    to: Annotated[
        Path | None, typer.Option(help="Write FOLDER/SKILL.md instead of printing it.", metavar="FOLDER")
    ] = None,
) -> None:
    """A SKILL.md for driving the swarm with an agent of your own.

    \b
      swarm skill
      swarm skill --to ~/.claude/skills/swarm
    """
    from swarm.cli import skill as command

    command.run(to)
