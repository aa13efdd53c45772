"""What every verb of the story works on: the ledger, the hub, the runs, the agents, and the campaign of the day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from swarm.config import Policy, Task
from swarm.coordinator.beliefs import Beliefs, Rules
from swarm.ledger.ledger import Ledger
from swarm.ports import AgentKind, Executor, Sessions
from swarm.repo import Hub, Worktrees
from swarm.research import hardware, roles
from swarm.research.experiment import NO_WORKERS, Agent, Campaign, Experiment, Slot
from swarm.research.judging import Belief
from swarm.workspace import Workspace

T = TypeVar("T")
NO_CHANGE = ("baseline", "blank", "imported")  # origins of what says nothing about how large effects of changes are
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
    kept: dict[str, float] | None = None  # P(a gain) of what was kept; None: to be read
    figures: dict[str, str] = field(default_factory=dict)  # as the ledger has them
    beside: bool = False  # inside `as_control`: the campaign is the control's
    its_timers: dict[str, float] = field(default_factory=dict)  # the control's
    used: tuple[float, float] | None = None  # slot-seconds of the others and of the control; None: to be summed up anew
    _campaign: Campaign | None = None
    _control: tuple[int, Campaign | None] | None = None
    _task: tuple[str, Task] | None = None
    _read: dict[tuple[str, ...], tuple[int, list[Any]]] = field(default_factory=dict)  # under which mark, and what

    # --- the campaign -----------------------------------------------------------------------------------------

    @property
    def campaign(self) -> Campaign:
        """The newest campaign, or beside it its control's. Raises LookupError when there is none."""
        if self.beside:
            control = self.control
            assert control is not None
            return control
        return self._newest()

    def _newest(self) -> Campaign:
        if self._campaign is None:
            self._campaign = self.ledger.campaign()
        if self._campaign is None:
            raise LookupError("no campaign yet")
        return self._campaign

    @property
    def has_campaign(self) -> bool:
        return self._campaign is not None or self.ledger.campaign() is not None

    def set_campaign(self, **values: Any) -> None:
        """What is said of a campaign is said of its control, but for what each calls best."""
        common = {} if self.beside else {name: value for name, value in values.items() if name != "best"}
        with self.ledger.tx():
            self.ledger.change("campaigns", {"id": self.campaign.id}, **values)
            if common and self.control is not None:
                self.ledger.change("campaigns", {"id": -self.ground}, **common)
        self._campaign = self._control = None

    def forget(self) -> None:
        """Read campaign and beliefs anew (after a transaction that failed)."""
        self._campaign = self._control = self.used = None
        self._read.clear()
        self.beliefs = Beliefs(self._rules() if self.has_campaign else Rules())
        self.stored, self.kept, self.figures = {}, None, {}
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

    def _rules(self) -> Rules:
        p = self.policy
        return Rules(p.shrink, p.prior == "fitted", p.noise_prior, "off" if self.task.seed == "none" else p.paired)

    @property
    def sign(self) -> float:
        """Multiplied with a score it gives a loss (lower is better)."""
        return 1.0 if self.campaign.better == "lower" else -1.0

    @property
    def worktrees(self) -> Worktrees:
        return self.plant(self.task.edit)

    # --- the control: a campaign of its own on the same slots, whose number is the other's with a minus -------------

    @property
    def ground(self) -> int:
        """The campaign whose slots these are."""
        return self._newest().id

    @property
    def control(self) -> Campaign | None:
        """The control's campaign, where there is one. All that is asked of a campaign's rows leaves it out."""
        if self._control is None or self._control[0] != self.ground:
            self._control = (self.ground, self.ledger.one(Campaign, "WHERE id=?", -self.ground))
        return self._control[1]

    @contextmanager
    def as_control(self) -> Iterator[None]:
        """Inside, every verb of the story is about the control's agent, experiments, best and events, and sees no others."""
        outer = self.beside, self.timers
        self.beside, self.timers = True, self.its_timers
        try:
            yield
        finally:
            self.beside, self.timers = outer

    def side_of(self, experiment: str) -> AbstractContextManager[None]:
        """The control's side for what is its own."""
        sql = "SELECT 1 FROM experiments WHERE id=? AND campaign=?"
        own = self.control is not None and self.ledger.value(sql, experiment, -self.ground) is not None
        return self.as_control() if own else nullcontext()

    def side_of_agent(self, name: str) -> AbstractContextManager[None]:
        own = self.control is not None and self.ledger.agent(-self.ground, name) is not None
        return self.as_control() if own else nullcontext()

    def both(self, do: Callable[[World], T]) -> list[T]:
        """Done for the campaign, then for its control if it has one."""
        done = [do(self)]
        if self.control is not None:
            with self.as_control():
                done.append(do(self))
        return done

    # --- rows -------------------------------------------------------------------------------------------------

    def once(self, name: tuple[str, ...], read: Callable[[], list[T]]) -> list[T]:
        """What `read` found when the ledger was last changed. A step asks for the same rows once per free slot."""
        mark = self.ledger.mark()
        if mark is None:
            return read()
        name = ("control", *name) if self.beside else name
        if (known := self._read.get(name)) is None or known[0] != mark:
            known = self._read[name] = (mark, read())
        return list(known[1])

    def slots(self) -> list[Slot]:
        where = "WHERE campaign=? AND state='open' ORDER BY CAST(id AS INTEGER), id"
        return self.once(("slots",), lambda: self.ledger.all(Slot, where, self.ground))

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
        """Its own, else the pool that it shares; any for one that idles, none for one that submits nothing."""
        if not roles.measures(roles.role_of(agent.options)):
            return []
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
        sharers = [a for a in self.agents(*LIVE) if a.name not in owners and self.works(a)]
        return max(1, -(-len(slots) // max(1, len(sharers))))

    def works(self, agent: Agent) -> bool:
        """Whether it is one of those whose experiments the campaign is for: no person, none that idles or only reads."""
        return agent.kind not in NO_WORKERS and not self.idles(agent) and roles.measures(roles.role_of(agent.options))

    def commit_of(self, experiment: str) -> str:
        """The commit as measured. Raises KeyError when it was never bound."""
        commit = self.ledger.experiment(experiment).commit
        if commit is None:
            raise KeyError(experiment)
        return commit

    @property
    def home(self) -> int:
        """The hardware class that judges `best`: the one named, else the one with the most slots (of closed ones too)."""
        if (known := self.once(("home",), self._homes)) and known[0] is not None:
            return known[0]
        return 0

    def _homes(self) -> list[int | None]:
        sql = (
            "SELECT s.klass, c.accelerator, COUNT(*) FROM slots s JOIN classes c ON c.id=s.klass "
            "WHERE s.campaign=? GROUP BY s.klass"
        )
        return [hardware.home(self.ledger.rows(sql, self.ground), self.policy.confirm_on)]

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
        if values.get("verdict"):
            from swarm.coordinator import aftermath  # it is about worlds, too

            aftermath.judged(self, ident)

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
