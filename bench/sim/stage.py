"""What stands around the coordinator in a simulation: runs that take virtual time, sessions without processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.sim.landscape import Landscape, values_of
from swarm.ports import Job, Launch, Outcome, Pane, Seat, SlotBusy, Ticket
from swarm.runner.spec import RunResult


@dataclass(frozen=True)
class Going:
    """A run on its slot: when it began, when the coordinator's look finds it over (virtual seconds), what it will say."""

    slot: str
    began: float
    ends: float
    result: RunResult


class VirtualExecutor:
    """Implements ports.Executor. A run's file is read where the coordinator put it; it is over when the clock says so."""

    def __init__(self, landscape: Landscape, rng: random.Random, now: Callable[[], float]) -> None:
        self.landscape, self.rng, self.now = landscape, rng, now
        self.going: dict[tuple[int, int], Going] = {}
        self.spans: list[tuple[str, float, float]] = []  # slot, from, to: our own books, apart from the ledger's

    def start(self, job: Job) -> None:
        """Raises SlotBusy for a slot with a run on it."""
        slot = job.slot_lock.stem.removeprefix("slot-")
        if any(going.slot == slot for going in self.going.values()):
            raise SlotBusy(f"a run is on slot {slot}")
        values = values_of((Path(job.spec.work) / "train.py").read_text())
        seconds, score = self.landscape.measured(values, self.rng, job.spec.seed)
        seen = seconds + self.rng.uniform(0.0, self.landscape.assumptions.look)
        run, attempt, began = job.spec.run, job.spec.attempt, self.now()
        if score is None:
            result = RunResult(run, attempt, "crashed", "exit 1", tail="RuntimeError: it does not run", seconds=seconds)
        else:
            summary = {"val_bpb": score, "training_seconds": seconds, "total_seconds": seconds}
            result = RunResult(run, attempt, "finished", score=score, summary=summary, exit=0, seconds=seconds)
        self.going[run, attempt] = Going(slot, began, began + seen, result)

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        over = []
        for ticket in tickets:
            going = self.going.get((ticket.run, ticket.attempt))
            if going is not None and going.ends <= self.now():
                del self.going[ticket.run, ticket.attempt]
                self.spans.append((going.slot, going.began, self.now()))
                over.append(Outcome(ticket.run, ticket.attempt, going.result))
        return over

    def cancel(self, ticket: Ticket) -> None:
        raise AssertionError("nobody stops a simulated campaign by hand")

    def next_end(self) -> float:
        """When the next run is over; infinity when none goes."""
        return min((going.ends for going in self.going.values()), default=float("inf"))


class Sessions:
    """Implements ports.Sessions: agents that live until they are stopped."""

    def __init__(self) -> None:
        self.panes: dict[str, Pane] = {}

    def start(self, name: str, launch: Launch, cwd: Path, log: Path) -> None:
        self.panes[name] = Pane(name, False, None)

    def start_many(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        for item in items:
            self.start(*item)

    def list(self) -> dict[str, Pane]:
        return dict(self.panes)

    def stop(self, name: str) -> None:
        self.panes.pop(name, None)

    def capture(self, name: str, lines: int = 50) -> str:
        return ""

    def attach_argv(self, name: str) -> list[str]:  # type: ignore[valid-type]
        return ["true"]

    def close(self) -> None:
        self.panes.clear()


class Kind:
    """An agent kind without a process."""

    name = "simulated"

    def check(self, options: Mapping[str, object]) -> None:
        pass

    def launch(self, seat: Seat) -> Launch:
        return Launch(["true"])
