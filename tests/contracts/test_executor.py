"""What every executor keeps, whatever carries its runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm import procs
from swarm.executors.inline import InlineExecutor
from swarm.executors.local import LocalExecutor
from swarm.ports import Executor, Job, Outcome, SlotBusy, Ticket
from swarm.runner.spec import RunResult, RunSpec
from tests.runner.running import until

WAITING = """
import os, time
told = False
while not os.path.exists("go"):
    if not told and os.path.exists("on"):
        print("step 1 (0.0%) | loss: 8.0 |\\rstep 2 (10.0%) | loss: 7.0 |", end="\\r", flush=True)
        told = True
    time.sleep(0.01)
print("val_bpb: 1.5")
"""


class ExecutorContract:
    """An adaptor's suite says how to make one and how to let a run of it come to its end."""

    executor: Executor
    folder: Path

    def make(self) -> Executor:
        raise NotImplementedError

    def let_end(self, run: int) -> None:
        raise NotImplementedError

    def let_progress(self, run: int) -> None:
        """Let a run print that its loss was 8 at the beginning and is 7 at a tenth of its budget."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.executor, self.tickets = tmp_path, self.make(), list[Ticket]()
        yield
        for ticket in self.tickets:
            self.executor.cancel(ticket)

    def job(self, run: int = 1, attempt: int = 1, slot: int = 0) -> Job:
        folder = self.folder / f"r{run}-{attempt}"
        (folder / "work").mkdir(parents=True)
        (folder / "work" / "train.py").write_text(WAITING)
        spec = RunSpec(
            run, attempt, str(folder), str(folder / "work"), ["python", "train.py"], sandbox="off",
            env={"SWARM_PYTHON": sys.executable},
        )  # fmt: skip
        return Job(spec, self.folder / f"run-{run}.lock", self.folder / f"slot-{slot}.lock")

    def start(self, job: Job) -> Ticket:
        self.executor.start(job)
        ticket = Ticket(job.spec.run, job.spec.attempt, Path(job.spec.folder), job.run_lock)
        self.tickets.append(ticket)
        return ticket

    def over(self, ticket: Ticket) -> Outcome:
        return until(lambda: self.executor.poll([ticket]), "the run to be over")[0]

    def test_a_run_goes_on_until_it_is_over(self) -> None:
        ticket = self.start(self.job())
        assert self.executor.poll([ticket]) == []
        self.let_end(1)
        outcome = self.over(ticket)
        assert (outcome.run, outcome.attempt) == (1, 1)
        assert outcome.result is not None
        assert (outcome.result.outcome, outcome.result.score) == ("finished", 1.5)

    def test_how_far_it_is(self) -> None:
        ticket = self.start(self.job())
        assert self.executor.curve(ticket) == []
        self.let_progress(1)
        assert until(lambda: self.executor.curve(ticket), "the curve") == [(0.05, 7.5), (0.1, 7.0)]
        self.executor.cancel(ticket)
        self.over(ticket)
        assert self.executor.curve(ticket) == [(0.05, 7.5), (0.1, 7.0)]

    def test_of_what_never_ran_there_is_no_curve(self) -> None:
        assert self.executor.curve(Ticket(9, 1, self.folder / "r9-1", self.folder / "run-9.lock")) == []

    def test_asked_again_the_answer_is_the_same(self) -> None:
        ticket = self.start(self.job())
        self.let_end(1)
        first = self.over(ticket)
        assert self.executor.poll([ticket]) == [first]

    def test_one_batch_tells_who_is_over(self) -> None:
        tickets = [self.start(self.job(run=n, slot=n)) for n in (1, 2, 3)]
        self.let_end(2)
        self.over(tickets[1])
        assert [o.run for o in self.executor.poll(tickets)] == [2]

    def test_a_busy_slot_is_refused(self) -> None:
        self.start(self.job(run=1, slot=0))
        with pytest.raises(SlotBusy):
            self.executor.start(self.job(run=2, slot=0))

    def test_a_slot_that_somebody_else_holds_is_refused_and_nothing_stays_locked(self) -> None:
        job = self.job()
        fd = procs.take(job.slot_lock)
        assert fd is not None
        with pytest.raises(SlotBusy):
            self.executor.start(job)
        os.close(fd)
        self.start(job)

    def test_a_run_that_goes_already_is_refused(self) -> None:
        job = self.job(run=1, slot=0)
        self.start(job)
        with pytest.raises(SlotBusy):
            self.executor.start(self.job(run=1, attempt=2, slot=1))

    def test_a_slot_is_free_again_after_its_run(self) -> None:
        ticket = self.start(self.job(run=1))
        self.let_end(1)
        self.over(ticket)
        until(lambda: not procs.held(self.folder / "slot-0.lock"), "the slot")
        self.start(self.job(run=2))

    def test_a_cancelled_run_is_over_and_lost(self) -> None:
        ticket = self.start(self.job())
        self.executor.cancel(ticket)
        outcome = self.over(ticket)
        assert outcome.result is not None
        assert (outcome.result.outcome, outcome.result.reason) == ("lost", "cancelled")

    def test_to_cancel_what_is_over_is_silent(self) -> None:
        ticket = self.start(self.job())
        self.let_end(1)
        before = self.over(ticket)
        self.executor.cancel(ticket)
        assert self.executor.poll([ticket]) == [before]

    def test_a_run_of_which_nothing_is_left_is_lost(self) -> None:
        ticket = Ticket(9, 1, self.folder / "r9-1", self.folder / "run-9.lock")
        self.executor.cancel(ticket)
        assert self.executor.poll([ticket]) == [Outcome(9, 1, None)]

    def test_a_result_belongs_to_one_attempt(self) -> None:
        ticket = self.start(self.job())
        self.let_end(1)
        self.over(ticket)
        assert self.executor.poll([replace(ticket, attempt=2)]) == [Outcome(1, 2, None)]


class TestLocal(ExecutorContract):
    def make(self) -> Executor:
        return LocalExecutor(Path(sys.executable))

    def let_end(self, run: int) -> None:
        (self.folder / f"r{run}-1" / "work" / "go").touch()

    def let_progress(self, run: int) -> None:
        (self.folder / f"r{run}-1" / "work" / "on").touch()


class TestInline(ExecutorContract):
    def make(self) -> Executor:
        self.inline = InlineExecutor(lambda s: RunResult(s.run, s.attempt, "finished", score=1.5), manual=True)
        return self.inline

    def let_end(self, run: int) -> None:
        self.inline.finish(run)

    def let_progress(self, run: int) -> None:
        self.inline.curves[run] = [(0.05, 7.5), (0.1, 7.0)]
