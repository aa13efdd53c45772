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
from tests.e2e.box import TRAIN, Box

pytestmark = pytest.mark.clients


Replies = list[dict[str, Any]] | dict[str, list[dict[str, Any]]]


def research(client: str, name: str, values: list[str]) -> list[dict[str, Any]]:
    """One turn per value: a constant is moved from one to the next."""
    replies: list[dict[str, Any]] = []
    for old, new in itertools.pairwise(values):
        replies += [look(client), edit(client, f"{name} = {old}", f"{name} = {new}")]
        replies += [tool(client, "submit", description=f"{name} {old} to {new}"), {"text": "Submitted."}]
    return replies


class Night:
    """A workspace with two scripted models, and a person who has both clients."""

    def __init__(self, root: Path, claude: Replies, codex: Replies, train: str = TRAIN, **keys: str) -> None:
        self.claude, self.codex, self.box = Anthropic(claude), OpenAI(codex), Box(root / "box", train)
        (self.box.home / ".codex").mkdir()
        (root / "tmp").mkdir()
        person = Agent.__new__(Agent)
        person.root, person.home, person.model = root, self.box.home, self.codex
        person._configure_codex()
        self.env = {
            "ANTHROPIC_BASE_URL": self.claude.url, "ANTHROPIC_API_KEY": "sk-test", "OWN_KEY": "k",
            "PATH": f"{binary('claude').parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(root / "tmp"),  # Codex will not work with its home below it
            "DISABLE_TELEMETRY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", **keys,
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


def test_four_agents_of_both_kinds_at_once(tmp_path: Path) -> None:
    moves = {
        "claude-1": ("A", "1.0", "0.6"), "claude-2": ("B", "2.0", "1.5"),
        "codex-1": ("C", "3.0", "2.5"), "codex-2": ("SECONDS", "0.2", "0.1"),
    }  # fmt: skip

    def scripts(client: str) -> Replies:
        return {a: research(client, name, [*values]) for a, (name, *values) in moves.items() if a.startswith(client)}

    with Night(tmp_path, scripts("claude"), scripts("codex")) as night:
        box = night.box
        night.spawn("--gpus", "2", "--agents", "claude:2,codex:2", "--hours", "1")
        box.until("SELECT COUNT(*) = 4 FROM experiments WHERE origin = 'submit' AND verdict IS NOT NULL")
        made = box.query("SELECT agent, description FROM experiments WHERE origin = 'submit' ORDER BY agent")
        assert made == [(a, f"{name} {old} to {new}") for a, (name, old, new) in moves.items()], panes(box)
        box.until("SELECT COUNT(*) = 4 FROM costs WHERE experiment IS NOT NULL")
        spent = box.query("SELECT agent, tokens FROM costs WHERE experiment IS NOT NULL ORDER BY agent")
        assert spent == [(agent, 4 * 120) for agent in moves], panes(box)  # four requests each, as the models counted


@pytest.mark.parametrize(("finder", "hearer"), [("cpu0-claude", "cpu1-codex"), ("cpu1-codex", "cpu0-claude")])
def test_a_client_hears_that_it_was_rebased_and_goes_on_from_there(tmp_path: Path, finder: str, hearer: str) -> None:
    night: Night

    def promoted() -> None:
        night.box.until("SELECT COUNT(*) FROM events WHERE kind = 'promoted' AND experiment IS NOT NULL")

    def script(agent: str) -> Replies:
        client = agent.partition("-")[2]
        if agent == finder:
            return {agent: research(client, "A", ["1.0", "0.1"])}
        first, then = research(client, "B", ["2.0", "3.0"]), research(client, "C", ["3.0", "2.0"])
        first[2]["first"] = promoted  # the other's is best, and this one is in the middle of its turn
        return {agent: first + then}

    claude, codex = sorted((finder, hearer))
    night = Night(tmp_path, script(claude), script(codex))
    with night:
        box = night.box
        night.spawn("--gpus", "2", "--agents", "claude,codex", "--hours", "1")
        box.until(
            "SELECT COUNT(*) = 2 FROM experiments WHERE origin = 'submit' AND parent IS NOT NULL AND agent = ?", hearer
        )
        ((best,),) = box.query("SELECT id FROM experiments WHERE agent = ? AND origin = 'submit'", finder)
        parent = box.value("SELECT parent FROM experiments WHERE agent = ? AND description LIKE 'C %'", hearer)
        assert parent == best, panes(box)
        model = night.claude if hearer.endswith("claude") else night.codex
        said = json.dumps(model.bodies_of(hearer)[-1])
        assert f"rebased onto best {best}" in said, panes(box)
        assert "A = 0.1" in said, panes(box)  # what it read then


def panes(box: Box) -> str:
    """What the agents' panes showed."""
    found = sorted((box.ws / ".swarm" / "agents").glob("*/pane.log"))
    return "\n".join(f"{p.parent.name}:\n{p.read_text(errors='replace')[-3000:]}" for p in found)
