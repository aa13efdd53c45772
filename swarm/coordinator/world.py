"""What every verb of the story works on: the ledger, the hub, the runs, the agents, and the campaign of the day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from swarm.config import Policy, Task
from swarm.coordinator.beliefs import Beliefs
from swarm.ledger.ledger import Ledger
from swarm.ports import AgentKind, Executor, Sessions
from swarm.repo import Hub, Worktrees
from swarm.research.experiment import Agent, Campaign, Experiment, Slot
from swarm.research.judging import Belief
from swarm.workspace import Workspace

T = TypeVar("T")
LIVE = ("starting", "thinking", "waiting", "limited", "crashed")


@dataclass
class World:
    """`now` and `awake` are set by the story before each verb."""

    workspace: Workspace
    ledger: Ledger
    hub: Hub
    plant: Callable[[Sequence[str]], Worktrees]
    executor: Executor
    sessions: Sessions
    kinds: Callable[[str], AgentKind]
    strangers: Callable[[], Mapping[str, Sequence[int]]] = dict  # pids that compute on a GPU (by UUID) and are not ours
    now: float = 0.0
    awake: float = 0.0  # seconds on a clock that nobody sets
    changed: int = 0  # counts what happened, for those who wait
    beliefs: Beliefs = field(default_factory=Beliefs)
    stored: dict[int, dict[str, Belief]] = field(default_factory=dict)  # estimates as the ledger has them, by class
    dirty: bool = True  # results came in: look at candidates, withdrawals, who is behind
    shared: dict[tuple[int, int], int] = field(default_factory=dict)  # (run, attempt) → the stranger's pid
    timers: dict[str, float] = field(default_factory=dict)
    measured_from: tuple[str, float, float] | None = None  # the rule's text, its seconds so far, and `awake` of then
    glimpsed: dict[tuple[int, int], float] = field(
        default_factory=dict
    )  # (run, attempt) → how much of its curve was looked at
    unmoved: dict[str, str] = field(default_factory=dict)  # refs of the ledger that the hub does not have yet
    _campaign: Campaign | None = None
    _task: tuple[str, Task] | None = None
    _read: dict[tuple[str, ...], tuple[int, list[Any]]] = field(default_factory=dict)  # under which mark, and what

    # --- the campaign -----------------------------------------------------------------------------------------

    @property
    def campaign(self) -> Campaign:
        """The newest campaign. Raises LookupError when there is none."""
        if self._campaign is None:
            self._campaign = self.ledger.campaign()
        if self._campaign is None:
            raise LookupError("no campaign yet")
        return self._campaign

    @property
    def has_campaign(self) -> bool:
        return self._campaign is not None or self.ledger.campaign() is not None

    def set_campaign(self, **values: Any) -> None:
        self.ledger.change("campaigns", {"id": self.campaign.id}, **values)
        self._campaign = None

    def forget(self) -> None:
        """Read campaign and beliefs anew (after a transaction that failed)."""
        self._campaign = None
        self._read.clear()
        self.beliefs = Beliefs()
        self.stored = {}
        self.glimpsed.clear()
        self.dirty = True

    @property
    def task(self) -> Task:
        text = self.campaign.task
        if self._task is None or self._task[0] != text:
            self._task = (text, Task.model_validate(json.loads(text)["task"]))
        return self._task[1]

    @property
    def policy(self) -> Policy:
        return Policy.model_validate(json.loads(self.campaign.task)["policy"])

    @property
    def sign(self) -> float:
        """Multiplied with a score it gives a loss (lower is better)."""
        return 1.0 if self.campaign.better == "lower" else -1.0

    @property
    def worktrees(self) -> Worktrees:
        return self.plant(self.task.edit)

    # --- rows -------------------------------------------------------------------------------------------------

    def once(self, name: tuple[str, ...], read: Callable[[], list[T]]) -> list[T]:
        """What `read` found when the ledger was last changed. A step asks for the same rows once per free slot."""
        mark = self.ledger.mark()
        if mark is None:
            return read()
        if (known := self._read.get(name)) is None or known[0] != mark:
            known = self._read[name] = (mark, read())
        return list(known[1])

    def slots(self) -> list[Slot]:
        where = "WHERE campaign=? AND state='open' ORDER BY CAST(id AS INTEGER), id"
        return self.once(("slots",), lambda: self.ledger.all(Slot, where, self.campaign.id))

    def agents(self, *states: str) -> list[Agent]:
        marks = ", ".join("?" * len(states))
        where = f"WHERE campaign=?{f' AND state IN ({marks})' if states else ''} ORDER BY rowid"
        return self.once(("agents", *states), lambda: self.ledger.all(Agent, where, self.campaign.id, *states))

    def queueing(self) -> set[str]:
        """Agents with something queued that is not bound yet."""
        sql = (
            "SELECT DISTINCT agent FROM experiments INDEXED BY experiments_by_stage "
            "WHERE campaign=? AND stage!='done' AND stage='queued'"
        )
        return {str(a) for (a,) in self.once(("queueing",), lambda: self.ledger.rows(sql, self.campaign.id))}

    def agent(self, name: str) -> Agent:
        """Raises KeyError when there is none."""
        found = self.ledger.agent(self.campaign.id, name)
        if found is None:
            raise KeyError(name)
        return found

    def set_agent(self, name: str, **values: Any) -> None:
        self.ledger.change("agents", {"campaign": self.campaign.id, "name": name}, **values)

    def idles(self, agent: Agent) -> bool:
        """Whether the agent only uses slots that nobody else has anything for."""
        return '"idle": true' in agent.options

    def slots_of(self, agent: Agent) -> list[Slot]:
        """Its own, else the pool that it shares; any for one that idles."""
        slots = self.slots()
        if self.idles(agent):
            return slots
        return [s for s in slots if s.agent == agent.name] or [s for s in slots if s.agent is None]

    def width(self, agent: Agent) -> int:
        """How many runs of this agent may go at once: its slots, or its share of the pool, rounded up."""
        slots = self.slots_of(agent)
        if not slots or slots[0].agent == agent.name or self.idles(agent):
            return max(1, len(slots))
        owners = {s.agent for s in self.slots() if s.agent}
        sharers = [a for a in self.agents(*LIVE) if a.kind != "person" and a.name not in owners and not self.idles(a)]
        return max(1, -(-len(slots) // max(1, len(sharers))))

    def commit_of(self, experiment: str) -> str:
        """The commit as measured. Raises KeyError when it was never bound."""
        commit = self.ledger.experiment(experiment).commit
        if commit is None:
            raise KeyError(experiment)
        return commit

    @property
    def home(self) -> int:
        """The hardware class that judges `best`: the one with the most slots (of closed ones too)."""
        found = self.ledger.value(
            "SELECT klass FROM slots WHERE campaign=? GROUP BY klass ORDER BY COUNT(*) DESC, klass LIMIT 1",
            self.campaign.id,
        )
        return int(found or 0)

    def key(self, klass: int) -> str:
        """Scores are compared only under one key: class, budget and what is scored (the caches' fingerprint)."""
        return hashlib.sha256(f"{klass}|{self.task.budget}|{fingerprint(self.task)}".encode()).hexdigest()[:16]

    # --- saying -----------------------------------------------------------------------------------------------

    def say(self, kind: str, agent: str | None = None, experiment: str | None = None, **data: Any) -> int:
        """Record an event; whoever waits looks again."""
        self.changed += 1
        return self.ledger.say(self.campaign.id, self.now, kind, agent, experiment, data)

    def pin(self, name: str, commit: str) -> None:
        """Say in the ledger where a ref belongs; the hub follows in `move_refs`, and at every start."""
        self.ledger.set_ref(name, commit)
        self.unmoved[name] = commit

    def move_refs(self) -> None:
        """Order: objects, ledger, refs. What fails here (a full disk) is tried again at the next call."""
        if self.unmoved:
            self.hub.set_refs(dict(self.unmoved))
            self.unmoved.clear()

    def set_experiment(self, ident: str, **values: Any) -> None:
        self.ledger.change("experiments", {"id": ident}, **values)

    def unfinished(self, agent: str) -> list[Experiment]:
        """What an agent has in flight, in order; its stacks too."""
        return self.ledger.all(
            Experiment, "WHERE campaign=? AND agent=? AND stage!='done' ORDER BY rowid", self.campaign.id, agent
        )


def fingerprint(task: Task) -> str:
    """What prepare.py says of the validation bytes (`fingerprint.json` in a cache), else nothing."""
    for cache in task.caches:
        try:
            return (Path(cache).expanduser() / "fingerprint.json").read_text()
        except OSError:
            continue
    return ""
