"""A clock that jumps, a machine that was booted anew, two coordinators, a workspace that another host owns."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from swarm import procs
from swarm.daemon import owner
from swarm.errors import Refused, SwarmError
from swarm.ledger.ledger import Ledger
from tests.faults.checker import Checker
from tests.faults.stage import Stage

DAY = 86_400.0


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path / "stage")
    made.open()
    made.spawn(2, stop={"experiments": 100}, policy={"rebase_every": 30})
    made.settle()
    return made


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_jumps_stops_nothing(stage: Stage, jump: float) -> None:
    mine, big = stage.submit("a1", B=1.9), stage.submit("a0", A=0.1)
    stage.step()
    stage.jump(jump)
    stage.settle()
    assert (stage.e(mine).verdict, stage.e(big).verdict) == ("keep", "keep")
    assert stage.ledger.value("SELECT outcome FROM rebases WHERE agent='a1'") == "replayed"
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)


def test_a_clock_set_back_keeps_no_agent_waiting(stage: Stage) -> None:
    """Looks at sessions, the grace of an end and idle slots are due by the clock of now."""
    stage.jump(-DAY)
    stage.tmux.die("a0", 1)
    for _ in range(4):
        stage.step(2)
    assert stage.tmux.started.count("a0") == 2
    for _ in range(6):
        stage.step(20)
    assert stage.ledger.value("SELECT COUNT(*) FROM runs WHERE purpose='reference'") > 0
    stage.story.stop()
    stage.step()
    stage.jump(-DAY)
    for _ in range(10):
        stage.step(5)
    assert stage.world.campaign.state == "ended"


def test_after_a_reboot_it_goes_on_and_says_what_was_lost(stage: Stage) -> None:
    """No run, no session, no process is left; locks that killed gits left are old."""
    ident = stage.submit("a0", A=0.5)
    stage.step()
    assert stage.ledger.value("SELECT status FROM runs WHERE experiment=?", ident) == "running"
    _stale_locks(stage)
    stage.reboot()
    assert set(stage.tmux.panes) == {"a0", "a1"}
    stage.settle()
    assert stage.e(ident).verdict == "keep"
    tries = "SELECT a.outcome FROM attempts a JOIN runs r ON r.id=a.run WHERE r.experiment=? ORDER BY r.id, n"
    assert [o for (o,) in stage.ledger.rows(tries, ident)][:2] == ["lost", "finished"]
    assert stage.submit("a0", B=1.0)
    stage.settle()
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)


def _stale_locks(stage: Stage) -> None:
    git = stage.workspace.git
    for name in ("refs/heads/best.lock", "refs/heads/swarm/a0.lock", "worktrees/a0/index.lock", "worktrees/a0/HEAD.lock",
                 "packed-refs.lock"):  # fmt: skip
        (git / name).write_text("")
        os.utime(git / name, (time.time() - DAY,) * 2)
    (stage.workspace.hidden / "index" / "a0.lock").write_text("")
    for run in (1, 2, 3, 4):
        (stage.workspace.locks / f"run-{run}.lock").write_text("12345")
    (stage.workspace.locks / "slot-0.lock").write_text("12345")
    stage.hub.set_refs({"refs/heads/best": stage.e("e0001").commit})


def test_the_note_of_a_coordinator_before_the_reboot_stops_nobody(stage: Stage) -> None:
    note = {**owner.note(), "boot_id": "another boot", "heartbeat": time.time()}
    stage.workspace.owner.write_text(json.dumps(note))
    owner.check(stage.workspace)
    assert owner.pid_in(stage.workspace.owner) is None


def test_a_workspace_that_another_host_owns_is_refused_by_its_name(stage: Stage) -> None:
    note = {"host": "elsewhere", "pid": 7, "boot_id": "another boot", "heartbeat": time.time()}
    stage.workspace.owner.write_text(json.dumps(note))
    with pytest.raises(Refused, match="elsewhere"):
        owner.check(stage.workspace)
    stage.workspace.owner.write_text(json.dumps({**note, "heartbeat": time.time() - 3600}))
    owner.check(stage.workspace)


def test_of_two_coordinators_one_has_the_lock(stage: Stage) -> None:
    first = procs.take(stage.workspace.lock)
    assert first is not None
    assert procs.take(stage.workspace.lock) is None
    os.close(first)


def test_two_that_write_all_the_same_break_nothing(stage: Stage) -> None:
    """What the lock forbids (a lock may be lost with a file system of another machine): one waits, none mixes in."""
    other = Ledger(stage.workspace.ledger)
    other.db.execute("PRAGMA busy_timeout=50")
    with stage.ledger.tx():
        stage.world.say("told", "a0", None, text="x")
        with pytest.raises(sqlite3.OperationalError, match="locked"), other.tx():
            pass
    ident = stage.submit("a0", A=0.5)
    with other.tx():
        assert other.experiment(ident).stage == "queued"
    other.close()
    second = Stage(stage.root)
    second.tmux, second.now = stage.tmux, stage.now
    second.open()
    for _ in range(30):
        stage.step()
        second.now = stage.now
        second.step()
    assert stage.e(ident).verdict == "keep"
    second.close()
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)


def test_a_ledger_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "results.db").mkdir()
    with pytest.raises(SwarmError, match="cannot write the ledger") as error:
        Ledger(tmp_path / "results.db")
    assert "Move it away" in error.value.hint
