"""`swarm status`: how the campaign goes. Everything is read from the ledger; no coordinator is needed."""

from __future__ import annotations

import json
import socket
import textwrap
import time
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm import clock
from swarm.cli import control, plateau, screen
from swarm.cli.doing import now
from swarm.cli.figures import clock as hour
from swarm.cli.figures import span
from swarm.research.experiment import NO_WORKERS
from swarm.research.roles import EXPERIMENTER
from swarm.views import AgentRow, Row, Snapshot, look
from swarm.workspace import Workspace

MOST = 32  # agents shown
WHY = {"hours": "stop.hours", "until": "stop.until", "experiments": "stop.experiments", "usd": "stop.usd"}


def run(workspace: Workspace, as_json: bool = False) -> None:
    """Print how it goes. Raises SwarmError when nothing is recorded."""
    found = look(workspace, clock.now())
    if as_json:
        screen.print_json(plain(found))
        return
    screen.show(lambda width: draw(found, width, place(workspace)))


def place(workspace: Workspace) -> str:
    """The machine of the coordinator."""
    try:
        return str(json.loads(workspace.door.read_text())["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return socket.gethostname()


def draw(s: Snapshot, width: int = screen.WIDTH, host: str = "") -> RenderableType:
    """The snapshot as people read it."""
    facts = Table.grid(padding=0)
    facts.add_column(width=11, no_wrap=True, style="dim")
    facts.add_column(max_width=width - 11)
    for label, left, right in (
        ("campaign", _campaign(s), _coordinator(s, host)),
        ("best", _best(s), _baseline(s)),
        ("", _whose(s), ""),
        ("noise", _noise(s), ""),
        ("gpus" if s.device == "gpu" else "cores", _machine(s), ""),
        ("ideas", _ideas(s), ""),
        ("blanks", _blanks(s), ""),
        ("backlog", _backlog(s), ""),
        ("money", _money(s), ""),
        ("plateau", plateau.line(s.plateau, _decimals(s), clock.now()) if s.plateau else "", ""),
        ("control", _control(s) if s.control else "", ""),
    ):
        if str(left):
            facts.add_row(f"  {label}", _beside(left, right, width - 12))
    return Group(facts, *_agents(s, width), *_foot(s, width))


def _beside(left: Text | str, right: Text | str, width: int) -> Text:
    """Two texts at the two ends of a line, or one under the other where it is too narrow for both."""
    line = Text.assemble(left)
    if str(right):
        room = width - len(line) - len(str(right))
        line.append(" " * room if room >= 3 else "\n").append_text(Text.assemble(right))
    return line


# --- the campaign -------------------------------------------------------------------------------------------------


def _campaign(s: Snapshot) -> Text:
    c = s.campaign
    text = Text(screen.clean(c.name) + " · ")
    if c.state == "ended":
        return text.append(
            f"ended {hour(c.ended or s.at, clock.now())} after {span((c.ended or s.at) - c.created)}: {_why(c.why_ended)}"
        )
    if not s.alive:
        return text.append(f"stood still since {hour(s.at, clock.now())}", "bold yellow")
    word = {"baseline": "measuring the baseline", "searching": "running", "ending": "ending"}[c.state]
    if c.paused:
        return text.append(f"paused · swarm resume goes on · {_stops(s)}", "bold yellow")
    return text.append(f"{word} {span(s.at - c.created)} · {_stops(s)}")


def _why(text: str | None) -> str:
    first = screen.clean((text or "").split("\n")[0])
    return WHY.get(first, first) or "no word why"


def _stops(s: Snapshot) -> str:
    """`stops 08:30 or at $60`, or after what else was agreed."""
    rule = s.stop
    ends = [x for x in (rule.get("until_at"), _after(rule)) if x]
    told = [hour(min(ends), clock.now())] if ends else []
    if rule.get("experiments"):
        told.append(f"after {screen.many(rule['experiments'], 'experiment')}")
    if rule.get("usd"):
        told.append(f"at ${rule['usd']:g}")
    return f"stops {' or '.join(told)}" if told else "stops when you say: swarm stop"


def _after(rule: dict[str, Any]) -> float | None:
    return rule["since"] + rule["hours"] * 3600 if rule.get("hours") else None


def _coordinator(s: Snapshot, host: str) -> Text:
    if s.alive:
        return Text(f"coordinator ok on {screen.clean(host)}" if host else "coordinator ok", "green")
    if s.campaign.state == "ended":
        return Text("")
    return Text("no coordinator · swarm resume", "bold red")


def _best(s: Snapshot) -> Text:
    if s.best is None or s.best.estimate is None:
        return Text("nothing measured yet" if s.campaign.state == "baseline" else "")
    b = s.best
    text = Text.assemble((b.experiment, "bold green"), f" {screen.sha(b.commit)}   ", (_value(s, b), "bold"))
    return text.append(f" ({screen.many(b.runs, 'run')}{_since(s)})")


def _value(s: Snapshot, row: Row) -> str:
    d = _decimals(s)
    return f"{screen.fixed(row.estimate, d)} ± {screen.error(row.stderr, d)}"


def _decimals(s: Snapshot) -> int:
    rows = [r for r in (s.best, s.baseline) if r is not None]
    return screen.places([r.estimate for r in rows], min((r.stderr for r in rows if r.stderr), default=None))


def _since(s: Snapshot) -> str:
    p = s.promotion
    if p is None:
        return ", as given"
    word = {"confirmation": "confirmed", "person": "promoted by you"}.get(p.by, "best since")
    return f", {word} {hour(p.at, clock.now())}" + (", held" if p.hold else "")


def _baseline(s: Snapshot) -> str:
    if (
        s.baseline is None
        or s.baseline.estimate is None
        or s.best is None
        or s.best.estimate is None
        or s.promotion is None
    ):
        return ""
    d = _decimals(s)
    return (
        f"baseline {screen.fixed(s.baseline.estimate, d)}   {screen.signed(s.best.estimate - s.baseline.estimate, d)}"
    )


def _whose(s: Snapshot) -> str:
    """Of what best gained, how much is constants' and how much code's doing."""
    if s.gains is None:
        return ""
    d = _decimals(s)
    parts = (("by constants", s.gains.const), ("by code", s.gains.code))
    by = [(name, screen.signed(gain, d)) for name, gain in parts if gain]
    told = ", ".join(f"{gain} {name}" for name, gain in by) if len(by) > 1 else f"all of it {by[0][0]}" if by else ""
    return f"gained {screen.fixed(s.gains.total, d)}: {told}" if told else ""


def _noise(s: Snapshot) -> str:
    if s.sd is None or s.detectable is None:
        return ""
    if s.exact:
        return f"none: {s.df + 1:.0f} runs of the same came out alike ({screen.hardware(s.hardware)})"
    d = _decimals(s)
    more = [f"{screen.hardware(s.hardware)}, {s.df:.0f} df"]
    repeat, alike = ((s.noise or {}).get(name) for name in ("repeat", "alike"))
    more += [f"same seed {screen.error(repeat, d)}"] if repeat is not None else []
    more += (
        [f"compared on the same seeds {screen.error(s.noise['spread'], d)}"]
        if s.noise and alike and alike["clear"]
        else []
    )
    return (
        f"seeds sd {screen.error(s.sd, d)} ({', '.join(more)}): one run against one run tells "
        f"{screen.fixed(s.detectable, d)} apart, not less"
    )


def _machine(s: Snapshot) -> str:
    judged = s.kept + s.discarded + s.crashed
    again = s.runs.get("confirm", 0) + max(
        0, s.runs.get("screen", 0) + s.runs.get("person", 0) - judged - s.blanks.count
    )
    parts = [screen.many(judged, "experiment")]
    parts += [screen.many(again, "confirmation")] if again else []
    parts += [f"{s.blanks.count} blank"] if s.blanks.count else []
    parts += [f"{s.runs[word]} {word}" for word in ("baseline", "reference", "control") if s.runs.get(word)]
    busy = f"{100 * s.busy:.0f} % busy · " if s.busy is not None else ""
    lost = f" · {s.lost} lost, redone" if s.lost else ""
    return f"{busy}{screen.many(sum(s.runs.values()), 'run')} = {' + '.join(parts)}{lost}"


def _ideas(s: Snapshot) -> str:
    parts = [f"{s.kept} kept (about {s.real:.0f} of them real)", f"{s.discarded} discarded", f"{s.crashed} crashed"]
    parts += [f"{s.other} not run"] if s.other else []
    return " · ".join([*parts, f"{s.promoted} promoted", f"{s.rebased} rebased"])


def _blanks(s: Snapshot) -> str:
    b = s.blanks
    return (
        f"{screen.many(b.count, 'run')} with nothing changed: {b.kept} kept, {b.promoted} promoted" if b.count else ""
    )


def _backlog(s: Snapshot) -> str:
    """`12 ideas, 58 % of them never tried · swarm idea list`."""
    total = sum(s.ideas.values())
    left = s.ideas.get("open", 0) + s.ideas.get("claimed", 0)
    return f"{screen.many(total, 'idea')}, {100 * left / total:.0f} % never tried · swarm idea list" if total else ""


def _money(s: Snapshot) -> str:
    hours = f"{s.slot_seconds / 3600:.{0 if s.slot_seconds > 36000 else 1}f} {'GPU' if s.device == 'gpu' else 'core'}-h"
    if s.gpu_price is not None and s.device == "gpu":
        hours += f" × ${s.gpu_price:.2f} = ${s.slot_seconds / 3600 * s.gpu_price:.2f}"
    most = f" of ${s.stop['usd']:g}" if s.stop.get("usd") else ""
    paid = [f"${s.usd or 0.0:.2f} API{most}"] if s.usd is not None or s.stop.get("usd") else []
    return " · ".join([*paid, *(f"{screen.clean(kind)} on a plan" for kind in s.plans), hours])


def _control(s: Snapshot) -> str:
    goes_on = s.campaign.state in ("baseline", "searching")
    return control.line(s.control or {}, _decimals(s), s.device, goes_on)


# --- the agents ---------------------------------------------------------------------------------------------------


def _agents(s: Snapshot, width: int) -> list[RenderableType]:
    shown = [a for a in s.agents if a.kind not in NO_WORKERS or a.going or a.queued]
    if not shown:
        return []
    d = _decimals(s)
    rows = [(str(a.experiments), str(a.kept), screen.fixed(a.best, d), _on(a)) for a in shown[:MOST]]
    heads = ("exps", "kept", "best est.", "on best")
    right = [max(len(str(c)) for c in column) for column in zip(heads, *rows, strict=True)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("  agent", no_wrap=True)
    table.add_column("gpu" if s.device == "gpu" else "core", no_wrap=True)
    names = max(len(screen.shorter(screen.clean(a.name), 18)) for a in shown)
    wide = max(4, *(len(",".join(a.slots)) for a in shown))
    table.add_column("now", width=max(20, width - names - wide - sum(right) - 16))
    for name, most in zip(heads, right, strict=True):
        table.add_column(name, justify="left" if name == heads[-1] else "right", no_wrap=True, min_width=most)
    for a, row in zip(shown, rows, strict=False):
        slots = ",".join(a.slots) or (
            "—"
            if a.kind in NO_WORKERS or a.state == "stopped" or a.role != EXPERIMENTER
            else "idle"
            if a.idles
            else "pool"
        )
        table.add_row(f"  {screen.shorter(screen.clean(a.name), 18)}", slots, now(a, s.at, s.device), *row)
    rest = [Text(f"  … and {len(shown) - MOST} more", "dim")] if len(shown) > MOST else []
    return [Text(""), table, *rest]


def _on(a: AgentRow) -> Text:
    if a.kind in NO_WORKERS:
        return Text("—")
    if a.rebasing:
        return Text("rebasing", "cyan")
    return Text("yes", "green") if a.on_best else Text(f"no, {a.behind} behind", "yellow")


# --- what needs somebody ------------------------------------------------------------------------------------------


def _foot(s: Snapshot, width: int) -> list[Text]:
    out = [Text("")] if s.problems or not s.alive else []
    for problem in s.problems:
        text = f"! {time.strftime('%H:%M', time.localtime(problem.at))} {screen.clean(problem.text)}"
        out += [
            Text(x, "yellow") for x in textwrap.wrap(text, width - 2, initial_indent="  ", subsequent_indent="    ")
        ]
    if not s.alive:
        out.append(Text(_next(s), "bold"))
    return out


def _next(s: Snapshot) -> str:
    if s.campaign.state == "ended":
        return "  look  swarm leaderboard     take it home  swarm export     go on  swarm resume --hours 10"
    return "  ! No coordinator is running: nothing new starts. Bring it back: swarm resume"


def plain(s: Snapshot) -> dict[str, Any]:
    """For programs: the snapshot, with the task and the stop rule as objects."""
    out = asdict(s)
    out["campaign"] |= {"task": json.loads(s.campaign.task), "stop": json.loads(s.campaign.stop)}
    return out
