"""Both clients in their own screens, as `swarm spawn --interactive` starts them: shown in a pane, and they do research."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.test_keys import tmux
from tests.clients.test_swarm import Night, panes, research
from tests.e2e.box import until

pytestmark = pytest.mark.clients


def test_a_swarm_of_screens(tmp_path: Path) -> None:
    claude, codex = research("claude", "A", ["1.0", "0.6"]), research("codex", "C", ["3.0", "2.5"])
    hang = {"text": "thinking", "hang": True}
    with Night(tmp_path, {"cpu0-claude": [*claude, hang]}, {"cpu1-codex": [*codex, hang]}) as night:
        box = night.box
        night.spawn("--gpus", "2", "--agents", "claude,codex", "--interactive", "--hours", "1")
        box.until("SELECT COUNT(DISTINCT agent) = 2 FROM experiments WHERE origin = 'submit' AND verdict IS NOT NULL")
        for agent, words in (("cpu0-claude", "don't ask on"), ("cpu1-codex", "? for shortcuts")):

            def shown(agent: str = agent) -> str:
                return tmux(box, "capture-pane", "-p", "-S", "-2000", "-t", f"={agent}:")

            until(lambda shown=shown, words=words: words in shown(), say=lambda: panes(box))
        box.run("stop", "--now")
        box.until("SELECT state = 'ended' FROM campaigns")
