"""When a campaign ends."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.research.campaign import UNSEEN, Ending, elapsed, until_at, why_stop


def test_whatever_comes_first() -> None:
    rule = Ending(hours=2, until_at=10_000, experiments=5, usd=1.5)
    assert why_stop(rule, 7199, 9000, 4, 1.0) is None
    assert why_stop(rule, 7200, 9000, 4, 1.0) == "2 hours are over"
    assert why_stop(rule, 1000, 10_000, 4, 1.0) == "the time of day it was to stop at has come"
    assert why_stop(rule, 1, 1, 5, 1.0) == "5 experiments are done"
    assert why_stop(rule, 1, 1, 4, 1.5) == "$1.5 are spent"
    assert why_stop(Ending(), 1e12, 1e12, 10**9, 1e9) is None


def test_time_that_nobody_measured_counts_for_two_minutes_at_most() -> None:
    rule = {"since": 1000.0, "booked": 500.0, "at": 2000.0}
    assert elapsed(rule, 2030.0) == 530
    assert elapsed(rule, 90_000.0) == 500 + UNSEEN
    assert elapsed(rule, 0.0) == 500
    assert elapsed({"since": 1000.0}, 4600.0) == 3600  # written before hours were booked
    assert elapsed({}, 4600.0) == 0


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
