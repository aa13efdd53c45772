"""The screen after `swarm spawn`: what runs, with which rights, until when, and what to type next."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm.cli import machine, packaged
from swarm.cli.figures import clock, span
from swarm.config import Stop, Task
from swarm.research.campaign import until_at
from swarm.runner import sandbox
from swarm.workspace import Workspace

SLOWER, START = 1.1, 10.0  # a run of wall seconds lasts so much longer, and so many seconds more: compile, evaluation
WIDTH = 100


@dataclass(frozen=True)
class End:
    """When it stops, and who said so. `since` and `policy` are those of the campaign that runs already."""

    stop: Stop
    whence: str = ""
    since: float | None = None
    policy: dict[str, Any] | None = None


@dataclass(frozen=True)
class Plan:
    """What was asked of the coordinator, and the notes on the way."""

    task: Task
    agents: Sequence[Mapping[str, Any]]
    slots: Sequence[Mapping[str, Any]]
    end: End
    sandbox: str
    notes: Sequence[str] = ()
    workspace: Workspace | None = None
    gpu_price: float | None = None
    control: float = 0.0


def lines(plan: Plan, answer: Mapping[str, Any], now: float, took: float) -> list[str]:
    """The whole screen."""
    base = str(answer.get("base") or "")[:7]
    facts = [
        ("task", f"{_task_name(plan.task)} {base} · {_what(plan.task)}"),
        ("cpus" if _on_cpu(plan) else "gpus", _gpus(plan)),
        ("agents", _agents(plan)),
        ("rights", _rights(plan)),
        ("stops", _stops(plan, now)),
        *(("cost", text) for text in _cost(plan, now)),
        ("idle", _idle(plan, answer).replace("GPU", _unit(plan))),
        *(("control", text) for text in _control(plan, answer)),
        *(("note", note) for note in [*_seed(plan.task), *plan.notes, *(answer.get("notes") or [])]),
    ]
    out = ["", *(line for label, text in facts for line in _fact(label, text)), "", *_table(plan)]
    return [*out, *_now(plan, answer, now, took), *_next(plan)]


def _people(plan: Plan) -> list[Mapping[str, Any]]:
    """The agents with something of their own to do."""
    return [a for a in plan.agents if not (a.get("options") or {}).get("idle")]


def _agents(plan: Plan) -> str:
    """`4 claude 2.1.329 (plan login, shared by 4) · 4 codex 0.169.0 (API key)`."""
    counts = Counter(str(a["kind"]) for a in _people(plan))
    return " · ".join(f"{n} {kind}{_login(kind, n)}" for kind, n in counts.items())


def _login(kind: str, n: int) -> str:
    from swarm.cli import clients

    if kind not in clients.CLIENTS:
        return ""
    client = clients.look(kind)
    shared = f", shared by {n}" if n > 1 else ""
    return f" {client.version} ({client.login}{shared})" if client.login else f" {client.version}"


def _cost(plan: Plan, now: float) -> list[str]:
    from swarm.cli import clients, outlay

    if not clients.CLIENTS & {str(a["kind"]) for a in plan.agents}:
        return []
    return outlay.lines(plan, _run_seconds(plan.task), now)


def _idle(plan: Plan, answer: Mapping[str, Any]) -> str:
    started = {a["name"] for a in answer.get("agents") or ()}
    if any(a["name"] in started for a in plan.agents if _options(a).get("idle") and not _options(a).get("control")):
        return "a GPU whose agent thinks or waits for a rate limit confirms, stacks or tunes"
    return "a GPU with nothing queued confirms, stacks or measures again"


def _options(agent: Mapping[str, Any]) -> Mapping[str, Any]:
    return agent.get("options") or {}


def _control(plan: Plan, answer: Mapping[str, Any]) -> list[str]:
    if not answer.get("control"):
        return []
    return [
        f"{100 * plan.control:.0f} % of the {_unit(plan)} time goes to a tuner that sees nobody's results, and nobody sees its own: "
        "swarm status compares"
    ]


def _fact(label: str, text: str) -> list[str]:
    """A label and its text; long texts go on below."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {label:<7} ", subsequent_indent=" " * 10) or [f"  {label}"]


def _task_name(task: Task) -> str:
    if task.path == str(packaged.templates()):
        return "templates"
    # a folder inside a repository has that one's origin, but is not it
    own = (Path(task.path) / ".git").exists()
    origin = machine.git("-C", task.path, "remote", "get-url", "origin") if own else ""
    name = (origin or task.path).removesuffix("/").removesuffix(".git")
    return "/".join(name.replace(":", "/").split("/")[-2:])


def _what(task: Task) -> str:
    verb = "minimises" if task.metric.better == "lower" else "maximises"
    return f"edits {', '.join(task.edit)} · {verb} {task.metric.name} · {budget(task)} per run"


def budget(task: Task) -> str:
    """`300 s`, `1.2e11 FLOPs`, `200 steps`."""
    kind, _, amount = task.budget.partition(":")
    unit = {"wall": "s", "cpu": "CPU s", "flops": "FLOPs", "steps": "steps"}[kind]
    return f"{amount} {unit}"


def _on_cpu(plan: Plan) -> bool:
    return all(str(s["devices"]).startswith("cpu") for s in plan.slots)


def _unit(plan: Plan) -> str:
    return "core" if _on_cpu(plan) else "GPU"


def _gpus(plan: Plan) -> str:
    kinds = Counter(str(s["accelerator"]) for s in plan.slots)
    names = " + ".join(f"{n} × {name}" for name, n in kinds.items())
    ids = ", ".join(str(s["id"]) for s in plan.slots)
    pool = "" if all(a.get("slot") is not None or a.get("slots") for a in _people(plan)) else ", one pool for all"
    toy = " · a toy beside a GPU" if _on_cpu(plan) else ""
    return f"{names} ({ids}{pool}){toy}"


def _seed(task: Task) -> list[str]:
    if task.seed != "none":
        return []
    return ["nothing in the task takes a seed: running it again shows the machine's noise, not the luck of its seed"]


def _rights(plan: Plan) -> str:
    kinds = {str(a["kind"]) for a in _people(plan)}
    parts = []
    if "tuner" in kinds:
        parts.append(f"tuner: sets constants of {plan.task.edit[0]}, nothing else")
    if "command" in kinds:
        parts.append("command: your program, with all your rights (not guarded)")
    clients = [a for a in _people(plan) if a["kind"] in ("claude", "codex")]
    by_mode = {_mode(a) for a in clients}
    said = {
        "guarded": f"read the worktree, edit {', '.join(plan.task.edit)}, swarm's tools. No shell, no web, no installs",
        "open": "a shell and the network; behind a wall: write the worktree and a HOME of their own, see nothing of yours in HOME",
        "unwalled": "ALL THAT YOU MAY, without a wall (--yes-really)",
    }
    for mode in sorted(by_mode):
        who = ", ".join(sorted({str(a["kind"]) for a in clients if _mode(a) == mode})) if len(by_mode) > 1 else ""
        parts.append(f"{who + ' ' if who else ''}{mode}: {said.get(mode, '')}")
    if any((a.get("options") or {}).get("interactive") for a in clients):
        parts.append("in their own screens: what you type there is theirs to follow")
    return " · ".join([*parts, _sandbox(plan.sandbox)])


def _mode(agent: Mapping[str, Any]) -> str:
    return str((agent.get("options") or {}).get("permissions") or "guarded")


def _sandbox(mode: str) -> str:
    if mode == "off":
        return "runs are NOT sandboxed (sandbox: off): training code may read and write what you may"
    why = sandbox.trouble()
    if why:
        fix = f" ({machine.apt(['bwrap'])})" if why == "not installed" else ""
        return f"runs are NOT sandboxed, bubblewrap: {why}{fix}"
    return "runs: sandboxed, no network"


def _stops(plan: Plan, now: float) -> str:
    stop, parts = plan.end.stop, []
    if stop.hours:
        parts.append(f"{clock((plan.end.since or now) + stop.hours * 3600, now)} ({span(stop.hours * 3600)})")
    if stop.until:
        parts.append(f"at {clock(until_at(stop.until, now, None), now)}")
    if stop.experiments:
        parts.append(f"after {stop.experiments} experiments")
    if stop.usd:
        parts.append(f"at ${stop.usd:g}")
    return " or ".join(parts) + _own_ends(plan) + (f" · {plan.end.whence}" if plan.end.whence else "")


def _own_ends(plan: Plan) -> str:
    """` · each claude at $5`."""
    said = {}
    for agent in _people(plan):
        rule = agent.get("stop") or {}
        parts = [f"after {rule['hours']:g} h"] if rule.get("hours") else []
        parts += [f"at {rule['until']}"] if rule.get("until") else []
        parts += [f"after {rule['experiments']} experiments"] if rule.get("experiments") else []
        parts += [f"at ${rule['usd']:g}"] if rule.get("usd") else []
        if parts:
            said[agent["kind"]] = " or ".join(parts)
    return "".join(f" · each {kind} {text}" for kind, text in said.items())


def _table(plan: Plan) -> list[str]:
    tmux = not machine.absent(["tmux"])
    people = _people(plan)
    width = max(12, *(len(str(a["name"])) for a in people)) + 2
    column = max(9, *(len(str(a.get("program") or "—")) for a in people)) + 4
    where = "core" if _on_cpu(plan) else "gpu"
    out = [f"  {'agent':<{width}}{where:<6}{'program':<{column}}{'look in' if tmux else ''}".rstrip()]
    for agent in people:
        slot = agent.get("slot")
        look = f"swarm attach {agent['name']}" if tmux else ""
        own = "—" if agent.get("role") else "pool"  # who only reads has no use for one
        place = own if slot is None else str(slot)
        out.append(f"  {agent['name']:<{width}}{place:<6}{agent.get('program') or '—':<{column}}{look}".rstrip())
    return out


def _now(plan: Plan, answer: Mapping[str, Any], now: float, took: float) -> list[str]:
    n, units = len(_people(plan)), len(plan.slots)
    head = f"  {n} agent{' is' if n == 1 else 's are'} running ({took:.1f} s)."
    if plan.end.policy is not None:
        return ["", f"{head} They join the campaign {answer.get('campaign', '')}. You can close this terminal."]
    seeds = int(answer["runs"])
    each = f", one per {_unit(plan)}" if seeds <= units else f", {units} at once"
    first = f"{head} Now: the baseline, {seeds} seeds{each}"
    seconds = _run_seconds(plan.task)
    if seconds is None:
        return ["", f"{first}. You can close this terminal."]
    rounds = -(-seeds // max(1, units))
    done = now + rounds * seconds
    rate = units * 3600 / seconds
    return [
        "",
        f"{first}, done about {clock(done, now)}.",
        f"  First agent results about {clock(done + seconds, now)}; then about {rate:.0f} runs an hour. "
        "You can close this terminal.",
    ]


def _run_seconds(task: Task) -> float | None:
    kind, _, amount = task.budget.partition(":")
    return float(amount) * SLOWER + START if kind in ("wall", "cpu") else None


def _next(plan: Plan) -> list[str]:
    one = str(plan.agents[0]["name"])
    return [
        f'    swarm watch         live board            swarm tell {one} "…"    talk to one',
        "    swarm leaderboard   what works            swarm stop                    end, keep everything",
    ]
