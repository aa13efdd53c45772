"""The real clients and their program: what it forbids is refused, and an edit of it reaches them in the middle of a turn."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.clients.box import Box as Agent
from tests.clients.box import binary, edit, look, tool
from tests.clients.scripted_models import Anthropic, Model, OpenAI
from tests.clients.test_swarm import panes
from tests.e2e.box import Box

pytestmark = pytest.mark.clients

FIRST = "The first edition.\n\n# Constraints\n- {name} >= 0.5\n"
SECOND = "The second edition: look elsewhere.\n\n# Constraints\n- {name} >= 0.5\n"


def replies(client: str, name: str, was: str, then: tuple[str, str], program: Path) -> list[dict[str, Any]]:
    """A turn that breaks the constraint, hears it, mends it, while a person edits the program; then a turn in which a line
    is edited that nobody else touches, whoever's best the file is by then."""

    def person() -> None:
        program.write_text(SECOND.format(name=name))

    return [
        look(client),
        {**edit(client, f"{name} = {was}", f"{name} = 0.4"), "then": person},
        tool(client, "submit", description="too far"),
        edit(client, f"{name} = 0.4", f"{name} = 0.8"),
        tool(client, "submit", description="not so far"),
        {"text": "Submitted."},
        look(client),
        edit(client, *then),
        tool(client, "submit", description="a step more"),
        {"text": "Submitted."},
    ]


def acting(model: type[Model], script: list[dict[str, Any]]) -> Model:
    """A model that does what a reply asks for before it is given."""

    class Acting(model):  # type: ignore[misc, valid-type]
        def next(self) -> dict[str, Any]:
            reply = super().next()
            reply.get("then", lambda: None)()
            return reply  # type: ignore[no-any-return]

    return Acting(script)


def test_what_is_forbidden_and_what_was_edited_reach_both_clients(tmp_path: Path) -> None:
    box = Box(tmp_path / "box")
    programs = box.ws / "programs"
    programs.mkdir()
    for name, constant in (("one", "A"), ("two", "C")):
        (programs / f"{name}.md").write_text(FIRST.format(name=constant))
    claude = acting(Anthropic, replies("claude", "A", "1.0", ("SECONDS = 0.2", "SECONDS = 0.3"), programs / "one.md"))
    codex = acting(OpenAI, replies("codex", "C", "3.0", ("B = 2.0", "B = 1.9"), programs / "two.md"))
    try:
        (box.home / ".codex").mkdir()
        (tmp_path / "tmp").mkdir()
        person = Agent.__new__(Agent)
        person.root, person.home, person.model = tmp_path, box.home, codex
        person._configure_codex()
        env = {
            "ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": "sk-test", "OWN_KEY": "k", "TMPDIR": str(tmp_path / "tmp"),
            "PATH": f"{binary('claude').parent}{os.pathsep}{os.environ['PATH']}", "DISABLE_TELEMETRY": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }  # fmt: skip
        box.run(
            *["spawn", "--device", "cpu", "--gpus", "2", "--agents", "claude,codex", "--program", "one,two", "--experiments", "4"], **env
        )  # fmt: skip
        box.until("SELECT COUNT(*) >= 4 FROM experiments WHERE origin='submit'", patience=200)
        for agent, model, constant in (("cpu0-claude", claude, "A"), ("cpu1-codex", codex, "C")):
            said = json.dumps(model.bodies)
            assert f"the program forbids it: {constant} >= 0.5: {constant} is 0.4" in said, panes(box)
            assert "From now on it says:" in said and "The second edition: look elsewhere." in said, panes(box)
            made = box.query(
                "SELECT e.description, p.text FROM experiments e JOIN programs p ON p.hash=e.program_hash "
                "WHERE e.agent=? AND e.origin='submit' ORDER BY e.rowid", agent,
            )  # fmt: skip
            assert [(what, text.partition(".")[0].partition(":")[0]) for what, text in made[:2]] == [
                ("not so far", "The first edition"), ("a step more", "The second edition"),
            ], panes(box)  # fmt: skip
    finally:
        box.close()
        claude.close()
        codex.close()
