"""One contract for every kind of agent: looked at before it starts, started from a file, nothing secret on the way."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarm.agents import kind, kinds
from swarm.agents import seat as seats
from swarm.errors import SwarmError
from swarm.ports import Seat

OPTIONS: dict[str, dict[str, Any]] = {
    "tuner": {},
    "command": {"command": "true {brief}"},
    "scripted": {"script": [{"wait": True}]},
    "claude": {"model": "opus"},
    "codex": {},
}


@pytest.fixture(autouse=True)
def clients(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that only say their version, logged in by a variable; the real ones are played in tests/clients."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("claude", "codex"):
        (folder / name).write_text("#!/bin/sh\necho 1.2.3\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("CODEX_API_KEY", "k")


@pytest.fixture(params=sorted(OPTIONS))
def seat(request: pytest.FixtureRequest, tmp_path: Path) -> Seat:
    folder = tmp_path / "a folder" / "gpu0"
    (tmp_path / "wörk tree").mkdir()
    folder.mkdir(parents=True)
    (tmp_path / "token").write_text("very-secret-token" * 3)
    return Seat(
        "gpu0-x", request.param, tmp_path / "wörk tree", folder, tmp_path / "door.json", tmp_path / "token", folder / "brief.md",
        ("train.py", "b.py"), "GPU-0", OPTIONS[request.param],
    )  # fmt: skip


def test_every_kind_keeps_the_contract_here() -> None:
    assert set(kinds()) == set(OPTIONS)


def test_it_is_called_by_its_name_and_takes_its_options(seat: Seat) -> None:
    made = kind(seat.kind)
    assert made.name == seat.kind
    made.check(seat.options)


def test_the_seat_comes_back_from_its_file(seat: Seat) -> None:
    launch = kind(seat.kind).launch(seat)
    assert seats.read(Path(launch.env["SWARM_SEAT"])) == seat
    assert launch.env["CUDA_VISIBLE_DEVICES"] == "GPU-0"
    again = kind(seat.kind).launch(replace(seat, devices=""))
    assert again.env["CUDA_VISIBLE_DEVICES"] == ""


def test_nothing_secret_is_in_argv_or_environment(seat: Seat) -> None:
    launch = kind(seat.kind).launch(seat)
    text = json.dumps([launch.argv, launch.env]) + Path(launch.env["SWARM_SEAT"]).read_text()
    assert "very-secret-token" not in text


def test_it_starts_in_its_worktree_and_ends_by_itself_without_a_token(seat: Seat) -> None:
    """Modules of the worktree are not taken for the interpreter's own."""
    (seat.worktree / "json.py").write_text("raise SystemExit('hijacked')\n")
    (seat.worktree / "train.py").write_text("A = 1\n")
    launch = kind(seat.kind).launch(seat)
    Path(launch.env["SWARM_SEAT"]).write_text("{}")
    env = {**os.environ, **launch.env}
    done = subprocess.run(
        launch.argv, cwd=seat.worktree, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1
    assert "seat cannot be read" in done.stderr
    assert "hijacked" not in done.stderr


def test_an_unknown_kind_is_answered_with_the_known() -> None:
    with pytest.raises(SwarmError, match="no agents of kind aider") as caught:
        kind("aider")
    assert all(name in caught.value.hint for name in OPTIONS)
    assert "commands: {aider:" in caught.value.hint


def test_outside_a_session_there_is_no_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARM_SEAT", raising=False)
    with pytest.raises(SwarmError, match="no agent's session"):
        seats.mine()


def test_other_programs_get_a_plain_environment() -> None:
    ours = {"PYTHONPATH": os.pathsep.join([seats.HOME, "/theirs"]), "PYTHONUNBUFFERED": "1", "A": "b"}
    assert seats.plain_env(ours) == {"PYTHONPATH": "/theirs", "A": "b"}
    assert seats.plain_env({"PYTHONPATH": seats.HOME}) == {}
