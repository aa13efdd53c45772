"""kill -9 of the coordinator before, inside and after everything durable that any verb of the story does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.checker import Checker
from tests.faults.effects import Killed
from tests.faults.scenes import SCENES, Scene
from tests.faults.stage import Stage, killed
from tests.faults.theatre import Theatre


@pytest.mark.parametrize("scene", [s for s in SCENES if s.daily], ids=lambda s: s.name)
def test_killed_there_nothing_is_lost_and_nothing_counted_twice(scene: Scene, tmp_path: Path) -> None:
    """Where weaknesses were found once."""
    assert scene.daily is not None
    Theatre(tmp_path, scene).killed_at(*scene.daily)


@pytest.mark.e2e
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("scene", "part"), [pytest.param(s, n, id=f"{s.name}-{n}") for s in SCENES for n in range(s.parts)]
)
def test_killed_at_every_point(scene: Scene, part: int, tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, scene)
    theatre.everywhere(theatre.killed_at, part, scene.parts)


def test_deaths_just_before_a_run_starts_are_no_tries_of_the_run(tmp_path: Path) -> None:
    """The ledger says "running", nothing runs, and nothing ever ran: five times over."""
    stage = Stage(tmp_path / "stage")
    stage.open()
    stage.spawn(1)
    stage.settle()
    ident = stage.submit("a0", A=0.5)

    def dies(job: object) -> None:
        raise Killed("executor")

    for _ in range(5):
        stage.executor.start = dies  # type: ignore[method-assign,assignment]
        assert killed(stage.step)
        stage.reopen()
    stage.settle()
    assert stage.e(ident).verdict == "keep"
    tries = stage.ledger.rows("SELECT a.outcome FROM attempts a JOIN runs r ON r.id=a.run WHERE r.experiment=?", ident)
    assert [o for (o,) in tries][:6] == ["lost"] * 5 + ["finished"]
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)


def test_the_next_coordinator_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    stage.open()
    stage.spawn(1)
    stage.settle()
    left = stage.workspace.hidden / "blobs-abcd1234"
    left.mkdir()
    os.utime(left, (1, 1))
    stage.reopen()
    assert not left.exists()
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)
