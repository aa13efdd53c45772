"""Open clients: they have a shell and may do everything, behind the wall."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.box import Box, box, edit, look, tool

pytestmark = pytest.mark.clients
both = pytest.mark.parametrize("client", ["claude", "codex"])


def sh(client: str, command: str) -> dict[str, Any]:
    """The model runs a command in its shell."""
    if client == "claude":
        return {"calls": [("Bash", {"command": command, "description": "try"})]}
    return {"calls": [("exec_command", {"cmd": command})]}


def answers(b: Box, turn: int) -> str:
    """Everything that was sent to the model."""
    return json.dumps(b.model.bodies[-1])


@both
def test_a_shell_that_reaches_its_worktree_and_nothing_of_the_person(tmp_path: Path, client: str) -> None:
    out = f"cat {tmp_path}/secret.txt; cat {tmp_path}/token; ls {tmp_path}/home; echo x > {tmp_path}/written; id -u > /etc/w; true"
    replies = [
        sh(client, "sed -i 's/LR = 1/LR = 5/' train.py && echo shell-worked"),
        sh(client, out),
        tool(client, "submit", description="LR 5"),
        {"text": "Submitted."},
    ]
    with box(tmp_path, client, replies, permissions="open") as b:
        code, shown = b.run()
        assert code == 0, shown
        assert [text.split("\n")[0] for text in b.tools.submitted] == ["LR = 5"], shown
        said = answers(b, 1)
        assert "shell-worked" in said and "a secret of the person" not in said
        assert not (tmp_path / "written").exists() and not Path("/etc/w").exists()


@both
def test_the_session_goes_on_behind_the_wall(tmp_path: Path, client: str) -> None:
    def one(old: str, new: str) -> list[dict[str, Any]]:
        first = look(client) if client == "claude" else sh(client, "cat train.py")
        return [first, edit(client, old, new), tool(client, "submit", description=new), {"text": "Submitted."}]

    with box(tmp_path, client, one("LR = 1", "LR = 2") + one("LR = 2", "LR = 3"), 2, permissions="open") as b:
        code, shown = b.run()
        assert code == 0, shown
        assert [text.split("\n")[0] for text in b.tools.submitted] == ["LR = 2", "LR = 3"], shown
        assert len({row["session"] for row in b.usage()}) == 1
