"""Runners that die, are found again, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm import procs
from swarm.executors import local
from swarm.executors.local import LocalExecutor
from swarm.ports import Job, Outcome, Ticket
from tests.runner.running import DAEMON, GOOD, printed, spec, until

Begin = Callable[..., Ticket]
SLEEP = "#--\nopen('up', 'w')\nimport time\ntime.sleep(900)\n"


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor(Path(sys.executable))


@pytest.fixture
def begin(executor: LocalExecutor, tmp_path: Path) -> Iterator[Begin]:
    tickets: list[Ticket] = []

    def start(source: str, **wish: Any) -> Ticket:
        made = spec(tmp_path, source, **wish)
        executor.start(Job(made, tmp_path / "run.lock", tmp_path / "slot.lock"))
        tickets.append(Ticket(made.run, made.attempt, tmp_path, tmp_path / "run.lock"))
        return tickets[-1]

    yield start
    for ticket in tickets:
        executor.cancel(ticket)


def up(folder: Path) -> None:
    until((folder / "work" / "up").exists, "the training to be up")


def over(executor: LocalExecutor, ticket: Ticket) -> Outcome:
    return until(lambda: executor.poll([ticket]), "the run to be over")[0]


@pytest.mark.parametrize("sandbox", ["off", "required"])
def test_a_runner_killed_hard_is_lost_and_its_tree_is_gone(
    executor: LocalExecutor, begin: Begin, tmp_path: Path, sandbox: str
) -> None:
    ticket = begin(DAEMON + SLEEP, sandbox=sandbox)
    up(tmp_path)
    assert procs.held(tmp_path / "work" / "alive")
    pid = local.runner_pid(tmp_path)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert over(executor, ticket) == Outcome(7, 1, None)
    until(lambda: not procs.held(tmp_path / "work" / "alive"), "the daemon to be gone")


def test_the_locks_are_the_runners_alone(executor: LocalExecutor, begin: Begin, tmp_path: Path) -> None:
    look = """
        import os
        for fd in range(64):
            if os.path.exists(f"/proc/self/fd/{fd}"):
                print(os.readlink(f"/proc/self/fd/{fd}"))
    """
    over(executor, begin(look))
    assert "/dev/null" in printed(tmp_path)
    assert ".lock" not in printed(tmp_path)


def test_another_instance_finds_what_goes_and_what_is_over(begin: Begin, tmp_path: Path) -> None:
    waiting = "import os, time\nopen('up', 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    ticket = begin(waiting + "#--\n" + GOOD)
    up(tmp_path)
    assert LocalExecutor().poll([ticket]) == []
    (tmp_path / "work" / "go").touch()
    outcome = over(LocalExecutor(), ticket)
    assert outcome.result is not None
    assert outcome.result.score == 1.25


def test_another_instance_can_cancel(executor: LocalExecutor, begin: Begin, tmp_path: Path) -> None:
    ticket = begin(SLEEP)
    up(tmp_path)
    LocalExecutor().cancel(ticket)
    assert not procs.held(ticket.run_lock)
    assert not procs.held(tmp_path / "slot.lock")


def test_a_run_is_cancelled_before_its_runner_is_up(executor: LocalExecutor, begin: Begin) -> None:
    ticket = begin(SLEEP)
    executor.cancel(ticket)
    outcome = over(executor, ticket)
    assert outcome.result is None or outcome.result.reason == "cancelled"


def test_a_runner_that_hangs_is_killed_with_its_tree(
    executor: LocalExecutor, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = begin(DAEMON + SLEEP)
    up(tmp_path)
    pid = local.runner_pid(tmp_path)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(local, "PATIENCE", 0.2)
    begun = time.monotonic()
    executor.cancel(ticket)
    assert time.monotonic() - begun < 30
    assert over(executor, ticket).result is None
    until(lambda: not procs.held(tmp_path / "work" / "alive"), "the daemon to be gone")


def test_a_runner_that_found_no_room_for_its_pid_is_cancelled_too(
    executor: LocalExecutor, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = begin(SLEEP)
    up(tmp_path)
    (tmp_path / "pid").unlink()
    monkeypatch.setattr(local, "PATIENCE", 0.2)
    executor.cancel(ticket)
    assert over(executor, ticket).result is None


def test_a_pid_that_is_not_our_runner_is_left_alone(executor: LocalExecutor, tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "900"])
    try:
        (tmp_path / "pid").write_text(str(stranger.pid))
        assert local.runner_pid(tmp_path) is None
        executor.cancel(Ticket(1, 1, tmp_path, tmp_path / "run.lock"))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_broken_result_is_no_result(executor: LocalExecutor, tmp_path: Path) -> None:
    ticket = Ticket(7, 1, tmp_path, tmp_path / "run.lock")
    for text in ("", "{", "[]", '{"run": 7}', '{"run": 8, "attempt": 1, "outcome": "finished"}'):
        (tmp_path / "result.json").write_text(text)
        assert executor.poll([ticket]) == [Outcome(7, 1, None)]


def test_the_result_of_an_earlier_start_does_not_count(executor: LocalExecutor, begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"run": 7, "attempt": 1, "outcome": "finished", "score": 0.1}')
    ticket = begin(GOOD)
    result = over(executor, ticket).result
    assert result is not None
    assert result.score == 1.25


def test_runners_that_ended_are_no_zombies(executor: LocalExecutor, begin: Begin, tmp_path: Path) -> None:
    ticket = begin(GOOD)
    over(executor, ticket)

    def reaped() -> bool:
        executor.poll([])
        return not executor._children

    until(reaped, "the runner to be reaped")


def test_what_was_never_started_is_known_from_what_was_lost(tmp_path: Path) -> None:
    """A coordinator died between "running" and the start; or a runner died before its first word."""
    executor = LocalExecutor()
    ticket = Ticket(7, 1, tmp_path / "r7-1", tmp_path / "run-7.lock")
    ticket.folder.mkdir()
    assert [o.began for o in executor.poll([ticket])] == [False]
    (ticket.folder / "spec.json").write_text("{}")
    assert [o.began for o in executor.poll([ticket])] == [True]


def test_a_run_finds_no_key_in_its_environment_nor_in_its_runners(
    executor: LocalExecutor, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-easily-found")
    source = """#--
import os
for who in ("self", os.getppid()):
    print("KNOWS", open(f"/proc/{who}/environ").read().split(chr(0)))
"""
    over(executor, begin(source))
    said = (tmp_path / "log.txt").read_text()
    assert said.count("KNOWS") == 2 and "PATH=" in said and "sk-easily-found" not in said
