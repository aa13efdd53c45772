"""The clients that are known by name: each can be started as it stands in clients.toml, and says what is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from swarm.agents import kind
from swarm.agents.clients import recipes
from swarm.agents.command import Command, CommandKind, filled, redirected, words
from swarm.errors import SwarmError
from tests.agents.door import TRAIN, Door, seat_in

CLIENT = f"""#!{sys.executable}
import json, os, sys
said = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "permission": os.environ.get("OPENCODE_PERMISSION")}}
open("said.json", "w").write(json.dumps(said))
text = open("train.py").read()
open("train.py", "w").write(text.replace("LR = 0.1", "LR = 0.3"))
print("LR up, for speed")
"""


def test_the_four_are_there() -> None:
    assert list(recipes()) == ["gemini", "qwen", "opencode", "aider"]
    for name, recipe in recipes().items():
        assert recipe.program == name
        assert "{brief}" in recipe.command and recipe.install and recipe.needs and recipe.note


@pytest.mark.parametrize("name", list(recipes()))
def test_each_runs_a_turn_as_it_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of that name on the PATH gets the brief, on standard input or as a file, and is submitted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / name).write_text(CLIENT)
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    options = recipes()[name].options()
    CommandKind().check(options)
    seat = seat_in(tmp_path, "command", **options)
    door, lines = Door(seat, [{}]), []
    assert Command(seat, door, lines.append, lambda seconds: None).run() == 0
    assert door.submitted == [("LR up, for speed", TRAIN.replace("LR = 0.1", "LR = 0.3"))]
    said = json.loads((seat.worktree / "said.json").read_text())
    brief = str(seat.folder / "turn.md")
    assert "Look at the learning rate." in (said["stdin"] or Path(brief).read_text())
    assert bool(said["stdin"]) != (brief in said["argv"])
    assert "<" not in said["argv"]
    assert bool(said["permission"]) == (name == "opencode")
    assert any(line.startswith(f"$ {name} ") and "turn.md" in line for line in lines)


@pytest.mark.parametrize("name", list(recipes()))
def test_one_that_is_not_installed_says_how(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SwarmError) as caught:
        CommandKind().check(recipes()[name].options())
    assert caught.value.message == f"the agents' program is not installed: {name}"
    assert caught.value.hint == recipes()[name].install


def test_one_that_nobody_knows_names_those_that_are() -> None:
    with pytest.raises(SwarmError) as caught:
        kind("gemni")
    assert "claude, codex, gemini, qwen, opencode, aider" in caught.value.hint


def test_what_is_given_on_standard_input(tmp_path: Path) -> None:
    seat = seat_in(tmp_path, "command")
    line = words({"command": "a -p 'x < y' < {brief}"})
    assert redirected(filled(line, seat, Path("/b c.md"))) == (["a", "-p", "x < y"], "/b c.md")
    assert redirected(["a", "<"]) == (["a", "<"], None)
    with pytest.raises(SwarmError, match="names no program"):
        redirected(["<", "x"])


@pytest.mark.parametrize("env", [["A"], {"A": 1}, "A=1", {"OPENAI_API_KEY": "x"}, {"token": "x"}])
def test_settings_are_texts_and_no_secrets(env: object) -> None:
    with pytest.raises(SwarmError):
        CommandKind().check({"command": "sh", "env": env})
    CommandKind().check({"command": "sh", "env": {"MONKEY": "x"}})
