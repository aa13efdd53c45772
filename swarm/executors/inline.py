"""Runs without processes, for tests and simulations: a function gives the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from swarm.ports import Job, Outcome, SlotBusy, Ticket
from swarm.runner.spec import RunResult, RunSpec


class InlineExecutor:
    """`score` is called when a result is collected: at once, or with `manual` after `finish(run)`.

    With `lose` every attempt ends without a word.
    """

    def __init__(self, score: Callable[[RunSpec], RunResult], manual: bool = False) -> None:
        self.score = score
        self.manual = manual
        self.lose = False
        self._jobs: dict[tuple[int, int], Job] = {}
        self._slots: dict[Path, tuple[int, int]] = {}
        self._ready: set[int] = set()

    def start(self, job: Job) -> None:
        """Raises SlotBusy when the slot or the run is taken."""
        ident = (job.spec.run, job.spec.attempt)
        if job.slot_lock in self._slots or any(run == job.spec.run for run, _ in self._jobs):
            raise SlotBusy(str(job.slot_lock))
        self._jobs[ident] = job
        self._slots[job.slot_lock] = ident

    def finish(self, run: int) -> None:
        """Let this run end at the next poll."""
        self._ready.add(run)

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        return [o for t in tickets if (o := self._one(t)) is not None]

    def _one(self, ticket: Ticket) -> Outcome | None:
        ident = (ticket.run, ticket.attempt)
        job = self._jobs.get(ident)
        if job is None:
            return Outcome(*ident, None)
        if self.manual and ticket.run not in self._ready and not self.lose:
            return None
        self._forget(ident)
        return Outcome(*ident, None if self.lose else self.score(job.spec))

    def cancel(self, ticket: Ticket) -> None:
        self._forget((ticket.run, ticket.attempt))

    def _forget(self, ident: tuple[int, int]) -> None:
        self._jobs.pop(ident, None)
        self._slots = {slot: i for slot, i in self._slots.items() if i != ident}
