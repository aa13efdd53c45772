"""init makes a folder that spawn can use, and touches nothing that is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from swarm import config
from swarm.cli import packaged, tasks
from swarm.workspace import Workspace, find
from tests.cli.conftest import TRAIN, Typed


def test_init_makes_a_workspace(typed: Typed, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    code, out, _ = typed("init", str(folder))
    assert code == 0
    assert "swarm prepare" in out
    assert (folder / "task" / "train.py").read_text() == TRAIN
    assert sorted(p.name for p in (folder / "programs").iterdir()) == ["architecture.md", "optimizer.md"]
    workspace = find(folder / "task")
    assert workspace.root == folder
    task = tasks.the_task(workspace, config.load(workspace), "cpu")
    assert task.path == str(folder / "task")
    assert task.prepare == "python prepare.py"


def test_the_comments_of_swarm_yaml_are_yaml_too(typed: Typed, tmp_path: Path) -> None:
    """A person takes the # away from a line, or from the whole block: it must work."""
    typed("init", str(tmp_path / "new"))
    lines = (tmp_path / "new" / "swarm.yaml").read_text().splitlines()
    for i, line in enumerate(lines):
        if line.startswith("#") and line[1:2].isalpha() and not line.startswith("#task"):
            alone = [*lines[:i], line[1:], *lines[i + 1 :]]
            config.parse(yaml.safe_load("\n".join(alone)))
    at = lines.index(next(x for x in lines if x.startswith("#task:")))
    block = ["task:" if i == at else x[1:] if x.startswith("#  ") else x for i, x in enumerate(lines) if i != at - 1]
    found = config.parse(yaml.safe_load("\n".join(block)))
    assert found.task is not None
    assert found.task.budget == "wall:300"


def test_a_second_init_says_so(typed: Typed, tmp_path: Path) -> None:
    typed("init", str(tmp_path / "new"))
    code, _, err = typed("init", str(tmp_path / "new"))
    assert code == 1
    assert "already" in err


def test_a_full_folder_is_refused(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    code, _, err = typed("init", str(tmp_path / "full"))
    assert code == 1
    assert "not empty" in err
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_a_clone_needs_no_init(typed: Typed, clone: Path) -> None:
    code, _, err = typed("init")
    assert code == 1
    assert "swarm spawn" in err


def test_init_with_a_folder_as_task(typed: Typed, tmp_path: Path, clone: Path) -> None:
    code, _, _ = typed("init", str(tmp_path / "new"), "--task", str(clone))
    assert code == 0
    workspace = Workspace(tmp_path / "new")
    task = tasks.the_task(workspace, config.load(workspace), "cpu")
    assert (task.path, task.caches) == (str(clone), ("~/.cache/autoresearch",))
    assert [p.name for p in workspace.programs.iterdir()] == ["program.md"]


def test_init_with_a_task_that_is_not_there(typed: Typed, tmp_path: Path) -> None:
    assert typed("init", str(tmp_path / "new"), "--task", str(tmp_path / "nowhere"))[0] == 1
    assert not (tmp_path / "new").exists()


def test_a_url_is_fetched_once_and_understood(typed: Typed, tmp_path: Path, clone: Path) -> None:
    url = f"file://{clone}"
    typed("init", str(tmp_path / "new"), "--task", url)
    workspace = Workspace(tmp_path / "new")
    one = tasks.the_task(workspace, config.load(workspace), "cpu")
    assert Path(one.path, "train.py").is_file()
    assert one.caches == ("~/.cache/autoresearch",)
    assert tasks.the_task(workspace, config.load(workspace), "cpu") == one


def test_a_url_that_is_not_there(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed("init", str(tmp_path / "new"), "--task", f"file://{tmp_path}/nowhere.git")
    monkeypatch.chdir(tmp_path / "new")
    code, _, err = typed("prepare")
    assert code == 1
    assert "cannot fetch the task" in err


def test_prepare_runs_the_tasks_command(
    typed: Typed, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("init", str(tmp_path / "new"))
    monkeypatch.chdir(tmp_path / "new")
    assert typed("prepare")[0] == 0
    assert (home / ".cache" / "swarm" / "fingerprint.json").is_file()


def test_prepare_that_fails_says_so(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed("init", str(tmp_path / "new"))
    (tmp_path / "new" / "task" / "prepare.py").write_text("# SWARM_BUDGET\nraise SystemExit(5)\n")
    monkeypatch.chdir(tmp_path / "new")
    code, _, err = typed("prepare")
    assert code == 1
    assert "ended with 5" in err


def test_spawned_lines_are_hidden_from_the_persons_git(clone: Path) -> None:
    workspace = Workspace(clone)
    (clone / ".git" / "info" / "exclude").write_text("mine")
    assert tasks.exclude(workspace) == ["/worktrees/", "/results.db", "/.swarm/"]
    assert tasks.exclude(workspace) == []
    text = (clone / ".git" / "info" / "exclude").read_text()
    assert text == "mine\n/worktrees/\n/results.db\n/.swarm/\n"
    workspace.make()
    (clone / "worktrees" / "x").mkdir()
    (clone / "worktrees" / "x" / "f").write_text("")
    said = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert said.stdout == ""


def test_a_clone_keeps_its_own_program(clone: Path) -> None:
    workspace = Workspace(clone)
    task = tasks.the_task(workspace, config.load(workspace), "cpu")
    assert tasks.programs(workspace, task) == []
    assert not workspace.programs.exists()


def test_a_bare_workspace_gets_programs(place: Workspace) -> None:
    task = tasks.the_task(place, config.load(place), "cpu")
    assert task.path == str(packaged.templates())
    assert tasks.programs(place, task) == ["architecture", "optimizer"]
