"""The signatures of the commands that change something. Their work is in a module each, or at the coordinator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarm.cli import complete

AGENT = "An agent's name, as in swarm status."
Hours = Annotated[float | None, typer.Option(help="Stop after so many hours.", min=0.001)]
Until = Annotated[str | None, typer.Option(help="Stop at this time of day, e.g. 08:30.")]
Experiments = Annotated[int | None, typer.Option(help="Stop after so many experiments.", min=1)]
Usd = Annotated[float | None, typer.Option(help="Stop when agents have cost so many dollars.", min=0.001)]
Models = Annotated[list[str] | None, typer.Option("--model", help="Whose model: claude=MODEL. May be given again.")]
Message = Annotated[str, typer.Option("-m", "--message", help="What it changes, in a few words.")]
Seconds = Annotated[float | None, typer.Option("--timeout", help="Give up after so many seconds.", min=0)]


def init(
    folder: Annotated[Path, typer.Argument(help="Where; made if absent.", metavar="DIR")] = Path("."),
    task: Annotated[str, typer.Option(help="templates, a folder, or a git URL.")] = "templates",
) -> None:
    """Make a workspace: swarm.yaml, programs/ and the task.

    \b
      swarm init my-swarm
      swarm init night --task https://github.com/karpathy/autoresearch
    """
    from swarm.cli import init as command

    command.run(folder, task)


def prepare(
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
) -> None:
    """Prepare the task's data, once: run its prepare command.

    \b
      swarm prepare
    """
    from swarm.cli import prepare as command
    from swarm.cli.places import here

    command.run(here(), device)


def doctor() -> None:
    """What is there, what is missing, and what to do about it."""
    from swarm.cli import doctor as command

    command.run()


def spawn(
    gpus: Annotated[str | None, typer.Option(help="How many, or which: 8, or 0,2,5. With --device cpu: cores.")] = None,
    agents: Annotated[
        str | None, typer.Option(help="claude,tuner (one per GPU, in turn) or gemini:2,aider:1 (exactly so many).")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cuda or cpu.")] = None,
    hours: Hours = None,
    until: Until = None,
    experiments: Experiments = None,
    usd: Usd = None,
    command: Annotated[
        str | None, typer.Option(help="For agents of kind command: its command line with {brief}.")
    ] = None,
    program: Annotated[
        str | None,
        typer.Option(help="What they are told: architecture,optimizer of programs/, dealt in turn. Else all."),
    ] = None,
    roles: Annotated[
        str | None, typer.Option(help="What they do: experimenter:6,verifier:1,analyst:1. Else all experiment.")
    ] = None,
    sandbox: Annotated[str | None, typer.Option(help="auto, required or off.")] = None,
    model: Models = None,
    permissions: Annotated[
        str | None, typer.Option(help="Of claude and codex: guarded, or open (all they can, behind a wall).")
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", help="claude and codex in their own screens.")] = False,
    yes_really: Annotated[
        bool, typer.Option("--yes-really", help="With --permissions open: without the wall.")
    ] = False,
    control: Annotated[
        float | None,
        typer.Option(help="Share of the GPU time for a tuner alone, to compare with: 0.1.", min=0, max=0.5),
    ] = None,
    source: Annotated[
        str, typer.Option("--from", help="What new agents build on: best, or diverse (good ones of different lines).")
    ] = "best",
    name: Annotated[str | None, typer.Option(help="The campaign's name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Take GPUs that others are using, too.")] = False,
) -> None:
    """Start agents, each with a worktree, a terminal session and a GPU. Again: more agents on free GPUs.

    \b
      swarm spawn --gpus 8 --agents tuner
      swarm spawn --gpus 0,2,5 --agents tuner --until 08:30
      swarm spawn --device cpu --gpus 2 --agents tuner --hours 0.1
      swarm spawn --gpus 4 --agents claude,aider --program architecture,optimizer
      swarm spawn --gpus 1 --agents command --command 'my-agent < {brief}'
    """
    from swarm.cli import spawn as verb
    from swarm.cli.places import here

    verb.run(
        here(),
        verb.Asked(
            gpus=gpus, agents=agents, device=device, hours=hours, until=until, experiments=experiments, usd=usd,
            command=command, program=program, sandbox=sandbox, name=name, force=force, model=tuple(model or ()),
            permissions=permissions, interactive=interactive, yes_really=yes_really, control=control,
            source=source, roles=roles,
        ),
    )  # fmt: skip


def promote(
    what: Annotated[
        str | None,
        typer.Argument(help="A commit, an experiment or a branch.", autocompletion=complete.experiments),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Though it was discarded, crashed or is unmeasured.")] = False,
    hold: Annotated[bool, typer.Option("--hold", help="Keep it, whatever later runs say.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Back to the best before.")] = False,
) -> None:
    """Make something the best that everybody builds on, and tell all agents.

    \b
      swarm promote e0231
      swarm promote 9f3c1e2 --hold
      swarm promote --undo
    """
    from swarm.cli import promote as command
    from swarm.errors import UsageError

    if undo == (what is not None) or (undo and (force or hold)):
        raise UsageError("promote what? A commit, an experiment or a branch; or --undo alone.", "swarm promote --help")
    command.run(what, force, hold)


def tell(
    agent: Annotated[str, typer.Argument(help=AGENT, autocompletion=complete.agents)],
    text: Annotated[str, typer.Argument(help="What it should know.")],
) -> None:
    """Tell an agent something; it reads it at its next contact.

    \b
      swarm tell gpu0-claude "leave the optimizer alone, look at the data order"
    """
    from swarm.cli import tell as command

    command.run(agent, text)


def replace(
    agent: Annotated[str, typer.Argument(help="An agent, or a GPU: gpu3.", autocompletion=complete.agents)],
    kind: Annotated[str, typer.Option("--with", help="Another kind of agent, as in spawn --agents.")],
    source: Annotated[
        str,
        typer.Option("--from", help="What it builds on: tip (of the agent), best, or diverse (good, but nobody's)."),
    ] = "tip",
    command: Annotated[str | None, typer.Option(help="For an agent of kind command: its command line.")] = None,
    model: Models = None,
) -> None:
    """End an agent and give its GPU to another kind. What it did stays, edits it had not submitted too.

    \b
      swarm replace gpu3 --with claude
      swarm replace gpu3-codex --with claude --from best
    """
    from swarm.cli import replace as verb

    verb.run(agent, kind, source, command, model or ())


def attach(agent: Annotated[str, typer.Argument(help=AGENT, autocompletion=complete.agents)]) -> None:
    """Look into an agent's terminal. Leave with ctrl-B, then D.

    \b
      swarm attach gpu0-claude
    """
    from swarm.cli import attach as command
    from swarm.cli.places import here

    command.run(here(), agent)


def try_(
    file: Annotated[Path, typer.Argument(help="Your version of the file that agents edit.", metavar="FILE")],
    message: Message,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the verdict.")] = False,
) -> None:
    """Measure a file of yours, as it is, beside the agents' work.

    \b
      swarm try my_train.py -m "norm before rotary" --wait
    """
    from swarm.cli import try_ as command
    from swarm.cli.places import here

    command.run(here(), file, message, wait)


def grid(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="NAME=1,2 for each constant, or experiments. None: the waves so far.", metavar="[WORD]..."),
    ] = None,
    on: Annotated[str | None, typer.Option(help="The experiment to change. Else the best.")] = None,
    repeats: Annotated[int, typer.Option(help="Runs of each combination.", min=1, max=8)] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Also more than 64 combinations.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the answer.")] = False,
    show: Annotated[int | None, typer.Option(help="The answer of this wave.", metavar="WAVE")] = None,
    stop: Annotated[int | None, typer.Option(help="Measure no more of this wave.", metavar="WAVE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measure all combinations of some values, or of kept changes, as one question with one answer.

    \b
      swarm grid WEIGHT_DECAY=.05,.1,.2 MATRIX_LR=.02,.04
      swarm grid e0012 e0015 e0020 --wait
      swarm grid --show 3
    """
    from swarm.cli import grid as command
    from swarm.cli.places import here
    from swarm.errors import UsageError

    if bool(words) + (show is not None) + (stop is not None) > 1:
        raise UsageError("one at a time: words, --show or --stop.", "swarm grid --help")
    if words:
        command.ask(words, on, repeats, yes, wait)
    elif stop is not None:
        command.stop(stop)
    elif show is not None:
        command.show(here(), show, as_json)
    else:
        command.board(here(), as_json)


def pause() -> None:
    """Start no more runs until resume; those that run finish."""
    from swarm.cli import pause as command

    command.pause()


def resume(
    hours: Hours = None,
    until: Until = None,
    experiments: Experiments = None,
    usd: Usd = None,
) -> None:
    """Go on after pause, or after the coordinator died; with a new end if you name one.

    \b
      swarm resume
      swarm resume --hours 10
    """
    from swarm.cli import pause as command

    command.resume(hours, until, experiments, usd)


def stop(
    agents: Annotated[
        list[str] | None, typer.Argument(help="These agents only; none: all, and the campaign.", metavar="[AGENT]...")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Do not let running experiments finish.")] = False,
) -> None:
    """End agents, or all. Everything recorded stays.

    \b
      swarm stop
      swarm stop gpu3-codex --now
    """
    from swarm.cli import stop as command

    command.run(agents or [], now)


def import_(
    file: Annotated[Path, typer.Argument(help="A results.tsv, or the folder of a git repository.", metavar="FILE")],
    branch: Annotated[
        str | None, typer.Option(help="Of the repository; else the one that is checked out.", metavar="NAME")
    ] = None,
) -> None:
    """Take what others tried into the ledger, as imported: recalled, never compared with yours.

    \b
      swarm import results.tsv
      swarm import ~/autoresearch --branch autoresearch/mar5
    """
    from swarm.cli import import_ as command
    from swarm.cli.places import here

    command.run(here(), file, branch)


def clean(
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove worktrees and run folders of ended campaigns. Never anything that is recorded nowhere else.

    \b
      swarm clean --dry-run
    """
    from swarm.cli import clean as command
    from swarm.cli.places import here

    command.run(here(), dry)


def submit(
    message: Message,
    hypothesis: Annotated[str | None, typer.Option(help="Why it should help.")] = None,
    expect: Annotated[float | None, typer.Option(help="The change of the score you expect, e.g. -0.002.")] = None,
    p: Annotated[float | None, typer.Option(help="How probable it is that it is better.", min=0, max=1)] = None,
    idea: Annotated[int | None, typer.Option(help="The idea that it tries: swarm idea list.", min=1)] = None,
    on: Annotated[
        str | None, typer.Option(help="The experiment that your files are a change of, if not what you build on.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for results or room.")] = False,
) -> None:
    """Queue what this worktree changed as one experiment.

    \b
      swarm submit -m "MATRIX_LR 0.04 to 0.028" --expect -0.002 --p 0.7
    """
    from swarm.cli import submit as command

    command.run(message, hypothesis, expect, wait, on, p, idea)


def adopt(
    experiment: Annotated[
        str, typer.Argument(help="An experiment with a result, or best.", autocompletion=complete.experiments)
    ],
) -> None:
    """Build on another experiment from now on; your own kept changes are measured again on top of it.

    \b
      swarm adopt e0231
    """
    from swarm.cli import adopt as command

    command.run(experiment)


def note(text: Annotated[str, typer.Argument(help="What you found out.")]) -> None:
    """Write down what you found out; every agent's recall finds it.

    \b
      swarm note "warmdown below 0.5 crashed twice: the loss explodes at the end"
    """
    from swarm.cli import note as command

    command.run(text)


def wait(
    experiment: Annotated[
        str | None, typer.Argument(help="Until this one is judged.", autocompletion=complete.experiments)
    ] = None,
    timeout: Seconds = None,
) -> None:
    """Wait: an agent for results or room; a person for an experiment, or for the campaign's end.

    \b
      swarm wait
      swarm wait e0231
    """
    from swarm.cli import wait as command

    command.run(experiment, timeout)
