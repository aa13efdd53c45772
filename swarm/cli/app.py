"""What a person can type. Each command's work is in a module of its own, loaded when it is called and not before."""

from __future__ import annotations

from collections.abc import Callable

import typer

from swarm.cli import acting, planning, reading

PANELS = {
    "Begin": (acting.init, acting.prepare, acting.doctor, acting.spawn),
    "Look": (
        reading.status,
        reading.watch,
        reading.leaderboard,
        reading.best,
        reading.show,
        reading.diff,
        reading.log,
        reading.recall,
        planning.notebook,
        reading.plot,
    ),
    "Steer": (
        acting.promote,
        acting.tell,
        acting.note,
        planning.idea,
        acting.attach,
        acting.replace,
        acting.try_,
        acting.grid,
        acting.pause,
        acting.resume,
        acting.stop,
    ),
    "Take along": (reading.export, acting.import_, acting.clean, reading.skill),
    "For agents, in their sessions": (acting.submit, acting.wait, acting.adopt, reading.read),
}


def made(word: str = "") -> typer.Typer:
    """The whole command line, or only the command that `word` names: to read the signatures of all takes a while."""
    app = typer.Typer(
        name="swarm",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(top)
    named = [(p, c) for p, commands in PANELS.items() for c in commands]
    for panel, command in [pair for pair in named if _name(pair[1]) == word] or named:
        app.command(_name(command), rich_help_panel=panel)(command)
    return app


def _name(command: Callable[..., None]) -> str:
    return command.__name__.rstrip("_")


def _version(value: bool) -> None:
    if value:
        from swarm import __version__

        print(f"swarm {__version__}")
        raise typer.Exit


def top(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),
) -> None:
    """A swarm of coding agents does research on one training script.

    \b
      swarm init my-swarm && cd my-swarm && swarm prepare
      swarm spawn --device cpu --gpus 2 --agents tuner --hours 1
      swarm leaderboard
    """
