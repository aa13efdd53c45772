"""kill -9 of an agent, of the tmux server, of a run's keeper and of the training itself, with real processes.

In a folder whose name has spaces, quotes and letters of several alphabets.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.workspace import Workspace
from tests.e2e.box import TRAIN, Box, have, until
from tests.e2e.test_main_job import begin, scripted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SLOW = TRAIN.replace("SECONDS = 0.2", "SECONDS = 3.0 if A < 0.95 else 0.1")  # the baseline is quick
AGENT = "-m swarm.agents.scripted"
STEPS: list[dict[str, object]] = [{"set": {"A": "0.9"}}, {"wait": True}, {"set": {"A": "0.8"}}, {"wait": True}]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    have("git", "tmux", "bwrap")
    made = Box(tmp_path / "mein böser 'Ordner' λ 実験 $(touch ran)", train=SLOW)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("PYTHONPATH", made.env["PYTHONPATH"])
    yield made
    made.close()
    assert not list(tmp_path.rglob("ran"))


def of(folder: Path, mark: str) -> list[int]:
    """Processes with this in their command line, and the folder in it or in their environment: of this box, nobody else's."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            about = words + (entry / "environ").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and os.fsencode(mark) in words and os.fsencode(folder) in about:
            found.append(int(entry.name))
    return sorted(found)


def kill(folder: Path, mark: str) -> int:
    """-9 to the youngest of those; waits for it to be there."""
    pid: int = until(lambda: of(folder, mark), say=lambda: f"no process of {folder} with {mark}")[-1]
    os.kill(pid, signal.SIGKILL)
    return pid


def running(box: Box) -> tuple[int, int]:
    """Run and attempt of what is measured now for an agent."""
    sql = "SELECT id || ' ' || attempt FROM runs WHERE status='running' AND purpose='screen'"
    run, attempt = str(box.until(sql)).split()
    return int(run), int(attempt)


def test_a_run_that_is_killed_is_measured_again_and_counted_once(box: Box) -> None:
    begin(box, [scripted(box, "first", "0", STEPS)])
    run, attempt = running(box)
    folder = Workspace(box.ws).run_folder(run, attempt)
    until((folder / "pid").exists)
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)  # its runner: the tree goes with it
    box.until("SELECT status='finished' FROM runs WHERE id=?", run)
    assert box.query("SELECT n, outcome FROM attempts WHERE run=? ORDER BY n", run) == [
        (attempt, "lost"),
        (attempt + 1, "finished"),
    ]
    assert box.value("SELECT COUNT(*) FROM events WHERE kind='measured' AND json_extract(data, '$.run')=?", run) == 1
    until(lambda: not of(folder, str(folder)), say=lambda: f"left: {of(folder, str(folder))}")


def test_a_training_that_is_killed_is_a_crash_of_its_experiment_and_the_next_one_goes(box: Box) -> None:
    begin(box, [scripted(box, "first", "0", STEPS)])
    run, attempt = running(box)
    folder = Workspace(box.ws).run_folder(run, attempt)
    kill(folder, "train.py")
    verdict = "SELECT e.verdict FROM experiments e JOIN runs r ON r.experiment=e.id WHERE r.id=?"
    assert box.until(verdict, run) == "crash"
    box.until("SELECT COUNT(*)=1 FROM experiments WHERE origin='submit' AND verdict='keep'", patience=120)


def test_an_agent_and_then_its_tmux_server_are_killed_and_both_come_back(box: Box) -> None:
    begin(box, [scripted(box, "first", "0", [*STEPS, {"set": {"A": "0.7"}}, {"wait": True}])])
    name = Workspace(box.ws).session_name
    running(box)
    old = kill(box.folder, AGENT)
    restarted = "SELECT COUNT(*)>=? FROM events WHERE kind='agent' AND json_extract(data, '$.state')='restarted'"
    box.until(restarted, 1)
    assert old not in of(box.folder, AGENT)
    kill(box.folder, f"-L{name}")  # its socket stays, and nobody answers at it
    box.until(restarted, 2)
    box.until("SELECT COUNT(*)=3 FROM experiments WHERE origin='submit' AND stage='done' AND runs>0", patience=180)
    # killed between the answer and its own note of it, an agent says it again: answered, and not measured twice
    measured = "SELECT tree FROM experiments WHERE origin='submit' AND runs>0 GROUP BY tree"
    assert len(box.query(measured)) == box.value("SELECT COUNT(*) FROM experiments WHERE origin='submit' AND runs>0")
