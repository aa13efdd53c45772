"""`swarm skill`: every command it names exists, and every command that a person has is in it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from typer.main import get_command

from swarm.cli import skill
from swarm.cli.app import PANELS, made
from tests.cli.conftest import Typed


def commands() -> dict[str, set[str]]:
    """The options of each command."""
    found = get_command(made()).commands  # type: ignore[attr-defined]
    return {name: {o for p in command.params for o in p.opts} for name, command in found.items()}


def test_what_it_names_exists() -> None:
    text, known = skill.text(), commands()
    named = re.findall(r"`(?:[^`\n]*\| )?swarm ([a-z_]+)([^`\n]*)`", text)
    assert len(named) > 40
    for name, rest in named:
        assert name in known, f"swarm {name}"
        for option in re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", re.sub(r"'[^']*'|\"[^\"]*\"|\|.*", "", rest)):
            assert option in known[name], f"swarm {name} {option}"
    spawning = re.findall(r"\(`(--[a-z]+)`, `(--[a-z]+)`, `(--[a-z]+)`\)", text)
    assert spawning and set(spawning[0]) <= known["spawn"]


def test_every_command_of_a_person_is_in_it() -> None:
    text = skill.text()
    for panel, those in PANELS.items():
        for command in those:
            listed = f"`swarm {command.__name__.rstrip('_')}" in text.partition("## Commands")[2]
            assert listed == (panel != skill.OTHERS), command.__name__


def test_its_head_is_what_clients_read() -> None:
    text = skill.text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["name"] == "swarm" and 50 < len(head["description"]) < 1024
    assert len(text) < 9000


def test_it_is_printed_or_written(typed: Typed, tmp_path: Path) -> None:
    code, out, err = typed("skill")
    assert (code, out, err) == (0, skill.text(), "")
    code, out, _ = typed("skill", "--to", str(tmp_path / "skills" / "swarm"))
    assert code == 0 and "SKILL.md" in out
    assert (tmp_path / "skills" / "swarm" / "SKILL.md").read_text() == skill.text()
    (tmp_path / "file").write_text("")
    code, _, err = typed("skill", "--to", str(tmp_path / "file"))
    assert code == 1 and "cannot be written" in err
