"""The executor of simulations: what it has beside the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.executors.inline import InlineExecutor
from swarm.ports import Job, Outcome, Ticket
from swarm.runner.spec import RunResult, RunSpec


def score(spec: RunSpec) -> RunResult:
    return RunResult(spec.run, spec.attempt, "finished", score=float(spec.run))


def job(folder: Path, run: int) -> Job:
    return Job(RunSpec(run, 1, str(folder), str(folder), []), folder / f"run-{run}", folder / f"slot-{run}")


def ticket(made: Job) -> Ticket:
    return Ticket(made.spec.run, made.spec.attempt, Path(made.spec.folder), made.run_lock)


def test_results_are_there_at_the_next_poll(tmp_path: Path) -> None:
    executor, made = InlineExecutor(score), job(tmp_path, 3)
    executor.start(made)
    assert [s.run for s in executor.running()] == [3]
    assert executor.poll([ticket(made)]) == [Outcome(3, 1, score(made.spec))]
    assert executor.running() == []


def test_the_machine_can_be_made_to_lose_runs(tmp_path: Path) -> None:
    executor, made = InlineExecutor(score), job(tmp_path, 3)
    executor.lose = True
    executor.start(made)
    assert executor.poll([ticket(made)]) == [Outcome(3, 1, None)]


def test_by_hand_the_order_is_free(tmp_path: Path) -> None:
    executor, jobs = InlineExecutor(score, manual=True), [job(tmp_path, n) for n in (1, 2)]
    for made in jobs:
        executor.start(made)
    executor.finish(2)
    assert [o.run for o in executor.poll([ticket(made) for made in jobs])] == [2]
    with pytest.raises(KeyError):
        executor.finish(2)
