"""A whole swarm with both real clients: spawned by the command, measured, judged, told; ended by its number of experiments."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.clients.box import Box as Agent
from tests.clients.box import binary, edit, look, tool
from tests.clients.scripted_models import Anthropic, OpenAI
from tests.e2e.box import Box

pytestmark = pytest.mark.clients


def research(client: str, name: str, values: list[str]) -> list[dict[str, Any]]:
    """One turn per value: a constant is moved from one to the next."""
    replies: list[dict[str, Any]] = []
    for old, new in itertools.pairwise(values):
        replies += [look(client), edit(client, f"{name} = {old}", f"{name} = {new}")]
        replies += [tool(client, "submit", description=f"{name} {old} to {new}"), {"text": "Submitted."}]
    return replies


def test_both_clients_do_research_in_one_swarm(tmp_path: Path) -> None:
    claude = Anthropic(research("claude", "A", ["1.0", "0.6"]))
    codex = OpenAI(research("codex", "C", ["3.0", "2.5"]))
    box = Box(tmp_path / "box")
    try:
        (box.home / ".codex").mkdir()
        person = Agent.__new__(Agent)
        person.root, person.home, person.model = tmp_path, box.home, codex
        person._configure_codex()
        path = f"{binary('claude').parent}{os.pathsep}{os.environ['PATH']}"
        keys = {
            "ANTHROPIC_BASE_URL": claude.url,
            "ANTHROPIC_API_KEY": "sk-test",
            "OWN_KEY": "k",
            "PATH": path,
            "TMPDIR": str(tmp_path / "tmp"),
        }  # Codex will not work with its home below it
        (tmp_path / "tmp").mkdir()
        quiet = {"DISABLE_TELEMETRY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        box.run(
            "spawn",
            "--device",
            "cpu",
            "--gpus",
            "2",
            "--agents",
            "claude:1,codex:1",
            "--experiments",
            "2",
            **keys,
            **quiet,
        )
        box.until("SELECT state = 'ended' FROM campaigns")
        by = dict(box.query("SELECT agent, COUNT(*) FROM experiments WHERE origin = 'submit' GROUP BY agent"))
        assert set(by) == {"cpu0-claude", "cpu1-codex"}, (by, panes(box))
        assert box.value("SELECT COUNT(*) FROM experiments WHERE verdict = 'keep'"), panes(box)
        for model in (claude, codex):
            assert "You are cpu" in json.dumps(model.bodies[0])
            assert "queued" in json.dumps(model.bodies[3])  # what swarm's submit answered
    finally:
        box.close()
        claude.close()
        codex.close()


def panes(box: Box) -> str:
    """What the agents' panes showed."""
    found = sorted((box.ws / ".swarm" / "agents").glob("*/pane.log"))
    return "\n".join(f"{p.parent.name}:\n{p.read_text(errors='replace')[-3000:]}" for p in found)
