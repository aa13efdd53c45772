"""`swarm grid`: ask for a wave, look at its answer, stop it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm import clock
from swarm.cli import screen
from swarm.cli.figures import clock as hour
from swarm.cli.places import agent, here, owner, seated
from swarm.ledger.reader import Reader
from swarm.research.grid import cost
from swarm.views.waves import Wave, told, wave, waves
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from swarm.client import Client

BEST = 5  # cells shown
OVER = ("done", "stopped")


def ask(words: list[str], on: str | None, repeats: int, yes: bool, wait: bool) -> None:
    """Queue it, and say how much it is; with `wait` stay for the answer."""
    client = agent() if seated() else owner(start=True)
    answer = client.post("grid", words=words, on=on, repeats=repeats, sure=yes)
    number = int(answer["wave"])
    print(f"  {_queued(answer)}   swarm grid --show {number}")
    if wait:
        _until_over(client, number)
        show(here(), number)


def _queued(answer: dict[str, Any]) -> str:
    known = answer["cells"] - answer["runs"]
    free = f" ({known} known already)" if known > 0 else ""
    takes = cost(answer["runs"], answer["minutes"], answer["slots"])
    return f"wave {answer['wave']} on {answer['on']}: {answer['cells']} cells{free}, {takes}"


def _until_over(client: Client, number: int) -> None:
    while client.get(f"waves/{number}")["state"] not in OVER:
        time.sleep(1.0)


def stop(number: int) -> None:
    """What is queued of it is not run; what runs finishes."""
    client = agent() if seated() else owner(start=True)
    answer = client.post(f"waves/{number}/stop")
    dropped = screen.many(int(answer["dropped"]), "run")
    then = f"swarm grid --show {number}" if answer["state"] in OVER else "what runs finishes, then it is answered"
    print(f"  wave {number}: {dropped} not started any more.   {then}")


def show(workspace: Workspace, number: int, as_json: bool = False) -> None:
    """Print one wave's answer. Raises SwarmError when there is none of this number."""
    with Reader(workspace.ledger) as reader:
        found = wave(reader, number)
    if as_json:
        screen.print_json(plain(found))
        return
    screen.show(lambda width: card(found))


def board(workspace: Workspace, as_json: bool = False) -> None:
    """Print the waves. Raises SwarmError when nothing is recorded."""
    with Reader(workspace.ledger) as reader:
        found = waves(reader)
    if as_json:
        screen.print_json([plain(w) for w in found])
        return
    screen.show(lambda width: table(found, width))


def card(found: Wave) -> RenderableType:
    """The answer, then the best cells."""
    lines = [Text(f"  {screen.clean(line)}") for line in told(found)]
    cells = sorted((found.answer or {}).get("cells", []), key=lambda c: _rank(found, c))[:BEST]
    if not cells:
        return Group(*lines)
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("  cell", "experiment", "estimate", "±", "n"):
        rows.add_column(name, justify="right" if name in ("estimate", "±", "n") else "left", no_wrap=name != "  cell")
    d = screen.places([c["estimate"] for c in cells], min((c["stderr"] for c in cells if c["stderr"]), default=None))
    for c in cells:
        name = f"  {screen.clean(c['cell'])}"
        rows.add_row(
            name, c["experiment"], screen.fixed(c["estimate"], d), screen.error(c["stderr"], d), str(c["runs"])
        )
    return Group(*lines, Text(""), rows)


def _rank(found: Wave, cell: dict[str, Any]) -> tuple[bool, float]:
    """The best first: whether more or less is better is seen at the best one."""
    answer = found.answer or {}
    best = next((c for c in answer.get("cells", []) if c["experiment"] == answer.get("best")), cell)
    return cell["experiment"] != best["experiment"], abs(cell["estimate"] - best["estimate"])


def table(found: list[Wave], width: int = screen.WIDTH) -> RenderableType:
    """One line each."""
    if not found:
        return Text("  no wave was asked for yet.   swarm grid WEIGHT_DECAY=.05,.1 MATRIX_LR=.02,.04")
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("  wave", "asked", "on", "of", "state"):
        rows.add_column(name, no_wrap=name != "of")
    for w in found:
        state = f"{w.measured} of {w.cells} measured" if w.state == "open" else w.state
        best = f", best {w.answer['best']}" if w.answer and w.answer.get("best") else ""
        asked = f"{hour(w.created, clock.now())} {screen.clean(w.author) or 'you'}"
        rows.add_row(
            f"  {w.id}", asked, w.base, screen.shorter(screen.clean(" ".join(w.factors)), width - 50), state + best
        )
    return rows


def plain(found: Wave) -> dict[str, Any]:
    """For programs."""
    from dataclasses import asdict

    return asdict(found)
