"""`swarm spawn`: look at everything that costs nothing to look at, then ask the coordinator, then say what goes on."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm import clock, slots
from swarm.agents import kind
from swarm.agents.clients import Recipe, recipes
from swarm.cli import machine, roles, spawned, tasks, wishes
from swarm.cli.places import newest, rows
from swarm.cli.spawned import End
from swarm.config import Config, Stop, Task, load
from swarm.errors import SwarmError, UsageError
from swarm.research.campaign import elapsed
from swarm.research.roles import EXPERIMENTER
from swarm.runner import sandbox
from swarm.workspace import Workspace

DEFAULT_HOURS = 10.0
CLIENTS = ("claude", "codex")
WITHOUT_PROGRAM = ("tuner", "scripted")  # they read nothing


@dataclass(frozen=True)
class Asked:
    """What was typed; None where nothing was."""

    gpus: str | None = None
    agents: str | None = None
    device: str | None = None
    hours: float | None = None
    until: str | None = None
    experiments: int | None = None
    usd: float | None = None
    command: str | None = None
    program: str | None = None
    sandbox: str | None = None
    name: str | None = None
    force: bool = False
    model: tuple[str, ...] = ()
    permissions: str | None = None
    interactive: bool = False
    yes_really: bool = False
    control: float | None = None
    source: str = "best"
    roles: str | None = None


def run(workspace: Workspace, asked: Asked) -> None:
    """Start a campaign, or more agents in the one that runs."""
    began = time.monotonic()
    config = load(workspace)
    running = going_on(workspace)
    end = running or when_it_stops(asked, config.stop, sys.stdin.isatty() and sys.stdout.isatty())
    device = device_of(asked, config)
    task = tasks.the_task(workspace, config, device)
    places = slots.choose(
        device, asked.gpus or config.gpus, per_run=task.gpus_per_run, taken=taken(workspace), force=asked.force,
        python=tasks.python_of(task),
    )  # fmt: skip
    policy = end.policy or {
        **config.policy.model_dump(), "gpu_price": config.gpu_price or config.policy.gpu_price, "control": share(asked, config),
        **({"sandbox": asked.sandbox} if asked.sandbox else {})
    }  # fmt: skip
    if asked.source not in ("best", "diverse"):
        raise UsageError(f"--from {asked.source}: it is best, or diverse (good ones of different lines).")
    if asked.control is not None and running:
        raise UsageError("a control begins with its campaign, and this one runs already.", "The next one: swarm stop")
    notes = [*missing_programs(str(policy["sandbox"])), *(shared(p.busy) for p in places if p.busy)]
    tasks.check(task)
    lent = [lease(p) for p in places]
    agents = deal(workspace, asked, config, task, [s["id"] for s in lent], "cpu" if device == "cpu" else "gpu")
    agents += [wishes.control("cpu" if device == "cpu" else "gpu")] if policy.get("control") and not running else []
    count = Counter(agent["kind"] for agent in agents)
    for agent in agents:
        if not agent["options"].get("idle"):  # whether it can work here is no reason to start nothing
            together = {"together": n} if (n := count[agent["kind"]]) > 1 else {}
            kind(agent["kind"]).check({**agent["options"], **together})
    tasks.exclude(workspace)
    workspace.make()

    from swarm.daemon.start import ensure

    answer = ensure(workspace).post(
        "spawn", task=task.model_dump(mode="json"), agents=agents, slots=lent, stop=end.stop.model_dump(), policy=policy,
        name=asked.name, force=asked.force, **({"source": asked.source} if asked.source != "best" else {}),
    )  # fmt: skip
    notes += roles.lines(agents)
    plan = spawned.Plan(
        task, agents, lent, end, str(policy["sandbox"]), notes, workspace, config.gpu_price,
        float(policy.get("control") or 0),
    )  # fmt: skip
    print("\n".join(spawned.lines(plan, answer, clock.now(), time.monotonic() - began)))


def share(asked: Asked, config: Config) -> float:
    """Of the slots' time, for the control: as typed, else as in swarm.yaml; none unless somebody asks for it."""
    said = asked.control if asked.control is not None else config.control
    return config.policy.control if said is None else said


def going_on(workspace: Workspace) -> End | None:
    """The end and policy of the campaign that runs here, which new agents share; None when none runs."""
    campaign = newest(workspace)
    if campaign is None or campaign["state"] == "ended":
        return None
    rule, task = json.loads(campaign["stop"]), json.loads(campaign["task"])
    stop = Stop.model_validate(rule.get("rule") or {})
    since = clock.now() - elapsed(rule, clock.now())
    return End(stop, "as the campaign has it; change: swarm resume --hours", since, task.get("policy"))


def when_it_stops(asked: Asked, configured: Stop | None, terminal: bool) -> End:
    """The rule, and where it comes from: the command line, else swarm.yaml, else ten hours if somebody is watching.

    Raises SwarmError without a terminal and without a rule: nothing runs for ever by accident.
    """
    from swarm.config import parse

    said = {"hours": asked.hours, "until": asked.until, "experiments": asked.experiments, "usd": asked.usd}
    if any(v is not None for v in said.values()):
        rule = parse({"stop": said}, "the command line").stop
        assert rule is not None
        return End(rule)
    if configured is not None and not configured.empty:
        return End(configured, "swarm.yaml: stop")
    if not terminal:
        raise SwarmError(
            "say when it stops: there is no terminal here, and no rule.",
            "swarm spawn … --hours 10   (or --until 08:30, --experiments 200, --usd 60, or stop: in swarm.yaml)",
        )
    return End(Stop(hours=DEFAULT_HOURS), "change: --hours, --until, --experiments, --usd")


def missing_programs(mode: str) -> list[str]:
    """Notes about what works less well here. Raises SwarmError when it does not work at all."""
    if mode not in ("auto", "required", "off"):
        raise UsageError(f"--sandbox {mode}: it is auto, required or off.")
    gone = machine.absent()
    if "git" in gone:
        raise SwarmError("git is not installed.", f"Install it: {machine.apt(gone)}")
    notes = []
    if "tmux" in gone:
        notes.append(f"no tmux: agents run as plain processes, nothing to attach to ({machine.apt(['tmux'])})")
    why = sandbox.trouble() if mode != "off" else ""
    if why and mode == "required":
        raise SwarmError(
            f"a sandbox is required, and bubblewrap does not work here: {why}", f"{machine.apt(['bwrap'])}"
        )
    return notes


def device_of(asked: Asked, config: Config) -> str:
    """cuda or cpu. A CPU is asked for by name: on `auto` without a GPU this raises SwarmError, saying how."""
    device = asked.device or config.device
    if device not in ("auto", "cuda", "cpu"):
        raise UsageError(f"--device {device}: it is auto, cuda or cpu.")
    if device != "cpu" and not slots.gpus():
        raise slots.no_gpus()
    return "cpu" if device == "cpu" else "cuda"


def lease(place: slots.Place) -> dict[str, Any]:
    """A slot as the door takes it; several GPUs are named `0-1`."""
    return {
        "id": place.id.replace("+", "-"), "devices": place.devices, "accelerator": place.accelerator, "torch": place.torch,
        "device_nodes": list(place.device_nodes),
    }  # fmt: skip


def shared(who: str) -> str:
    """A note about a GPU that was taken by force."""
    return f"taken though it is in use ({who}): runs get slower, and one that shared its GPU is repeated"


def deal(
    workspace: Workspace, asked: Asked, config: Config, task: Task, ids: Sequence[str], prefix: str
) -> list[dict[str, Any]]:
    """The agents as the door takes them: names, kinds, options, programs, and whose slot is whose.

    Raises UsageError for a list of agents that cannot be read or does not fit.
    """
    wish = asked.agents or ("command" if asked.command else wishes.counts(config.agents))
    chosen = asked.program or config.program
    programs = tasks.chosen(workspace, task, chosen) if chosen else tasks.programs(workspace, task)
    used = names_in_use(workspace)
    asked_roles = roles.parse(asked.roles)
    wish = roles.experimenters(wish, asked_roles.get(EXPERIMENTER))
    dealt: list[dict[str, Any]] = []
    words, readers = [], 0
    for name, word, own in slots.deal(wish, ids, prefix, used):
        sort, options = kind_of(word, asked, config, prefix)
        said = wishes.of(word, config)
        program, several = said.program, list[str]()
        if program is not None and program not in programs:
            raise UsageError(
                f"agents: {word}: there is no program {program}.", f"There are: {', '.join(programs) or 'none'}"
            )
        if sort not in WITHOUT_PROGRAM:
            several = programs if program is None and len(programs) > 1 else []
            program = program or (programs[readers % len(programs)] if programs else None)
            readers += 1
        dealt.append(
            {"name": name, "kind": sort, "options": options, "program": program, "slot": own[0] if own else None}
            | ({"stop": said.stop.model_dump()} if said.stop else {})
            | ({"programs": several} if several else {})
        )
        words.append(word)
    sorts = {word: agent["kind"] for word, agent in zip(words, dealt, strict=True)}
    for name, word, role in roles.others(asked_roles, wish, sorts, [*used, *(a["name"] for a in dealt)]):
        sort, options = kind_of(word, asked, config, prefix)
        reads = roles.program(workspace, role)
        dealt.append({"name": name, "kind": sort, "options": options, "program": reads, "slot": None, "role": role})
    wishes.check(asked.model, words)
    if rights(asked) and not any(agent["kind"] in CLIENTS for agent in dealt):
        raise UsageError("--permissions and --interactive are of claude and codex, and none is among these agents.")
    lone = readers and wishes.tunes(config, prefix) and wishes.IDLER not in used
    return [*dealt, wishes.idler(prefix)] if lone else dealt


def kind_of(word: str, asked: Asked, config: Config, prefix: str) -> tuple[str, dict[str, Any]]:
    """What a person calls an agent, as a kind and its options: `agents:` and `commands:` of swarm.yaml give names, and so
    does clients.toml."""
    said = wishes.of(word, config, asked.model)
    sort, options = _kind_of(said.kind or word, asked, config, prefix)
    if said.options.get("permissions") == "unwalled":
        raise UsageError(f"agents: {word}: without a wall is said each time: --permissions open --yes-really.")
    return sort, {**options, **said.options, **(rights(asked) if sort in CLIENTS else {})}


def rights(asked: Asked) -> dict[str, Any]:
    """What claude and codex may do, and whether they have screens of their own, as typed.

    Raises UsageError for words that do not go together.
    """
    if asked.permissions not in (None, "guarded", "open"):
        raise UsageError(f"--permissions {asked.permissions}: it is guarded or open.")
    if asked.yes_really and asked.permissions != "open":
        raise UsageError("--yes-really belongs to --permissions open.")
    wish = "unwalled" if asked.yes_really else asked.permissions
    return ({"permissions": wish} if wish else {}) | ({"interactive": True} if asked.interactive else {})


def _kind_of(word: str, asked: Asked, config: Config, prefix: str) -> tuple[str, dict[str, Any]]:
    if word in config.commands:
        line = config.commands[word]
        return "command", {"command": line} if isinstance(line, str) else Recipe(**line.model_dump()).options()
    if word in recipes():
        return "command", recipes()[word].options()
    if word == "command" and asked.command:
        return word, {"command": asked.command}
    if word == "scripted" and asked.command:
        return word, {"script": str(Path(asked.command).expanduser().absolute())}  # others read it elsewhere
    if word == "tuner":
        return word, {"device": "cpu" if prefix == "cpu" else "cuda"}
    return word, {}


def names_in_use(workspace: Workspace) -> list[str]:
    """The agents of the campaign that goes on."""
    found = rows(
        workspace,
        "SELECT a.name FROM agents a JOIN campaigns c ON c.id=a.campaign "
        "WHERE c.state!='ended' AND c.id=(SELECT MAX(id) FROM campaigns)",
    )
    return [str(row["name"]) for row in found]


def taken(workspace: Workspace) -> dict[str, str]:
    """The slots that the running campaign of this workspace holds: id → devices."""
    found = rows(
        workspace,
        "SELECT s.id, s.devices FROM slots s JOIN campaigns c ON c.id=s.campaign "
        "WHERE s.state='open' AND c.state!='ended' AND c.id=(SELECT MAX(id) FROM campaigns)",
    )
    return {str(row["id"]): str(row["devices"]) for row in found}
