"""The two real clocks. Everything that decides gets `now` as a number (seconds since 1970)."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def awake() -> float:
    """Seconds since some moment of this boot, for durations: nobody sets this clock, and it rests while the machine is
    suspended (CLOCK_MONOTONIC)."""
    return time.monotonic()
