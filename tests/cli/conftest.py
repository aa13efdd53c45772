"""A fresh HOME, a tiny task, and a coordinator that only remembers what it was asked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.cli import errors, packaged
from swarm.workspace import Workspace

TRAIN = "import os\n\nDEPTH = 2\nLR = 0.1\nprint('---')\nprint(f'val_bpb: {LR}')\n"
PREPARE = (
    "import os, pathlib\n# reads SWARM_BUDGET\n"
    "p = pathlib.Path.home() / '.cache' / 'swarm'\np.mkdir(parents=True, exist_ok=True)\n"
    "(p / 'fingerprint.json').write_text('{}')\nprint('prepared it')\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME of our own; nothing of an agent's session or of git in the environment."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("SWARM_SEAT", "SWARM_TOKEN_FILE", "SWARM_DOOR_FILE", "TMUX", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("COLUMNS", "100")
    return folder


@pytest.fixture(autouse=True)
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What comes with swarm, made small."""
    inside = tmp_path / "packaged" / "swarm"
    (inside / "templates").mkdir(parents=True)
    (inside / "programs").mkdir()
    (inside / "templates" / "train.py").write_text(TRAIN)
    (inside / "templates" / "prepare.py").write_text(PREPARE)
    (inside / "programs" / "optimizer.md").write_text("Look at the optimizer.\n")
    (inside / "programs" / "architecture.md").write_text("Look at the architecture.\n")
    monkeypatch.setattr(packaged, "INSIDE", inside)
    return inside / "templates"


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit test starts a coordinator by accident."""

    def refuse(workspace: Workspace) -> None:
        raise AssertionError(f"a coordinator was wanted for {workspace.root}")

    monkeypatch.setattr("swarm.daemon.start.ensure", refuse)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace, and we are in it."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "swarm.yaml").write_text("")
    monkeypatch.chdir(folder)
    return Workspace(folder)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own clone of a task in the manner of autoresearch, and we are in it."""
    folder = tmp_path / "autoresearch"
    folder.mkdir()
    (folder / "train.py").write_text("LR = 0.1\nprint('val_bpb: 1.0')\n")
    (folder / "prepare.py").write_text("TIME_BUDGET = 300\n")
    (folder / "program.md").write_text("Experiment.\n")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    """Give a command; what comes back is the exit code, stdout and stderr."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = errors.run(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


class FakeClient:
    """Remembers what it was asked; answers what the test wants."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        self.asked.append((path, body))
        return self._answer(path)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        self.asked.append((path, query))
        return self._answer(path)

    def alive(self) -> bool:
        return True

    def _answer(self, path: str) -> dict[str, Any]:
        found = self.answers[path]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return dict(found)
