"""doctor says what is missing, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from swarm import slots
from swarm.cli import machine
from swarm.runner import sandbox
from swarm.workspace import Workspace
from tests.cli.conftest import Typed


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "gpus", list)


def test_doctor_on_a_fresh_place(typed: Typed, place: Workspace) -> None:
    code, out, err = typed("doctor")
    assert code == 1
    assert "swarm prepare" in out
    assert "not ready: data" in err
    assert not place.hidden.exists()


def test_doctor_when_all_is_well(typed: Typed, place: Workspace, home: Path) -> None:
    (home / ".cache" / "swarm").mkdir(parents=True)
    (home / ".cache" / "swarm" / "fingerprint.json").write_text("{}")
    code, out, _ = typed("doctor")
    assert code == 0
    assert "none runs, none is needed" in out


def test_doctor_outside(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = typed("doctor")
    assert code == 1
    assert "swarm init" in out


def test_doctor_names_missing_programs(typed: Typed, place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "absent", lambda programs=(): list(programs))
    monkeypatch.setattr(machine, "git", lambda *words, cwd=None: None)
    monkeypatch.setattr(sandbox, "trouble", lambda: "not installed")
    code, out, err = typed("doctor")
    assert code == 1
    for package in ("git", "tmux", "bubblewrap"):
        assert f"apt-get install -y {package}" in out
    assert "git" in err


def test_doctor_after_a_dead_coordinator(typed: Typed, place: Workspace) -> None:
    from tests.cli.test_verbs import recorded

    recorded(place).close()
    assert "swarm resume" in typed("doctor")[1]


def test_doctor_tells_of_the_clients(
    typed: Typed, place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").write_text("#!/bin/sh\necho '2.1.3 (Claude Code)'\n")
    (tmp_path / "bin" / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "very-secret")
    out = typed("doctor")[1]
    assert "2.1.3, logged in (API key)" in out and "runs unattended, guarded" in out and "very-secret" not in out
    assert "npm install -g @openai/codex" in out


def test_our_own_python_is_looked_at_as_another_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without starting it: the same answer, and what only PYTHONPATH shows us is not there for a run either."""
    names = ("pytest", "pydantic", "no-such-package")
    assert machine.interpreter(None, names) == machine.interpreter(sys.executable, names)
    info = tmp_path / "torch_of_a_neighbour-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch-of-a-neighbour\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    seen, hidden = {"torch-of-a-neighbour": "9.9"}, {}
    for pythonpath, found in (("", seen), (str(tmp_path), hidden)):
        monkeypatch.setenv("PYTHONPATH", pythonpath)
        asked = machine.interpreter(None, ("torch-of-a-neighbour",))
        assert asked is not None and asked.packages == found
