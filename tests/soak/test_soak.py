"""A short soak: few slots, half a minute of faults from a fixed seed, and the checker finds nothing. `make soak` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.box import have
from tests.soak import plan
from tests.soak.checker import check
from tests.soak.driver import Soak, Wish
from tests.soak.table import table

SECONDS = 35.0


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_nothing_is_lost_under_random_faults(tmp_path: Path) -> None:
    have("tmux", "git", "bwrap")
    soak = Soak(tmp_path / "a soak", Wish(SECONDS / 60, seed=2997, slots=8, rest=2.0))
    wrong = ["it did not come to its end"]
    try:
        wrong = soak.run()
        wrong += check(soak.workspace.root, soak.diaries)
        assert wrong == [], table(soak)
        assert sum(soak.faults.done.values()) > 3
    finally:
        soak.close(keep=bool(wrong))


def test_the_plan_is_a_function_of_the_seed() -> None:
    long, short = plan.faults(7, 3600), plan.faults(7, 600)
    assert long == plan.faults(7, 3600) != plan.faults(8, 3600)
    assert short == [event for event in long if event.at < 600]
    assert {event.what for event in long} == set(plan.FAULTS)
    assert "disk full" not in {event.what for event in plan.faults(7, 3600, disk=False)}
    assert plan.acts(7, 600) == plan.acts(7, 600)
