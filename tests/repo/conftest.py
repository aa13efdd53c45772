"""A hub, a person's repository and worktrees, all with real git in a folder with spaces and umlauts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.repo import Hub, Worktrees

FILES = {
    "train.py": "A = 1\nB = 2\n\n\ndef main():\n    return A\n",
    "prepare.py": "FROZEN = 1\n",
    "dä ta/a file.txt": "text\n",
}
Git = Callable[..., str]


def git(where: Path, *args: str) -> str:
    """What a person or an agent types."""
    env = {n: v for n, v in os.environ.items() if not n.startswith("GIT_")}
    words = ["-c", "user.name=person", "-c", "user.email=p@localhost", "-c", "commit.gpgsign=false"]
    env |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *words, *args], cwd=where, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "wörk space"
    folder.mkdir()
    return folder


@pytest.fixture
def hub(place: Path) -> Hub:
    made = Hub(place / ".swarm")
    made.create()
    return made


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """A person's repository with two commits."""
    folder = fill(tmp_path / "a person's clone", {"train.py": "A = 0\n"})
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    fill(folder, FILES)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "second")
    return folder


@pytest.fixture
def base(hub: Hub) -> str:
    """A commit of the task."""
    return hub.commit({n: t.encode() for n, t in FILES.items()}, None, "the task")


@pytest.fixture
def trees(hub: Hub, place: Path) -> Worktrees:
    return Worktrees(hub, place / "worktrees", ["train.py"])
