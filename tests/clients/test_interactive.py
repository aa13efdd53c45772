"""Both clients in their own screens, in a real tmux: nobody types, they go on by their hooks, and end with the campaign."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swarm.agents import kind
from tests.clients.box import Box, box, eventually
from tests.clients.test_open import sh
from tests.clients.test_turns import one

pytestmark = pytest.mark.clients
both = pytest.mark.parametrize("client", ["claude", "codex"])
TOLD = {"experiment": "e0002", "verdict": "keep", "score": 1.9, "delta": -0.1, "p": 0.99, "description": "LR = 2"}


class Pane:
    """A pane of a tmux server of its own."""

    def __init__(self, b: Box) -> None:
        self.name = f"swarm-test-{os.getpid()}-{b.root.name}"[:60]
        launch = kind(b.client).launch(b.seat)
        config = b.root / "tmux.conf"
        config.write_text("set -g remain-on-exit on\nset -g history-limit 5000\n")
        script = b.root / "agent.sh"
        script.write_text(f'#!/bin/sh\nexec "{launch.argv[0]}" {" ".join(launch.argv[1:])}\n')
        words = ["-f", str(config), "new-session", "-d", "-s", "a", "-x", "120", "-y", "50", "-c", str(b.worktree)]
        env = {**b.env, **launch.env, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        env.pop("TMUX", None)
        subprocess.run(["tmux", "-L", self.name, *words, f"sh {script}"], env=env, check=True)

    def shown(self) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.name, "capture-pane", "-p", "-S", "-2000"], capture_output=True, text=True, check=False
        )
        return done.stdout

    @property
    def ended(self) -> str:
        """The exit status, empty while it runs."""
        # tmux 3.3a now and then misses the end of a child until another one ends
        subprocess.run(["tmux", "-L", self.name, "run-shell", "-b", "true"], capture_output=True, check=False)
        words = ["list-panes", "-a", "-F", "#{pane_dead} #{pane_dead_status}"]
        done = subprocess.run(["tmux", "-L", self.name, *words], capture_output=True, text=True, check=False)
        dead, _, status = done.stdout.strip().partition(" ")
        return status if dead == "1" else ""

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self.name, "kill-server"], check=False, capture_output=True)


@contextmanager
def screen(
    root: Path, client: str, replies: list[dict[str, Any]], waits: Any, **options: Any
) -> Iterator[tuple[Box, Pane]]:
    with box(root, client, replies, waits, interactive=True, **options) as b:
        if client == "codex":  # a person's own tools would be started, if they were not switched off
            assert "theirs" in (b.home / ".codex" / "config.toml").read_text()
        pane = Pane(b)
        try:
            yield b, pane
        finally:
            pane.close()


@both
def test_it_goes_on_by_its_hooks_and_ends_with_the_campaign(tmp_path: Path, client: str) -> None:
    waits = [{}, {"results": [TOLD], "news": ["you are rebased onto best e0009"]}]
    with screen(tmp_path, client, one(client) + one(client, "LR = 2", "LR = 3"), waits) as (b, pane):
        eventually(lambda: len(b.tools.submitted) == 2 or pane.ended, 90)
        assert [text.split("\n")[0] for text in b.tools.submitted] == ["LR = 2", "LR = 3"], pane.shown()
        eventually(lambda: pane.ended, 90)
        assert pane.ended == "0", pane.shown()
        last = json.dumps(b.model.bodies[-1])
        assert "e0002 kept" in last and "rebased onto best e0009" in last and "Try the learning rate first." in last
        rows = b.usage()
        assert [row["submitted"] for row in rows] == [1, 1], rows
        assert len({row["session"] for row in rows}) == 1
        assert not (tmp_path / "theirs-was-started").exists()
        if client == "claude":  # logged in by a variable: nothing of the person's is touched
            assert not (b.home / ".claude.json").exists()


@both
def test_its_tokens_are_those_that_the_server_counted(tmp_path: Path, client: str) -> None:
    first = [{**reply, "usage": (1000, 10)} for reply in one(client)]
    second = [{**reply, "usage": (2000, 20)} for reply in one(client, "LR = 2", "LR = 3")]
    with screen(tmp_path, client, first + second, 2) as (b, pane):
        eventually(lambda: pane.ended, 90)
        assert [row["tokens"] for row in b.usage()] == [4 * 1010, 4 * 2020], pane.shown()


@both
def test_it_shows_the_client_itself_and_is_guarded(tmp_path: Path, client: str) -> None:
    with screen(tmp_path, client, [sh(client, "touch hacked"), *one(client)], 1) as (b, pane):
        eventually(lambda: b.tools.submitted or pane.ended, 90)
        shown = pane.shown()
        assert ("don't ask on" if client == "claude" else "? for shortcuts") in shown
        assert not (b.worktree / "hacked").exists()
        eventually(lambda: pane.ended, 90)


@both
def test_after_its_experiments_a_fresh_screen_follows(tmp_path: Path, client: str) -> None:
    replies = one(client) + one(client, "LR = 2", "LR = 3")
    with screen(tmp_path, client, replies, 2, experiments=1) as (b, pane):
        eventually(lambda: pane.ended, 90)
        assert len(b.tools.submitted) == 2, pane.shown()
        assert len({row["session"] for row in b.usage()}) == 2


def test_a_refused_login_is_said_and_not_waited_for(tmp_path: Path) -> None:
    replies = [
        {"status": 401, "error": {"type": "error", "error": {"type": "authentication_error", "message": "no"}}}
    ] * 9
    with screen(tmp_path, "claude", replies, 1) as (b, pane):
        eventually(lambda: pane.ended, 90)
        assert pane.ended == "1", pane.shown()
        assert "login was not accepted" in pane.shown(), (
            pane.shown(),
            (b.seat.folder / "interactive.json").read_text(),
        )


def test_a_limit_is_waited_for(tmp_path: Path) -> None:
    busy = {"status": 429, "error": {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}}
    with screen(tmp_path, "claude", [busy] * 9, 1) as (b, pane):
        eventually(lambda: "waiting until" in pane.shown() or pane.ended, 90)
        assert "waiting until" in pane.shown(), pane.shown()
        assert (
            b.tools.turns[-1].get("state") == "limited"
            or eventually(lambda: any(t.get("state") == "limited" for t in b.tools.turns)) is None
        )
