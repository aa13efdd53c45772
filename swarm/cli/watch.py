"""`swarm watch`: status, board and what happened last, renewed every second, until q or ctrl-C."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from swarm import clock
from swarm.cli import leaderboard, news, screen, status
from swarm.errors import SwarmError
from swarm.ledger.reader import Reader
from swarm.views import alive, board, snapshot
from swarm.workspace import Workspace

EVERY = 1.0  # seconds
TOP = 5
EVENTS = 60  # read; as many are shown as fit


def run(workspace: Workspace) -> None:
    """Draw until the person has seen enough. Without a terminal once. Raises SwarmError when nothing is recorded."""
    if not sys.stdout.isatty():
        screen.show(lambda width: draw(workspace, width, 60))
        return
    console = screen.console()
    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(_fitting(console, workspace), refresh=True)
                if pressed(EVERY) in ("q", "Q", "\x1b", "\x03", "\x04"):
                    return
        except KeyboardInterrupt:
            return


def _fitting(console: Console, workspace: Workspace) -> RenderableType:
    try:
        return draw(workspace, console.width, console.height, console)
    except SwarmError as error:
        return Text(f"  {error.message}  {error.hint}")


def draw(workspace: Workspace, width: int, height: int, console: Console | None = None) -> RenderableType:
    """As much as fits: the status, then the first rows of the board, then what happened last."""
    console = console or Console(width=width, highlight=False, markup=False)
    now = clock.now()
    with Reader(workspace.ledger) as reader:
        going = snapshot(reader, now, alive(workspace))
        top = board(reader, TOP)
        events = reader.events(going.campaign.id, newest=EVENTS)
    parts: list[RenderableType] = [status.draw(going, width, status.place(workspace))]
    room = height - _lines(console, parts[0], width) - 3
    best = Group(Text(""), leaderboard.draw(top, width))
    used = _lines(console, best, width)
    if top.rows and room >= used + 4:
        parts.append(best)
        room -= used
    told = [text for e in events if (text := news.line(e, now))]
    shown = told[-(room - 1) :] if room > 1 else []
    for text in shown:
        text.truncate(width - 1, overflow="ellipsis")
    return Group(*parts, Text(""), *shown, Text("  q ends this screen, not the swarm", "dim"))


def _lines(console: Console, part: RenderableType, width: int) -> int:
    return len(console.render_lines(part, console.options.update(width=width), pad=False))


@contextmanager
def keys() -> Iterator[Pressed]:
    """Single keys without Enter, and the terminal as it was afterwards."""
    if not sys.stdin.isatty():
        yield Pressed(None)
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield Pressed(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


class Pressed:
    """Waits for a key for so many seconds; empty when there was none."""

    def __init__(self, fd: int | None) -> None:
        self.fd = fd

    def __call__(self, seconds: float) -> str:
        ready, _, _ = select.select([] if self.fd is None else [self.fd], [], [], seconds)
        if not ready:
            return ""
        return os.read(self.fd or 0, 1).decode(errors="replace")
