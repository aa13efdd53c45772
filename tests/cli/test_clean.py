"""clean removes only what is recorded elsewhere; export --branch brings a commit into a person's repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swarm import procs
from swarm.ledger.ledger import Ledger
from swarm.repo import Hub, Worktrees
from swarm.workspace import Workspace
from tests.cli.conftest import Typed
from tests.cli.test_verbs import recorded


@pytest.fixture
def over(place: Workspace, clone: Path, monkeypatch: pytest.MonkeyPatch) -> Worktrees:
    """An ended campaign on the clone with three agents' worktrees, all clean, and a run's folder."""
    recorded(place, "ended").close()
    hub = Hub(place.hidden)
    hub.create()
    commit, _ = hub.seed(clone, None)
    ledger = Ledger(place.ledger)
    ledger.change("experiments", {"id": "e0001"}, commit=commit)
    task = ledger.value("SELECT task FROM campaigns").replace(f'"path": "{place.root}"', f'"path": "{clone}"')
    ledger.change("campaigns", {"id": 1}, task=task)
    trees = Worktrees(hub, place.worktrees, ["train.py"])
    for name in ("a", "b", "c"):
        ledger.add(
            "agents", name=name, campaign=1, kind="tuner", state="stopped", base="e0001", tip="e0001", created=1.0
        )
        trees.add(name, commit)
    ledger.close()
    run = place.run_folder(1, 1)
    (run / "work").mkdir(parents=True)
    (run / "work" / "train.py").write_text("x" * 1000)
    (run / "log.txt").write_text("step 1\n")
    monkeypatch.chdir(place.root)
    return trees


def left(place: Workspace) -> list[str]:
    return sorted(p.name for p in place.worktrees.iterdir())


def test_clean(typed: Typed, place: Workspace, over: Worktrees) -> None:
    code, out, _ = typed("clean", "--dry-run")
    assert (code, left(place)) == (0, ["a", "b", "c"])
    assert "would go worktrees/a" in out
    code, out, _ = typed("clean")
    assert (code, left(place)) == (0, [])
    assert "removed  worktrees/c" in out
    run = place.run_folder(1, 1)
    assert [p.name for p in run.iterdir()] == ["log.txt"]


def test_clean_keeps_what_is_nowhere_else(typed: Typed, place: Workspace, over: Worktrees) -> None:
    (place.worktree("a") / "train.py").write_text("LR = 7\n")
    (place.worktree("b") / "notes.md").write_text("I learned this.\n")
    (place.worktree("c") / "__pycache__").mkdir()
    (place.worktree("c") / "__pycache__" / "train.pyc").write_text("")
    (place.worktrees / "stranger").mkdir()
    code, out, _ = typed("clean")
    assert (code, left(place)) == (0, ["a", "b", "stranger"])
    assert "kept     worktrees/a: train.py was changed and not submitted" in out
    assert "notes.md" in out
    assert "not made by swarm" in out
    assert (place.worktree("a") / "train.py").read_text() == "LR = 7\n"


def test_clean_keeps_an_agents_own_commit(typed: Typed, place: Workspace, over: Worktrees) -> None:
    (place.worktree("a") / "train.py").write_text("LR = 7\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, "commit", "-qam", "mine"], cwd=place.worktree("a"), check=True)
    (place.worktree("a") / "train.py").write_bytes(over.hub.read(over.hub.refs()["refs/heads/swarm/b"], "train.py"))
    assert "a commit of its own" in typed("clean")[1]
    assert left(place) == ["a"]


def test_clean_refuses_while_it_runs(typed: Typed, place: Workspace) -> None:
    recorded(place).close()
    code, _, err = typed("clean")
    assert code == 1
    assert "swarm stop" in err


def test_clean_leaves_a_busy_coordinator_alone(typed: Typed, place: Workspace, over: Worktrees) -> None:
    ledger = Ledger(place.ledger)
    run = ledger.add_run("e0001", "confirm", None, None, 1.0)
    ledger.change("runs", {"id": run}, status="running")
    ledger.close()
    lock = procs.take(place.lock)
    assert lock is not None
    assert typed("clean")[0] == 1
    os.close(lock)
    assert left(place) == ["a", "b", "c"]


def test_clean_sends_an_idle_coordinator_home(
    typed: Typed, place: Workspace, over: Worktrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = procs.take(place.lock)
    assert lock is not None
    monkeypatch.setattr("swarm.daemon.start.stop", lambda workspace: os.close(lock))
    assert typed("clean")[0] == 0
    assert left(place) == []


def test_export_as_a_branch(typed: Typed, place: Workspace, over: Worktrees, clone: Path) -> None:
    ledger = Ledger(place.ledger)
    hub = Hub(place.hidden)
    base = ledger.experiment("e0001").commit
    assert base is not None
    commit = hub.commit({"train.py": b"LR = 0.2\n"}, base, "e0002: LR")
    ledger.add(
        "experiments", id="e0002", campaign=1, origin="submit", kind="const", description="LR", stage="done",
        commit=commit, created=1.0,
    )  # fmt: skip
    ledger.change("campaigns", {"id": 1}, best="e0002")
    ledger.close()
    before = subprocess.run(["git", "status", "--porcelain", "-b"], cwd=clone, capture_output=True, check=True).stdout
    code, out, err = typed("export", "--branch", "found")
    assert (code, err) == (0, "")
    assert "e0002" in out
    said = subprocess.run(["git", "show", "found:train.py"], cwd=clone, capture_output=True, text=True, check=True)
    assert said.stdout == "LR = 0.2\n"
    after = subprocess.run(["git", "status", "--porcelain", "-b"], cwd=clone, capture_output=True, check=True).stdout
    assert before == after
    code, _, err = typed("export", "e0001", "--branch", "found")
    assert code == 1
    assert "found" in err
    assert typed("export", "e0009", "--branch", "other")[0] == 1


def test_export_without_a_repository(typed: Typed, place: Workspace) -> None:
    recorded(place, "ended").close()
    code, _, err = typed("export", "best", "--branch", "x")
    assert code == 1
    assert "git init" in err
