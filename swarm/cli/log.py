"""`swarm log`: what an experiment's training printed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from swarm.cli import screen
from swarm.ledger.reader import Reader
from swarm.research.experiment import Experiment, Run
from swarm.workspace import Workspace

BYTES = 256 * 1024  # read from the end
HEAD = 5  # lines from the beginning


def run(workspace: Workspace, experiment: str, lines: int = 50) -> None:
    """Print the newest run's output: its first lines and the last `lines`. Raises SwarmError for unknown experiments."""
    with Reader(workspace.ledger) as reader:
        e = reader.find(experiment)
        runs = reader.runs(e.same_as or e.id)
    screen.show(lambda width: draw(workspace, e, runs, lines))


def draw(workspace: Workspace, e: Experiment, runs: list[Run], lines: int) -> RenderableType:
    """Which run it is, and what it printed."""
    begun = [r for r in runs if r.started is not None]
    if not begun:
        why = screen.clean(e.reason) or "it waits for its turn"
        return Text(f"  {e.id} has not run: {why}")
    r = begun[-1]
    others = f" · {len(begun)} runs, this is the last" if len(begun) > 1 else ""
    head = (
        f"# {e.id} {screen.sha(e.commit)} · run r{r.id}, seed {r.seed}, on {screen.clean(r.slot)}: {r.status}{others}"
    )
    return Group(Text(head, "dim"), *(Text(line) for line in _lines(workspace, r, lines)))


def _lines(workspace: Workspace, r: Run, lines: int) -> list[str]:
    path = workspace.run_folder(r.id, r.attempt) / "log.txt"
    try:
        first, last, whole = read(path)
    except OSError:
        kept = _printed(r.reason or "")
        return (
            kept[-lines:]
            if kept
            else ["# its log is gone (swarm clean); what was measured stays: swarm show " + r.experiment]
        )
    if whole:
        return last if len(last) <= lines + HEAD else [*last[:HEAD], _gap(len(last) - lines - HEAD), *last[-lines:]]
    return [*first[:HEAD], "# … (-n shows more of the end)", *last[-lines:]]


def read(path: Path) -> tuple[list[str], list[str], bool]:
    """First lines, last lines, and whether the last are all. Raises OSError when it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size <= BYTES:
            return [], _printed(file.read().decode(errors="replace")), True
        first = file.read(BYTES // 16)
        file.seek(size - BYTES)
        last = file.read()
    return _printed(first.decode(errors="replace")), _printed(last.decode(errors="replace"))[1:], False


def _printed(text: str) -> list[str]:
    """Lines as a terminal would leave them: of a progress line that was overwritten, the last state."""
    lines = text.replace("\r\n", "\n").rstrip().split("\n") if text.strip() else []
    return [screen.clean(_last(line), lines=True) for line in lines]


def _last(line: str) -> str:
    states = [s for s in line.split("\r") if s.strip()]
    return states[-1] if states else ""


def _gap(count: int) -> str:
    return f"# … {count} lines between (-n shows more)"
