"""One campaign: the real story, ledger and worktrees under a virtual clock that jumps from event to event."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.sim.curves import Drawn
from bench.sim.landscape import ORIGIN, Assumptions, Landscape, values_of
from bench.sim.outcome import Outcome, outcome_of
from bench.sim.played_git import PlayedHub
from bench.sim.researcher import Commons, Researcher
from bench.sim.stage import Kind, Sessions, VirtualExecutor
from swarm.coordinator import confirm
from swarm.coordinator.story import Story
from swarm.ledger.ledger import Ledger
from swarm.repo import Hub, Worktrees
from swarm.research import constants
from swarm.workspace import Workspace

START = 1_800_000_000.0  # when every campaign begins, in seconds since 1970
# A simulation parses the same texts much more often than a campaign does in its time: a fifth of the CPU, and no outcome.
for _parse in ("_places", "_is_literal"):
    _plain = getattr(constants, _parse)
    setattr(constants, _parse, lru_cache(maxsize=1024)(getattr(_plain, "__wrapped__", _plain)))
MEMORY = Path("/dev/shm")  # where it is there: the ledger waits for the disk at every commit


@dataclass(frozen=True)
class Setting:
    """What is compared: how many agents with a slot each, for how long, and how the coordinator is set."""

    slots: int = 1
    hours: float = 12.0
    policy: Mapping[str, Any] = field(default_factory=dict)  # of config.Policy; `queue` is the depth
    real_git: bool = False
    stream: int = 0  # other agents and other luck on the same landscape


@dataclass
class Thought:
    """What an agent is about to submit: new values for the file it read, ready at a moment (virtual seconds)."""

    ready: float
    here: dict[str, int]
    change: dict[str, int]


class Campaign:
    """A simulated campaign in a folder that is not there yet. `run` plays it to its end; the same seed, the same ledger."""

    def __init__(
        self, folder: Path, assumptions: Assumptions, setting: Setting, seed: int, curves: Drawn | None = None
    ) -> None:
        self.setting, self.now = setting, START
        self.landscape = Landscape(assumptions, seed)
        task = folder / "task"
        task.mkdir(parents=True)
        (task / "train.py").write_text(self.landscape.source({}))
        self.workspace = Workspace(folder / "swarm")
        self.workspace.root.mkdir()
        self.workspace.make()
        self.executor = VirtualExecutor(
            self.landscape, random.Random(f"runs {seed} {setting.stream}"), lambda: self.now, curves
        )
        self.ledger = Ledger(self.workspace.ledger)
        hub = (Hub if setting.real_git else PlayedHub)(self.workspace.hidden)
        self.story = Story(
            self.workspace, self.ledger, hub, lambda edit: Worktrees(hub, self.workspace.worktrees, edit),
            self.executor, Sessions(), lambda kind: Kind(), lambda: self.now, awake=lambda: self.now,
        )  # fmt: skip
        commons = Commons()
        self.agents = {
            f"a{i}": Researcher(
                assumptions, self.landscape.names, random.Random(f"agent {seed} {setting.stream} {i}"), commons
            )
            for i in range(setting.slots)
        }
        self.thoughts: dict[str, Thought] = {}
        self.submitted: dict[str, tuple[dict[str, int], dict[str, int]]] = {}  # what a verdict will be about
        self.heard: dict[str, int] = {}  # the last event of an agent's own that it asked after
        self.seen: list[tuple[float, str, float]] = []  # when which experiment was called best, and its estimate
        self.task = task

    def run(self) -> Outcome:
        """Play to the end. Raises AssertionError when the story neither rests nor goes on."""
        self._spawn()
        self._settle()
        self._look()
        while not self.story.over():
            self.now = max(self.now, self._next())
            for name in [n for n, thought in self.thoughts.items() if thought.ready <= self.now]:
                self._submit(name, self.thoughts.pop(name))
            self._settle()
            self._look()
        hub, spans = self.story.world.hub, self.executor.spans
        return outcome_of(self.ledger, self.landscape, hub, spans, self.setting.slots, self.seen)

    def _spawn(self) -> None:
        slots = [
            {"id": str(i), "devices": f"cpu:{i}", "accelerator": "simulated", "torch": "0", "device_nodes": []}
            for i in range(self.setting.slots)
        ]
        self.story.spawn(
            task={"path": str(self.task), "budget": f"wall:{self.landscape.assumptions.run:g}"},
            agents=[{"name": name, "kind": "simulated", "slot": str(i)} for i, name in enumerate(self.agents)],
            slots=slots, stop={"hours": self.setting.hours}, policy=dict(self.setting.policy),
        )  # fmt: skip

    # --- time -------------------------------------------------------------------------------------------------

    def _next(self) -> float:
        """The next moment at which anything may happen."""
        w = self.story.world
        moments = [self.executor.next_end(), *(thought.ready for thought in self.thoughts.values())]
        if w.campaign.state in ("baseline", "searching"):
            moments.append(w.campaign.created + self.setting.hours * 3600)
        appointments = [t for name, t in w.timers.items() if name in ("pollinate", "grace")]
        if w.campaign.state == "searching":
            appointments += [s.free_since + confirm.patience(w) for s in w.slots() if s.free_since is not None]
        moments += [t for t in appointments if t > self.now]
        return min(moments)

    def _settle(self) -> None:
        """The story goes on, and agents hear of it, until nothing more happens at this moment."""
        for _ in range(1000):
            did = self.story.step(self.now)
            seen = self.story.changed
            for name in self.agents:
                self._hear(name)
            if not did and seen == self.story.changed:
                return
        raise AssertionError("the story does not come to rest")

    def _look(self) -> None:
        """Write down what is called best now, where that or its estimate is another than before."""
        best = self.story.world.campaign.best
        if best is None:
            return
        score = float(self.ledger.value("SELECT estimate FROM experiments WHERE id=?", best) or 0.0)
        if not self.seen or self.seen[-1][1:] != (best, score):
            self.seen.append((self.now, best, score))

    # --- agents -----------------------------------------------------------------------------------------------

    def _hear(self, name: str) -> None:
        """An agent that has nothing in mind asks for news, and begins to think when there is room."""
        if name in self.thoughts or (last := self._last_word(name)) == self.heard.get(name):
            return
        self.heard[name] = last
        heard = self.story.contact(name)
        if not heard["due"] or heard["stop"]:
            return
        agent = self.agents[name]
        for result in heard["results"]:
            about = self.submitted.pop(result["experiment"], None)
            if about is not None and result["verdict"] in ("keep", "discard", "crash"):
                agent.hears(*about, result["verdict"] == "keep")
        if heard["room"] > 0:
            here = values_of(self._file(name).read_text())
            self.thoughts[name] = Thought(self.now + agent.thinks(), here, agent.proposes(here))

    def _last_word(self, name: str) -> int:
        """Room and results come with events of the agent's own: without a new one there is nothing to ask for."""
        return int(self.ledger.value("SELECT MAX(seq) FROM events WHERE agent=?", name) or 0)

    def _submit(self, name: str, thought: Thought) -> None:
        """Edit the file as it was read, and submit. A campaign that has ended takes nothing any more."""
        if self.story.world.campaign.state not in ("baseline", "searching"):
            return
        self._file(name).write_text(self.landscape.source({**thought.here, **thought.change}))
        told = ", ".join(f"{n} {thought.here.get(n, ORIGIN)}→{v}" for n, v in thought.change.items())
        ident = self.story.submit(name, told)["experiment"]
        self.submitted[ident] = (thought.here, thought.change)

    def _file(self, name: str) -> Path:
        return self.workspace.worktree(name) / "train.py"


def simulate(assumptions: Assumptions, setting: Setting, seed: int, curves: Drawn | None = None) -> Outcome:
    """One campaign in a folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sim-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        campaign = Campaign(Path(folder), assumptions, setting, seed, curves)
        try:
            return campaign.run()
        finally:
            campaign.ledger.close()
