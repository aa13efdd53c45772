"""A whole coordinator without processes: real git, real SQLite, the real story; runs, sessions and time are played."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swarm.coordinator.story import Story
from swarm.executors.inline import InlineExecutor
from swarm.ledger.ledger import Ledger
from swarm.ports import Launch, Pane, Seat
from swarm.repo import Hub, Worktrees
from swarm.research.experiment import Agent, Experiment
from swarm.runner.spec import RunResult, RunSpec
from swarm.workspace import Workspace

TRAIN = "A = 1.0\n\nB = 2.0\n\nC = 3.0\n\n\ndef main():\n    return A + B + C\n"
START = 1_800_000_000.0


class Sessions:
    """Sessions that live until a test says otherwise."""

    def __init__(self) -> None:
        self.panes: dict[str, Pane] = {}
        self.started: list[str] = []

    def start(self, name: str, launch: Launch, cwd: Path, log: Path) -> None:
        self.panes[name] = Pane(name, False, None)
        self.started.append(name)

    def start_many(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        for item in items:
            self.start(*item)

    def list(self) -> dict[str, Pane]:
        return dict(self.panes)

    def stop(self, name: str) -> None:
        self.panes.pop(name, None)

    def capture(self, name: str, lines: int = 50) -> str:
        return ""

    def attach_argv(self, name: str) -> list[str]:
        return ["true"]

    def close(self) -> None:
        self.panes.clear()

    def die(self, name: str, exit: int) -> None:
        self.panes[name] = Pane(name, True, exit)


class Kind:
    name = "scripted"

    def check(self, options: Mapping[str, object]) -> None:
        pass

    def launch(self, seat: Seat) -> Launch:
        return Launch(["true"])


def value(source: str, name: str) -> float:
    found = re.search(rf"^{name} = ([-0-9.e]+)", source, re.M)
    assert found is not None
    return float(found[1])


def total(source: str) -> float:
    """The loss of the played task: the sum of its constants."""
    return sum(value(source, n) for n in "ABC")


class Play:
    """`noise`: sd of a run. `loss` may be replaced by a test; it gets the text of train.py."""

    jumped = 0.0  # seconds by which the clock on the wall was set

    def __init__(self, root: Path, noise: float = 0.01, loss: Callable[[str], float] = total) -> None:
        self.task_folder = root / "a task"
        self.task_folder.mkdir(parents=True)
        (self.task_folder / "train.py").write_text(TRAIN)
        (self.task_folder / "prepare.py").write_text("FROZEN = 1\n")
        self.workspace = Workspace(root / "wörk space")
        self.workspace.root.mkdir()
        self.workspace.make()
        self.noise, self.loss, self.now = noise, loss, START
        self.scored: list[tuple[int, float]] = []
        self.crashing: Callable[[str], str | None] = lambda source: None
        self.open()

    def open(self) -> Story:
        """Start the coordinator anew, as after a crash."""
        self.executor = InlineExecutor(self.score)
        self.sessions = Sessions()
        self.ledger = Ledger(self.workspace.ledger)
        self.hub = Hub(self.workspace.hidden)
        self.story = Story(
            self.workspace, self.ledger, self.hub,
            lambda edit: Worktrees(self.hub, self.workspace.worktrees, edit),
            self.executor, self.sessions, lambda kind: Kind(), lambda: self.now,
            awake=lambda: self.now - self.jumped,
        )  # fmt: skip
        self.world = self.story.world
        return self.story

    def score(self, spec: RunSpec) -> RunResult:
        source = (Path(spec.work) / "train.py").read_text()
        reason = self.crashing(source)
        if reason:
            return RunResult(spec.run, spec.attempt, "crashed", reason, tail="Traceback\nBoom: it broke")
        score = self.loss(source) + random.Random(spec.seed).gauss(0, self.noise)
        self.scored.append((spec.run, score))
        summary = {"val_bpb": score, "training_seconds": 10.0, "total_seconds": 12.0, "num_steps": 100.0}
        return RunResult(spec.run, spec.attempt, "finished", score=score, summary=summary, exit=0, seconds=12.0)

    def spawn(self, agents: int = 2, pool: int = 0, **wish: Any) -> dict[str, Any]:
        """One slot per agent, or `pool` slots for all."""
        count = pool or agents
        slots = [
            {"id": str(i), "devices": f"cpu:{i}", "accelerator": "core", "torch": "2", "device_nodes": []}
            for i in range(count)
        ]
        named = [{"name": f"a{i}", "kind": "scripted", "slot": None if pool else str(i)} for i in range(agents)]
        named = wish.pop("named", named)
        task = {"path": str(self.task_folder), "run": "python train.py", "budget": "steps:100", **wish.pop("task", {})}
        return self.story.spawn(
            task=task, agents=named, slots=wish.pop("slots", slots), stop=wish.pop("stop", {"hours": 10}), **wish
        )

    def step(self, seconds: float = 1.0) -> bool:
        self.now += seconds
        return self.story.step(self.now)

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock, or the machine sleeps: no time goes by."""
        self.now += seconds
        self.jumped += seconds

    def settle(self, steps: int = 300) -> None:
        """Go on until nothing happens for a while. The clock stands still but for a second a step."""
        quiet = 0
        for _ in range(steps):
            quiet = 0 if self.step() else quiet + 1
            if quiet == 4:
                return
        raise AssertionError("the story does not come to rest")

    def begin(self, agents: int = 2, **wish: Any) -> None:
        """Spawned, and the baseline measured."""
        self.spawn(agents, **wish)
        self.settle()
        assert self.world.campaign.state == "searching"

    def edit(self, agent: str, **values: float) -> None:
        path = self.workspace.worktree(agent) / "train.py"
        text = path.read_text()
        for name, new in values.items():
            text = re.sub(rf"^{name} = .*$", f"{name} = {new}", text, flags=re.M)
        path.write_text(text)

    def submit(self, agent: str, description: str = "", **values: float) -> str:
        """Edit constants in the worktree and submit."""
        self.edit(agent, **values)
        answer = self.story.submit(agent, description or str(values))
        return str(answer["experiment"])

    def measured(self, agent: str, **values: float) -> Experiment:
        """Submitted and judged."""
        ident = self.submit(agent, **values)
        self.settle()
        return self.e(ident)

    def e(self, ident: str) -> Experiment:
        return self.ledger.experiment(ident)

    def a(self, name: str) -> Agent:
        return self.world.agent(name)

    def kinds(self) -> list[str]:
        return [k for (k,) in self.ledger.rows("SELECT kind FROM events ORDER BY seq")]
