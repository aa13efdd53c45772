"""`python -m tests.faults.child ROOT SCENE AT`: the scene in a process of its own, which really dies at the effect."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.faults.effects import Effects
from tests.faults.scenes import SCENES
from tests.faults.stage import Stage


def die(name: str) -> BaseException:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(name)


def main() -> None:
    root, name, at = sys.argv[1:]
    scene = next(s for s in SCENES if s.name == name)
    effects = Effects(die)
    stage = Stage(Path(root), effects)
    stage.open()
    scene.before(stage)
    effects.arm(int(at), "after")
    scene.act(stage)


if __name__ == "__main__":
    main()
