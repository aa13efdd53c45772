"""The real clients and their program: what it forbids is refused, and an edit of it reaches them at their next contact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.box import edit, look, tool
from tests.clients.test_swarm import Night, panes

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
        {**edit(client, f"{name} = {was}", f"{name} = 0.4"), "first": person},
        tool(client, "submit", description="too far"),
        edit(client, f"{name} = 0.4", f"{name} = 0.8"),
        tool(client, "submit", description="not so far"),
        {"text": "Submitted."},
        look(client),
        edit(client, *then),
        tool(client, "submit", description="a step more"),
        {"text": "Submitted."},
    ]


def test_what_is_forbidden_and_what_was_edited_reach_both_clients(tmp_path: Path) -> None:
    programs = tmp_path / "box" / "ws" / "programs"
    claude = replies("claude", "A", "1.0", ("SECONDS = 0.2", "SECONDS = 0.3"), programs / "one.md")
    codex = replies("codex", "C", "3.0", ("B = 2.0", "B = 1.9"), programs / "two.md")
    with Night(tmp_path, {"cpu0-claude": claude}, {"cpu1-codex": codex}) as night:
        box = night.box
        programs.mkdir()
        for name, constant in (("one", "A"), ("two", "C")):
            (programs / f"{name}.md").write_text(FIRST.format(name=constant))
        night.spawn("--gpus", "2", "--agents", "claude,codex", "--program", "one,two", "--hours", "1")
        box.until("SELECT COUNT(*) = 4 FROM experiments WHERE origin = 'submit'")
        for agent, model, constant in (("cpu0-claude", night.claude, "A"), ("cpu1-codex", night.codex, "C")):
            said = json.dumps(model.bodies)
            assert f"the program forbids it: {constant} >= 0.5: {constant} is 0.4" in said, panes(box)
            assert "From now on it says:" in said and "The second edition: look elsewhere." in said, panes(box)
            made = box.query(
                "SELECT e.description, p.text FROM experiments e JOIN programs p ON p.hash = e.program_hash "
                "WHERE e.agent = ? AND e.origin = 'submit' ORDER BY e.rowid", agent,
            )  # fmt: skip
            editions = [(what, text.partition(".")[0].partition(":")[0]) for what, text in made]
            assert editions == [("not so far", "The first edition"), ("a step more", "The second edition")], panes(box)
