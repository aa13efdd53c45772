"""The one real clock. Everything that decides gets `now` as a number (seconds since 1970)."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since 1970."""
    return time.time()
