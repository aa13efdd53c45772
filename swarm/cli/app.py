"""What a person can type. Each command's work is in a module of its own, loaded when it is called and not before."""

from __future__ import annotations

import typer

from swarm.cli import acting, reading

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
        reading.plot,
    ),
    "Steer": (
        acting.promote,
        acting.tell,
        acting.note,
        acting.attach,
        acting.try_,
        acting.pause,
        acting.resume,
        acting.stop,
    ),
    "Take along": (reading.export, acting.import_, acting.clean, reading.skill),
    "For agents, in their sessions": (acting.submit, acting.wait, acting.adopt, reading.read),
}

app = typer.Typer(
    name="swarm",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        from swarm import __version__

        print(f"swarm {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),
) -> None:
    """A swarm of coding agents does research on one training script.

    \b
      swarm init my-swarm && cd my-swarm && swarm prepare
      swarm spawn --device cpu --gpus 2 --agents tuner --hours 1
      swarm leaderboard
    """


for panel, commands in PANELS.items():
    for command in commands:
        app.command(command.__name__.rstrip("_"), rich_help_panel=panel)(command)
