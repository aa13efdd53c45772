"""The signatures of the commands for what a group plans and knows together."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def idea(
    word: Annotated[str, typer.Argument(help="add, list, claim or done.")] = "list",
    rest: Annotated[
        list[str] | None, typer.Argument(help="The idea; or its number, or next.", metavar="TEXT|N")
    ] = None,
    priority: Annotated[float, typer.Option(help="add: the higher the sooner, to 100.", min=0, max=100)] = 1.0,
    evidence: Annotated[str | None, typer.Option(help="add: what speaks for it, e.g. e0012.")] = None,
    experiment: Annotated[str | None, typer.Option(help="done: what tried it.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="done: it is not worth a run.")] = False,
    over: Annotated[bool, typer.Option("--all", help="list: tried and dropped ones, too.")] = False,
    as_json: Json = False,
) -> None:
    """Ideas that somebody should try: write one down, list them, claim one, end one.

    \b
      swarm idea add "no warm-up at all" --priority 2 --evidence e0012
      swarm idea list --all
      swarm idea claim next
      swarm idea done 12 --drop
    """
    from swarm.cli import idea as command

    command.run(word, rest or [], priority, evidence, experiment, drop, over, as_json)


def notebook(
    page: Annotated[str | None, typer.Argument(help="A page's name; none: all names.")] = None,
    message: Annotated[str | None, typer.Option("-m", "--message", help="The whole page from now on.")] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Edit it; without a terminal it comes by the pipe.")] = False,
    why: Annotated[str, typer.Option(help="What is better now.")] = "",
    history: Annotated[bool, typer.Option("--history", help="Who improved it when, and why.")] = False,
    version: Annotated[int | None, typer.Option(help="Show this version.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """What this group knows, page by page; every version is kept.

    \b
      swarm notebook
      swarm notebook warmdown --edit
      swarm notebook warmdown --history
    """
    from swarm.cli import notebook as command

    command.run(page, message, edit, why, history, version, as_json)
