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


class Night:
    """A workspace with two scripted models, and a person who has both clients."""

    def __init__(self, root: Path, claude: list[dict[str, Any]], codex: list[dict[str, Any]]) -> None:
        self.claude, self.codex, self.box = Anthropic(claude), OpenAI(codex), Box(root / "box")
        (self.box.home / ".codex").mkdir()
        (root / "tmp").mkdir()
        person = Agent.__new__(Agent)
        person.root, person.home, person.model = root, self.box.home, self.codex
        person._configure_codex()
        self.env = {
            "ANTHROPIC_BASE_URL": self.claude.url, "ANTHROPIC_API_KEY": "sk-test", "OWN_KEY": "k",
            "PATH": f"{binary('claude').parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(root / "tmp"),  # Codex will not work with its home below it
            "DISABLE_TELEMETRY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }  # fmt: skip

    def __enter__(self) -> Night:
        return self

    def __exit__(self, *_: object) -> None:
        self.box.close()
        self.claude.close()
        self.codex.close()

    def spawn(self, *words: str) -> str:
        return str(self.box.run("spawn", "--device", "cpu", *words, **self.env))


def test_both_clients_do_research_in_one_swarm(tmp_path: Path) -> None:
    with Night(tmp_path, research("claude", "A", ["1.0", "0.6"]), research("codex", "C", ["3.0", "2.5"])) as night:
        box = night.box
        night.spawn("--gpus", "2", "--agents", "claude:1,codex:1", "--experiments", "2")
        box.until("SELECT state = 'ended' FROM campaigns")
        by = dict(box.query("SELECT agent, COUNT(*) FROM experiments WHERE origin = 'submit' GROUP BY agent"))
        assert set(by) == {"cpu0-claude", "cpu1-codex"}, (by, panes(box))
        assert box.value("SELECT COUNT(*) FROM experiments WHERE verdict = 'keep'"), panes(box)
        for model in (night.claude, night.codex):
            assert "You are cpu" in json.dumps(model.bodies[0])
            assert "queued" in json.dumps(model.bodies[3])  # what swarm's submit answered


def panes(box: Box) -> str:
    """What the agents' panes showed."""
    found = sorted((box.ws / ".swarm" / "agents").glob("*/pane.log"))
    return "\n".join(f"{p.parent.name}:\n{p.read_text(errors='replace')[-3000:]}" for p in found)
