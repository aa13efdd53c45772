"""The same with a real SIGKILL: a process of its own plays the story and dies; we are its successor."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import swarm
from tests.faults.scenes import SCENES
from tests.faults.stage import Stage
from tests.faults.theatre import finish

HERE = Path(swarm.__file__).parent.parent
ROUND = "bind, dispatch, collect, judge, confirm, promote, pollinate"
SWEEP = [("submit", 5), ("submit values", 7), ("contact", 1), (ROUND, 12), (ROUND, 30), ("promote", 1), ("spawn", 9)]


def die(root: Path, name: str, at: int) -> None:
    words = [sys.executable, "-m", "tests.faults.child", str(root), name, str(at)]
    done = subprocess.run(words, cwd=HERE, capture_output=True, text=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr


def after(root: Path, name: str) -> None:
    """The sessions were the child's own: a reboot as well."""
    stage = Stage(root)
    stage.now += 100
    stage.open()
    scene = next(s for s in SCENES if s.name == name)
    stage.may(lambda: scene.act(stage))
    finish(scene, stage)


def test_a_coordinator_that_was_killed_has_a_successor(tmp_path: Path) -> None:
    die(tmp_path / "stage", ROUND, 21)
    after(tmp_path / "stage", ROUND)


@pytest.mark.e2e
@pytest.mark.parametrize(("name", "at"), SWEEP)
def test_killed_in_each_verb(name: str, at: int, tmp_path: Path) -> None:
    die(tmp_path / "stage", name, at)
    after(tmp_path / "stage", name)
