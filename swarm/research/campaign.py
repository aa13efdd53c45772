"""When a campaign ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo


@dataclass(frozen=True)
class Ending:
    """Whatever comes first. `until_at`: seconds since 1970."""

    hours: float | None = None
    until_at: float | None = None
    experiments: int | None = None
    usd: float | None = None


def why_stop(ending: Ending, started: float, now: float, experiments: int, usd: float) -> str | None:
    """The reason to end now, in words, or None."""
    if ending.hours is not None and now - started >= ending.hours * 3600:
        return f"{ending.hours:g} hours are over"
    if ending.until_at is not None and now >= ending.until_at:
        return "the time of day it was to stop at has come"
    if ending.experiments is not None and experiments >= ending.experiments:
        return f"{ending.experiments} experiments are done"
    if ending.usd is not None and usd >= ending.usd:
        return f"${ending.usd:g} are spent"
    return None


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
