"""One scene again and again, each time from the same beginning, with a fault at another point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.checker import Checker
from tests.faults.effects import Effects
from tests.faults.scenes import Scene
from tests.faults.stage import Stage, killed


class Theatre:
    """`effects` says what happens at the point."""

    def __init__(self, root: Path, scene: Scene, effects: Effects | None = None) -> None:
        self.root, self.scene, self.effects = root / "stage", scene, effects or Effects()
        stage = Stage(self.root, self.effects)
        stage.open()
        scene.before(stage)
        self.snapshot: dict[str, Any] = stage.snapshot(root / "snapshot")

    def stage(self) -> Stage:
        """The beginning."""
        self.effects.arm(0, "before")
        return Stage.restored(self.root, self.snapshot, self.effects)

    def points(self) -> list[tuple[int, str]]:
        """Where it can be cut: before each effect, inside those that have an inside, and after the last.

        Objects that nothing names yet are as good as none: of several in a row only the first counts.
        """
        stage = self.stage()
        self.effects.arm(0, "before")
        self.scene.act(stage)
        names, halves = ["", *self.effects.names], list(self.effects.halves)
        finish(self.scene, stage)
        starts = [n for n in range(1, len(names)) if (names[n - 1], names[n]) != ("object", "object")]
        return [(n, "before") for n in starts] + [(n, "inside") for n in halves] + [(len(names) - 1, "after")]

    def everywhere(self, fault: Callable[[int, str], None], part: int = 0, parts: int = 1) -> None:
        """A fault at every point (of one part of them); all that went wrong is said together."""
        failed = []
        for at, mode in self.points()[part::parts]:
            try:
                fault(at, mode)
            except AssertionError as error:
                failed.append(f"{error}: {error.__cause__!r:.300}")
        assert not failed, "\n".join(failed)

    def killed_at(self, at: int, mode: str) -> None:
        """Killed there; the next coordinator is asked the same again."""
        stage = self.stage()
        self.effects.arm(at, mode)
        died = killed(lambda: self.scene.act(stage))
        try:
            assert died
            stage.reopen()
            stage.may(lambda: self.scene.act(stage))
            finish(self.scene, stage)
        except Exception as error:
            raise AssertionError(f"{self.scene.name}: killed {mode} effect {at} ({self.effects.hit})") from error


def finish(scene: Scene, stage: Stage) -> None:
    """It comes to rest, the scene's own end is right, agents can go on, and the checker finds nothing."""
    stage.settle()
    scene.end(stage)
    if stage.world.campaign.state == "searching":
        use(stage, scene.users)
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)


def use(stage: Stage, users: tuple[str, ...]) -> None:
    """These agents make one more change each, and exactly this change is measured."""
    for agent in stage.world.agents("starting", "thinking", "waiting"):
        if agent.name not in users:
            continue
        stage.story.contact(agent.name, final=True)
        new = 2.5 if agent.name == "a0" else 2.75
        ident = stage.submit(agent.name, f"the next of {agent.name}", C=new)
        stage.settle()
        e = stage.e(ident)
        if e.verdict == "answered":
            continue
        assert e.verdict in ("keep", "discard"), e
        parent = stage.hub.read(stage.e(e.parent or "").commit or "", "train.py").decode().splitlines()
        mine = stage.hub.read(e.commit or "", "train.py").decode().splitlines()
        assert [b for a, b in zip(parent, mine, strict=True) if a != b] == [f"C = {new}"], (parent, mine)
