"""Real processes: started once, brought back when killed, ended when told or when nothing is left to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from swarm import procs
from swarm.client import Client
from swarm.daemon import owner, start
from swarm.daemon import program as programs
from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace
from tests.daemon.conftest import kill, pid_of, until
from tests.daemon.fake import PROGRAM


def ensure(workspace: Workspace, patience: float = 60.0) -> Client:
    return start.ensure(workspace, PROGRAM, patience)


def test_one_is_started_and_stays_the_only_one(workspace: Workspace) -> None:
    clients: list[Client] = []
    askers = [threading.Thread(target=lambda: clients.append(ensure(workspace))) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(90)
    pids = {client.get("status")["pid"] for client in clients}
    assert len(clients) == 3
    assert pids == {pid_of(workspace.door)} == {pid_of(workspace.owner)}
    assert (workspace.root / "built").read_text().split() == [str(pids.pop())]
    assert json.loads(workspace.door.read_text())["host"] == socket.gethostname()
    assert oct(workspace.door.stat().st_mode & 0o777) == "0o600"
    assert workspace.token("owner").exists()
    assert workspace.token("viewer").exists()


def test_killed_it_comes_back_at_the_same_address(workspace: Workspace) -> None:
    client = ensure(workspace)
    first = pid_of(workspace.door)
    url = json.loads(workspace.door.read_text())["url"]
    halves = [workspace.hidden / ".owner.json.77.1", workspace.tokens / ".agent.a0.77.abcd"]
    for half in halves:
        half.write_text("")
    kill(first)
    answer = client.get("status")  # the client waits for it
    assert answer["pid"] != first
    assert json.loads(workspace.door.read_text())["url"] == url
    assert [half for half in halves if half.exists()] == []


@pytest.mark.e2e
def test_told_to_stop_all_end_and_the_address_stays(workspace: Workspace) -> None:
    client = ensure(workspace)
    assert start.stop(workspace)
    assert not client.alive()
    assert workspace.door.exists()
    assert not workspace.owner.exists()
    with pytest.raises(SwarmError, match="no coordinator is running here"):
        client.get("status")
    assert not start.stop(workspace)
    assert "Traceback" not in workspace.log.read_text()


@pytest.mark.e2e
def test_a_term_of_the_coordinator_alone_is_the_end_too(workspace: Workspace) -> None:
    ensure(workspace)
    pid = pid_of(workspace.door)
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: not procs.held(workspace.keeper) and not procs.held(workspace.lock))


@pytest.mark.e2e
def test_waiters_do_not_delay_the_end(workspace: Workspace) -> None:
    ensure(workspace)
    from swarm.api.tokens import Tokens

    Tokens(workspace.tokens).make("agent.a")
    agent = Client.at(workspace, "agent.a")
    agent.patience = 0.0
    failed: list[SwarmError] = []

    def wait() -> None:
        try:
            agent.post("wait", timeout=50)
        except SwarmError as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    owner_client = Client.at(workspace)
    until(lambda: owner_client.get("status")["asked"] > 0)
    assert start.stop(workspace)
    waiting.join(60)
    assert len(failed) == 1


@pytest.mark.e2e
def test_with_nothing_left_it_ends_by_itself(workspace: Workspace) -> None:
    ensure(workspace)
    (workspace.root / "over").touch()
    until(lambda: not procs.held(workspace.keeper) and not procs.held(workspace.lock))
    assert not workspace.door.exists()
    assert not workspace.owner.exists()
    (workspace.root / "over").unlink()
    assert ensure(workspace).alive()


@pytest.mark.e2e
def test_a_killed_keeper_is_replaced(workspace: Workspace) -> None:
    client = ensure(workspace)
    coordinator = pid_of(workspace.door)
    keeper = pid_of(workspace.keeper)
    kill(keeper)
    until(lambda: procs.held(workspace.keeper) and pid_of(workspace.keeper) not in (None, keeper))
    assert client.get("status")["pid"] == coordinator
    kill(coordinator)
    assert client.get("status")["pid"] != coordinator


@pytest.mark.e2e
def test_both_killed_the_next_command_starts_anew(workspace: Workspace) -> None:
    ensure(workspace)
    before = pid_of(workspace.door)
    kill(pid_of(workspace.keeper))
    kill(before)
    assert ensure(workspace).get("status")["pid"] != before


def test_one_that_cannot_start_says_why(workspace: Workspace) -> None:
    workspace.log.write_text("something old\n")
    (workspace.root / "refuse").touch()
    with pytest.raises(SwarmError) as failed:
        ensure(workspace)
    assert "written by a newer swarm" in failed.value.message
    assert "Update swarm" in failed.value.message
    assert "something old" not in failed.value.message
    assert str(workspace.log) in failed.value.hint


@pytest.mark.e2e
def test_one_with_a_bug_is_tried_again(workspace: Workspace) -> None:
    (workspace.root / "broken").touch()
    start.keep(workspace, PROGRAM)
    until(lambda: "a bug while building" in workspace.log.read_text())
    (workspace.root / "broken").unlink()
    assert ensure(workspace).alive()


def test_another_machine_is_refused_by_name(workspace: Workspace) -> None:
    note = {"host": "node7", "pid": 41, "boot_id": "another", "heartbeat": time.time()}
    workspace.owner.write_text(json.dumps(note))
    with pytest.raises(Refused, match="node7"):
        ensure(workspace)
    assert not procs.held(workspace.keeper)
    log = workspace.root / "log"
    with log.open("wb") as file:
        done = subprocess.run(
            programs.coordinator(PROGRAM, workspace), cwd=programs.home(), stderr=file, timeout=60, check=False
        )
    assert done.returncode == programs.UNFIT
    assert "node7" in log.read_text()
    workspace.owner.write_text(json.dumps({**note, "heartbeat": time.time() - 2 * owner.FRESH}))
    assert ensure(workspace).alive()


@pytest.mark.e2e
def test_one_that_loses_the_workspace_to_another_machine_ends(workspace: Workspace) -> None:
    ensure(workspace)
    until(lambda: procs.held(workspace.lock))
    note = json.dumps({"host": "node7", "pid": 41, "boot_id": "another", "heartbeat": time.time() + 3600})

    def lost() -> bool:
        owner.replace(workspace.owner, note)  # again and again: a heartbeat may come between
        return not procs.held(workspace.lock)

    until(lost)
    assert json.loads(workspace.owner.read_text())["host"] == "node7"
    workspace.owner.unlink()


@pytest.mark.e2e
def test_a_second_coordinator_leaves_quietly(workspace: Workspace) -> None:
    ensure(workspace)
    pid = pid_of(workspace.door)
    done = subprocess.run(
        programs.coordinator(PROGRAM, workspace), cwd=programs.home(), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert pid_of(workspace.door) == pid


@pytest.mark.e2e
def test_nothing_of_a_workspace_is_loaded(workspace: Workspace) -> None:
    """A file of the person's that is called like a module must not become one."""
    (workspace.root / "json.py").write_text("raise SystemExit('loaded')")
    assert ensure(workspace).alive()


def test_only_processes_of_this_machine_are_ended(workspace: Workspace) -> None:
    """Both locks are held from another machine, say over NFS: their pids mean nothing here."""
    locks = [procs.take(path) for path in (workspace.keeper, workspace.lock)]
    bystander = subprocess.Popen(["sleep", "100"])
    try:
        foreign = json.dumps({"host": "node7", "pid": bystander.pid, "boot_id": "another", "heartbeat": time.time()})
        workspace.owner.write_text(foreign)
        workspace.keeper.write_text(foreign)
        with pytest.raises(SwarmError, match="node7"):
            start.stop(workspace, 0.1)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        workspace.owner.unlink()
        for lock in locks:
            assert lock is not None
            os.close(lock)


@pytest.mark.parametrize("word", ["_keeper", "_coordinator"])
def test_on_a_read_only_disk_it_says_so_in_a_line(workspace: Workspace, word: str) -> None:
    """Really read-only, also for root: bound so by bubblewrap."""
    argv = [*PROGRAM, word, str(workspace.root)]
    words = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--ro-bind", str(workspace.root), str(workspace.root)]
    done = subprocess.run(
        [*words, *argv], capture_output=True, text=True, timeout=100, cwd=programs.home(), check=False
    )
    assert done.returncode == programs.UNFIT
    assert "Read-only file system" in done.stderr
    assert "Make it writable" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_heartbeat_that_cannot_be_written_is_a_line_in_the_log(workspace: Workspace) -> None:
    ensure(workspace)
    until(lambda: workspace.owner.exists())

    def in_its_way() -> bool:
        """As good as a full disk; a beat may come in between."""
        try:
            workspace.owner.unlink(missing_ok=True)
            workspace.owner.mkdir()
        except OSError:
            return False
        return True

    until(in_its_way)
    until(lambda: "missed a beat" in workspace.log.read_text())
    assert Client.at(workspace).alive()
    assert "Traceback" not in workspace.log.read_text()
    workspace.owner.rmdir()
