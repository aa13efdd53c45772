"""kill -9 of the coordinator before, inside and after everything durable that any verb of the story does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scenes import SCENES, Scene
from tests.faults.theatre import Theatre


@pytest.mark.parametrize("scene", [s for s in SCENES if s.daily], ids=lambda s: s.name)
def test_killed_there_nothing_is_lost_and_nothing_counted_twice(scene: Scene, tmp_path: Path) -> None:
    """Where weaknesses were found once."""
    assert scene.daily is not None
    Theatre(tmp_path, scene).killed_at(*scene.daily)


@pytest.mark.e2e
@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.name)
def test_killed_at_every_point(scene: Scene, part: int, tmp_path: Path) -> None:
    if part >= scene.parts:
        pytest.skip("few points: all in the first part")
    theatre = Theatre(tmp_path, scene)
    theatre.everywhere(theatre.killed_at, part, scene.parts)
