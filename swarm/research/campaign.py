"""When a campaign ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

BOOKED_EVERY = 60.0  # seconds of search until they are written down
UNSEEN = 2 * BOOKED_EVERY  # at most so much of the time since then counts where nobody was there to measure it


@dataclass(frozen=True)
class Ending:
    """Whatever comes first. `until_at`: seconds since 1970. `hours`: of search, see `elapsed`."""

    hours: float | None = None
    until_at: float | None = None
    experiments: int | None = None
    usd: float | None = None


def why_stop(ending: Ending, searched: float, now: float, experiments: int, usd: float) -> str | None:
    """The reason to end now, in words, or None. `searched`: seconds that count towards `hours`."""
    if ending.hours is not None and searched >= ending.hours * 3600:
        return f"{ending.hours:g} hours are over"
    if ending.until_at is not None and now >= ending.until_at:
        return "the time of day it was to stop at has come"
    if ending.experiments is not None and experiments >= ending.experiments:
        return f"{ending.experiments} experiments are done"
    if ending.usd is not None and usd >= ending.usd:
        return f"${ending.usd:g} are spent"
    return None


def elapsed(rule: Mapping[str, Any], now: float) -> float:
    """Seconds that count towards `hours`, by what a campaign's row says and the clock on the wall.

    That is what was booked, and the time since the last booking. Of the latter at most UNSEEN seconds: the clock may have
    been set, the machine suspended or switched off, and only a living coordinator can tell (coordinator/hours.py).
    """
    if "at" not in rule:  # a ledger from before hours were booked
        return max(0.0, now - float(rule.get("since", now)))
    return float(rule["booked"]) + min(max(now - float(rule["at"]), 0.0), UNSEEN)


def until_at(hhmm: str, now: float, tz: tzinfo | None) -> float:
    """The next moment (seconds since 1970) at which clocks in `tz` (None: this machine's) show hh:mm.

    Raises ValueError for what is no time of day.
    """
    hour, minute = (int(x) for x in hhmm.split(":"))
    here = datetime.fromtimestamp(now, tz)
    then = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= here:
        then = (then.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=tz)
    return then.timestamp()
