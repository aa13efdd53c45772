"""`--hours` is time in which somebody searched, whatever becomes of the clock on the wall."""

from __future__ import annotations

import json

import pytest

from swarm import views
from swarm.ledger.reader import Reader
from swarm.research.campaign import UNSEEN
from tests.coordinator.play import Play

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def going(play: Play) -> Play:
    """Two hours to search, of which not a minute is over."""
    play.begin(1, stop={"hours": 2})
    return play


def left(play: Play) -> float:
    """Seconds until it ends, in steps of a minute."""
    begun = play.now
    while play.world.campaign.state == "searching":
        play.step(60)
        assert play.now - begun < DAY
    return play.now - begun


def test_hours_end_when_they_are_over(going: Play) -> None:
    assert left(going) == pytest.approx(2 * HOUR, abs=90)
    assert going.world.campaign.why_ended == "2 hours are over"


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_is_set_neither_ends_nor_prolongs_it(going: Play, jump: float) -> None:
    going.step(HOUR)
    going.jump(jump)
    going.settle()
    assert going.world.campaign.state == "searching"
    assert left(going) == pytest.approx(HOUR, abs=90)


def test_a_time_of_day_stays_with_the_clock_on_the_wall(play: Play) -> None:
    play.begin(1, stop={"until": "08:30"})
    play.jump(DAY)
    play.step()
    assert play.world.campaign.state == "ending"


def test_a_night_without_a_coordinator_costs_two_minutes_at_most(going: Play) -> None:
    going.step(HOUR)
    going.ledger.close()
    going.jump(DAY)
    going.open()
    assert left(going) == pytest.approx(HOUR - UNSEEN, abs=90)


def test_a_coordinator_that_dies_every_few_seconds_prolongs_nothing(going: Play) -> None:
    begun = going.now
    while going.world.campaign.state == "searching":
        going.step(7)
        going.ledger.close()
        going.open()
        assert going.now - begun < 3 * HOUR
    assert going.now - begun == pytest.approx(2 * HOUR, abs=90)


def test_a_reboot_sets_the_clock_of_the_boot_to_nothing(going: Play) -> None:
    going.step(HOUR)
    going.jumped = going.now  # it begins at 0 again
    going.ledger.close()
    going.open()
    assert left(going) == pytest.approx(HOUR, abs=90)


def test_new_hours_count_from_when_they_are_given(going: Play) -> None:
    going.step(HOUR)
    going.story.resume({"hours": 3})
    assert left(going) == pytest.approx(3 * HOUR, abs=90)


def test_a_ledger_from_before_hours_were_booked_goes_on(going: Play) -> None:
    rule = json.loads(going.world.campaign.stop)
    old = {name: rule[name] for name in ("rule", "ending", "since", "done")}
    going.world.set_campaign(stop=json.dumps(old))
    assert left(going) == pytest.approx(2 * HOUR, abs=90)


def test_screens_say_when_it_ends_as_things_stand(going: Play) -> None:
    going.step(HOUR)
    going.jump(DAY)
    going.step()
    with Reader(going.workspace.ledger) as reader:
        stop = views.snapshot(reader, going.now, alive=True).stop
    assert stop["since"] + stop["hours"] * 3600 - going.now == pytest.approx(HOUR, abs=UNSEEN + 30)
