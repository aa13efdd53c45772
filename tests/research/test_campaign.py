"""When a campaign ends."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.campaign import Ending, until_at, why_stop


def test_whatever_comes_first() -> None:
    rule = Ending(hours=2, until_at=10_000, experiments=5, usd=1.5)
    assert why_stop(rule, 0, 7199, 4, 1.0) is None
    assert why_stop(rule, 0, 7200, 4, 1.0) == "2 hours are over"
    assert why_stop(rule, 9000, 10_000, 4, 1.0) == "the time of day it was to stop at has come"
    assert why_stop(rule, 0, 1, 5, 1.0) == "5 experiments are done"
    assert why_stop(rule, 0, 1, 4, 1.5) == "$1.5 are spent"
    assert why_stop(Ending(), 0, 1e12, 10**9, 1e9) is None


@given(st.floats(0, 4e9), st.integers(0, 23), st.integers(0, 59))
def test_until_is_the_next_such_moment(now: float, hour: int, minute: int) -> None:
    then = until_at(f"{hour:02}:{minute:02}", now, UTC)
    there = datetime.fromtimestamp(then, UTC)
    assert (there.hour, there.minute) == (hour, minute)
    assert now < then <= now + 86_400


def test_a_night_in_which_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 10, 24, 22, 0, tzinfo=berlin).timestamp()
    assert until_at("08:30", evening, berlin) - evening == 11.5 * 3600


def test_no_time_of_day() -> None:
    with pytest.raises(ValueError, match=r"\d"):
        until_at("25:00", 0.0, UTC)
