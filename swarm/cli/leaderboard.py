"""`swarm leaderboard`: what works, best first, by the estimate that luck cannot fool."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, fields

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm.cli import screen
from swarm.ledger.reader import Reader
from swarm.views import Board, Row, board
from swarm.workspace import Workspace

LINES = 2  # of a description
ROOMY = 22  # columns left for the description; with less the others stand closer together


def run(
    workspace: Workspace,
    n: int = 10,
    as_json: bool = False,
    tsv: bool = False,
    raw: bool = False,
    everything: bool = False,
) -> None:
    """Print the board. Raises SwarmError when nothing is recorded."""
    with Reader(workspace.ledger) as reader:
        found = board(reader, n, raw, everything)
    if as_json:
        screen.print_json([asdict(row) for row in found.rows])
    elif tsv:
        screen.print_tsv((asdict(row) for row in found.rows), (f.name for f in fields(Row)))
    else:
        screen.show(lambda width: draw(found, width))


def draw(found: Board, width: int = screen.WIDTH) -> RenderableType:
    """The board as people read it."""
    if not found.rows:
        return Text("  Nothing is measured yet; the baseline comes first. How it goes: swarm status")
    return Group(_head(found, width), _table(found, width), *_foot(found))


def _head(found: Board, width: int) -> Text:
    better = "lower" if found.better == "lower" else "higher"
    on = f" on {screen.hardware(found.hardware)}" if found.hardware else ""
    text = f'{screen.clean(found.metric)}{on} · est. shrunk towards "no effect" · raw mean of n · P(a gain) · {better} is better'
    return Text("\n".join(textwrap.wrap(text, width - 2, initial_indent="  ", subsequent_indent="  ")), style="dim")


def _table(found: Board, width: int) -> Table:
    rows = (*found.rows, *found.below)
    decimals = screen.places([r.estimate for r in rows], min((r.stderr for r in rows if r.stderr), default=None))
    left = [_cells(r, decimals) for r in rows]
    names = ("   #", "exp", "commit", "est.", "±", "raw", "n", "P", "state", "agent", "kind", "lines")
    wide = [max(len(str(c[i])) for c in (names, *left)) for i in range(len(names))]
    gap = 2 if width - sum(wide) - 2 * len(names) >= ROOMY else 1
    room = max(12, width - sum(wide) - gap * len(names))
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for i, name in enumerate(names):
        right = name in ("   #", "n", "P", "lines")
        table.add_column(name, justify="right" if right else "default", no_wrap=True, width=wide[i])
    table.add_column("what", width=room, overflow="fold")
    for number, (row, cells) in enumerate(zip(rows, left, strict=True)):
        if number == len(found.rows):
            table.add_row("…")
        table.add_row(*cells, _what(row, room))
    return table


def _cells(row: Row, decimals: int) -> tuple[Text | str, ...]:
    given = row.agent is None and row.verdict is None
    lines = "—" if given else screen.signed(row.lines, 0) if row.lines else "0"
    return (
        f"{row.rank or '':>4}", row.experiment, screen.sha(row.commit), screen.fixed(row.estimate, decimals),
        screen.error(row.stderr, decimals), screen.fixed(row.score, decimals), str(row.runs), screen.chance(row.p_real), screen.state(row.state),
        screen.shorter(screen.clean(row.agent), 16) or "—", "—" if given else row.kind, lines,
    )  # fmt: skip


def _what(row: Row, room: int) -> str:
    """The description in at most two lines."""
    wrapped = textwrap.wrap(screen.clean(row.description), room, max_lines=LINES, placeholder="…")
    return "\n".join(wrapped)


def _foot(found: Board) -> list[Text]:
    shown = len(found.rows)
    why = next((r for r in found.rows if r.state == "unconfirmed"), found.rows[0]).experiment
    by = "--raw sorts by raw" if not found.raw else "sorted by raw, which flatters lucky runs"
    text = f"  {screen.many(found.experiments, 'experiment')}; top {shown} shown (-n 50, --json, --tsv, {by}).  Why: swarm show {why}"
    out = [Text(text, style="dim")]
    if found.elsewhere:
        out.append(Text(f"  {found.elsewhere} more ran on other hardware, where scores do not compare.", style="dim"))
    return out
