"""Runs without processes, for tests and simulations: a function says what a run comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm import procs
from swarm.ports import Job, Outcome, SlotBusy, Ticket
from swarm.runner.curve import Point
from swarm.runner.spec import RunResult, RunSpec


@dataclass
class _Going:
    job: Job
    over: bool = False
    result: RunResult | None = None


class InlineExecutor:
    """Implements ports.Executor. A run is over at the next poll, or with `manual` when `finish(run)` was called.

    While `lose` is set, every run that is over ends without a word. A run unknown to this instance is lost.
    """

    def __init__(self, scorer: Callable[[RunSpec], RunResult], manual: bool = False) -> None:
        self._scorer = scorer
        self.manual = manual
        self.lose = False
        self._going: dict[tuple[int, int], _Going] = {}
        self.curves: dict[int, list[Point]] = {}  # by run: what it has printed of its progress by now

    def start(self, job: Job) -> None:
        """Raises SlotBusy as every executor does."""
        for path in (job.run_lock, job.slot_lock):
            if path in self._locked() or procs.held(path):
                raise SlotBusy(f"a living process holds {path.name}")
        self._going[job.spec.run, job.spec.attempt] = _Going(job)

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        """What is over among the tickets; asked again, the answer is the same."""
        outcomes = []
        for ticket in tickets:
            going = self._going.get((ticket.run, ticket.attempt))
            if going is not None and not going.over and not self.manual:
                self._end(going)
            if going is not None and going.over:
                outcomes.append(Outcome(ticket.run, ticket.attempt, going.result))
            elif going is None and ticket.run_lock not in self._locked() and not procs.held(ticket.run_lock):
                outcomes.append(Outcome(ticket.run, ticket.attempt, None))
        return outcomes

    def cancel(self, ticket: Ticket) -> None:
        """A cancelled run is lost, with that reason."""
        going = self._going.get((ticket.run, ticket.attempt))
        if going is not None and not going.over:
            going.over = True
            going.result = RunResult(ticket.run, ticket.attempt, "lost", "cancelled")

    def curve(self, ticket: Ticket) -> list[Point]:
        return list(self.curves.get(ticket.run, ()))

    def running(self) -> list[RunSpec]:
        """What is not over, oldest first."""
        return [going.job.spec for going in self._going.values() if not going.over]

    def finish(self, run: int) -> None:
        """Let a run come to its end. Raises KeyError when it does not run."""
        for going in self._going.values():
            if going.job.spec.run == run and not going.over:
                return self._end(going)
        raise KeyError(run)

    def _end(self, going: _Going) -> None:
        going.over = True
        going.result = None if self.lose else self._scorer(going.job.spec)

    def _locked(self) -> set[Path]:
        return {p for g in self._going.values() if not g.over for p in (g.job.run_lock, g.job.slot_lock)}
