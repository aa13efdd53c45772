"""What happened, a line each, as a person is told it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich.text import Text

from swarm.cli import plateau, screen
from swarm.cli.figures import clock as hour
from swarm.research.experiment import Event

STYLES = {
    "promoted": "bold green",
    "withdrawn": "yellow",
    "plateau": "yellow",
    "lost": "yellow",
    "machine": "yellow",
    "ended": "bold",
}
QUIET = ("bound", "measured", "confirming")  # the board tells these


def line(event: Event, now: float) -> Text | None:
    """The event as one line; None for what would only be noise."""
    if event.kind in QUIET:
        return None
    try:
        data = json.loads(event.data)
    except ValueError:
        data = {}
    text = _sentence(event, data if isinstance(data, dict) else {})
    if not text:
        return None
    return Text.assemble((f"  {hour(event.at, now)}  ", "dim"), (screen.clean(text), _style(event, data)))


def _style(event: Event, data: dict[str, Any]) -> str:
    if event.kind == "judged":
        return {"keep": "green", "crash": "red"}.get(str(data.get("verdict")), "dim")
    return STYLES.get(event.kind, "")


def _sentence(event: Event, data: dict[str, Any]) -> str:
    who, what = event.agent or "", event.experiment or ""
    if event.kind == "judged":
        return _judged(who, what, data)
    sentences: dict[str, Callable[[], str]] = {
        "spawned": lambda: (
            f"{screen.many(len(data.get('agents', [])), 'agent')} to start: {_names(data.get('agents'))}"
        ),
        "baseline": lambda: (
            f"the baseline is measured: {_number(data.get('score'))}, seeds sd {_number(data.get('sd'))}"
        ),
        "submitted": lambda: f"{who} {'submit' if who == 'you' else 'submits'} {what}: {data.get('description', '')}",
        "not-held": lambda: f"{what} did not hold when it was measured again",
        "promoted": lambda: f"{what} is best now, {_by(data)} (before: {data.get('previous')})",
        "withdrawn": lambda: f"{what} is no longer best: {data.get('to')} is, again",
        "rebased": lambda: _rebased(who, what, data),
        "stacked": lambda: f"{who}: {_names(data.get('members'))} are put together as {data.get('stack')}",
        "plateau": lambda: f"a plateau: {plateau.gained(data, 4)}",
        "switched": lambda: f"{who} follows the program {data.get('to')} now (before: {data.get('was')})",
        "stays": lambda: f"{who} stays on {data.get('on')} on purpose, while best is {what}",
        "adopted": lambda: _rebased(who, what, data),
        "grid": lambda: _grid(who, data),
        "wave": lambda: str(data.get("text", "")),
        "unstacked": lambda: str(data.get("text", "")),
        "blank": lambda: f"{what}, with nothing changed, would have become best: it is counted as luck",
        "lost": lambda: f"a run of {what} was lost ({data.get('why') or 'no word'}) and is done again",
        "told": lambda: f"told {who or 'all'}: {data.get('text', '')}",
        "replaced": lambda: f"{who} is replaced by {data.get('by')}, on {what}",
        "stuck": lambda: _stuck(who, data),
        "program": lambda: f"{who or 'agents'} got the edited program",
        "agent": lambda: f"{who} {data.get('state', '')}" + (f": {data['why']}" if data.get("why") else ""),
        "paused": lambda: "paused",
        "resumed": lambda: "going on",
        "ended": lambda: f"the end: {data.get('why', '')}",
        "machine": lambda: str(data.get("text", "")),
    }
    return sentences[event.kind]() if event.kind in sentences else ""


def _grid(who: str, data: dict[str, Any]) -> str:
    if data.get("stopped"):
        return f"{who}: wave {data['stopped']} is stopped"
    said = data.get("answer") or {}
    return (
        f"{who} asked for wave {said.get('wave')} on {said.get('on')}: {screen.many(int(said.get('runs') or 0), 'run')}"
    )


def _judged(who: str, what: str, data: dict[str, Any]) -> str:
    verdict = str(data.get("verdict"))
    delta = data.get("delta")
    moved = f" {screen.signed(delta, screen.places([1.0]))}" if isinstance(delta, float) else ""
    p = f", P(better) {screen.chance(data.get('p'))}" if data.get("p") is not None else ""
    if verdict in ("keep", "discard"):
        return f"{what} {verdict}{moved}{p} · {who}"
    why = str(data.get("reason") or "").split("\n")[0]
    return f"{what} {verdict}: {why} · {who}"


def _by(data: dict[str, Any]) -> str:
    if data.get("by") == "person":
        return "promoted by you"
    return "confirmed" + (f", P(better) {screen.chance(data['p'])}" if data.get("p") is not None else "")


def _rebased(who: str, what: str, data: dict[str, Any]) -> str:
    own = _names(data.get("kept"))
    be = "is" if len(data.get("kept") or []) == 1 else "are"
    if data.get("stack"):
        return f"{who} builds on {what} now; its {own} {be} measured again on it as {data['stack']}"
    return f"{who} builds on {what} now"


def _stuck(who: str, data: dict[str, Any]) -> str:
    then = "begins afresh" if data.get("fresh") else "is told"
    why = f" ({data['why']})" if data.get("why") else ""
    return f"{who}: {screen.many(int(data.get('turns') or 0), 'turn')} without a submission{why}; it {then}"


def _names(names: Any) -> str:
    return screen.shorter(", ".join(str(n) for n in names or []), 60)


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else "?"
