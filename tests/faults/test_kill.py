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
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("scene", "part"), [pytest.param(s, n, id=f"{s.name}-{n}") for s in SCENES for n in range(s.parts)]
)
def test_killed_at_every_point(scene: Scene, part: int, tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, scene)
    theatre.everywhere(theatre.killed_at, part, scene.parts)
