"""What stands around the coordinator in a simulation: runs that take virtual time, sessions without processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.sim.curves import Drawn
from bench.sim.landscape import Landscape, values_of
from swarm.ports import Job, Launch, Outcome, Pane, Seat, SlotBusy, Ticket
from swarm.runner.curve import Point
from swarm.runner.spec import RunResult


@dataclass(frozen=True)
class Going:
    """A run on its slot: when it began, when the coordinator's look finds it over (virtual seconds), what it will say."""

    slot: str
    began: float
    ends: float
    result: RunResult
    curve: list[Point]
    seconds: float

    def seen(self, now: float) -> list[Point]:
        """What it has printed of its curve by now."""
        return [point for point in self.curve if self.began + point[0] * self.seconds <= now]

    def moments(self) -> list[float]:
        """When it prints, and when it is over."""
        return [*(self.began + mark * self.seconds for mark, _ in self.curve), self.ends]


class VirtualExecutor:
    """Implements ports.Executor. A run's file is read where the coordinator put it; it is over when the clock says so."""

    def __init__(
        self, landscape: Landscape, rng: random.Random, now: Callable[[], float], curves: Drawn | None = None
    ) -> None:
        self.landscape, self.rng, self.now, self.curves = landscape, rng, now, curves
        self.going: dict[tuple[int, int], Going] = {}
        self.spans: list[tuple[str, float, float]] = []  # slot, from, to: our own books, apart from the ledger's

    def start(self, job: Job) -> None:
        """Raises SlotBusy for a slot with a run on it."""
        slot = job.slot_lock.stem.removeprefix("slot-")
        if any(going.slot == slot for going in self.going.values()):
            raise SlotBusy(f"a run is on slot {slot}")
        values = values_of((Path(job.spec.work) / "train.py").read_text())
        seconds, score = self.landscape.measured(values, self.rng, job.spec.seed)
        points = self.curves.curve(self.landscape, values, self.rng) if self.curves and score is not None else []
        seen = seconds + self.rng.uniform(0.0, self.landscape.assumptions.look)
        run, attempt, began = job.spec.run, job.spec.attempt, self.now()
        if score is None:
            result = RunResult(run, attempt, "crashed", "exit 1", tail="RuntimeError: it does not run", seconds=seconds)
        else:
            summary = {"val_bpb": score, "training_seconds": seconds, "total_seconds": seconds}
            result = RunResult(
                run, attempt, "finished", score=score, summary=summary, exit=0, seconds=seconds, curve=points
            )
        self.going[run, attempt] = Going(slot, began, began + seen, result, points, seconds)

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        over = []
        for ticket in tickets:
            going = self.going.get((ticket.run, ticket.attempt))
            if going is not None and going.ends <= self.now():
                del self.going[ticket.run, ticket.attempt]
                self.spans.append((going.slot, going.began, self.now()))
                over.append(Outcome(ticket.run, ticket.attempt, going.result))
        return over

    def curve(self, ticket: Ticket) -> list[Point]:
        going = self.going.get((ticket.run, ticket.attempt))
        return going.seen(self.now()) if going else []

    def cancel(self, ticket: Ticket) -> None:
        going = self.going.pop((ticket.run, ticket.attempt), None)
        if going is not None:
            self.spans.append((going.slot, going.began, self.now()))

    def next_end(self) -> float:
        """When the next run is over, or prints; infinity when none goes."""
        now = self.now()
        if not self.curves:
            return min((going.ends for going in self.going.values()), default=float("inf"))
        return min((m for g in self.going.values() for m in g.moments() if m > now), default=float("inf"))


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
