"""Numbers and times as these screens write them."""

from __future__ import annotations

import time


def score(value: float, stderr: float | None = None) -> str:
    """`0.9803 ± .0008`."""
    from swarm.cli import screen

    decimals = screen.places([value], stderr)
    text = screen.fixed(value, decimals)
    return text if stderr is None else f"{text} ± {screen.error(stderr, decimals)}"


def span(seconds: float) -> str:
    """`3 h 12 min`, `12 min`, `20 s`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def clock(at: float, now: float) -> str:
    """A local time of day; with the day's name when it is not today."""
    then = time.localtime(at)
    same = then[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if same else "%a %H:%M", then)
