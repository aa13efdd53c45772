"""Clients in their own screens, as far as no client is needed: the hook's talk, its marks, transcripts, trust and options."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from swarm.agents import claude, codex, interactive, transcripts
from swarm.agents import seat as seats
from swarm.agents.hook import Hook
from swarm.agents.interactive import AFRESH, FAILED, OVER, TURN, Interactive, Mark
from swarm.errors import SwarmError
from tests.agents.door import Door, seat_in

SAID = {"type": "assistant", "message": {"id": "m1", "usage": {"input_tokens": 100, "output_tokens": 5}, "content": [
    {"type": "tool_use", "id": "t1", "name": "mcp__swarm__submit", "input": {"description": "x"}}]}}  # fmt: skip
DONE = {
    "type": "user",
    "message": {"content": [{"type": "tool_result", "tool_use_id": "t1", "content": "e0002 queued"}]},
}


class Screen:
    """A client's driver that starts a small program instead."""

    name, totals, plan = "claude", frozenset[str](), False

    def __init__(self, *argv: str) -> None:
        self.line = argv

    def screen(self, session: str, url: str, prompt: str, hooks: dict[str, str]) -> list[str]:
        self.prompt, self.hooks = prompt, hooks
        return list(self.line)

    def screen_env(self, token: str) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin"}

    def transcript(self, events: list[dict[str, Any]]) -> Any:
        return transcripts.claude(events)


@pytest.fixture
def place(tmp_path: Path) -> Any:
    seat = seat_in(tmp_path, "claude")
    (tmp_path / "door.json").write_text(json.dumps({"url": "http://127.0.0.1:9"}))
    return seat


def hook(seat: Any, *answers: dict[str, Any]) -> Hook:
    return Hook(seat, Door(seat, answers), Screen(), say=lambda line: None, pause=lambda s: None)  # type: ignore[arg-type]


def written(folder: Path, *events: dict[str, Any]) -> Path:
    path = folder / "transcript.jsonl"
    with path.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    return path


def test_a_turn_is_booked_once_and_the_next_prompt_is_given(place: Any, tmp_path: Path) -> None:
    path = written(tmp_path, SAID, SAID, DONE)  # a message stands there once per block
    event = {"session_id": "s1", "transcript_path": str(path)}
    first = hook(place, {"news": ["best is now e0009"]})
    first.started(event)
    assert "best is now e0009" in first.stopped(event)
    assert interactive.load(place.folder).what == TURN
    second = hook(place)  # no answers left: the campaign is over
    written(tmp_path, {**SAID, "message": {**SAID["message"], "id": "m2"}})
    assert second.stopped(event) == "" and interactive.load(place.folder).what == OVER
    rows = [json.loads(line) for line in (place.folder / "usage.jsonl").read_text().splitlines()]
    assert [(row["tokens"], row["submitted"]) for row in rows] == [(105, 1), (105, 0)]


def test_a_turn_took_as_long_as_it_was_since_its_prompt(place: Any, tmp_path: Path) -> None:
    Mark(TURN, at=1000.0).save(place.folder)
    one = hook(place, {})
    one.clock = lambda: 1042.0
    one.stopped({"session_id": "s1", "transcript_path": str(written(tmp_path, SAID, DONE))})
    assert json.loads((place.folder / "usage.jsonl").read_text())["seconds"] == 42.0


def wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


class Deaf(http.server.BaseHTTPRequestHandler):
    """A door that answers nobody."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        time.sleep(120)


@pytest.fixture
def waiting(place: Any, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts hooks as a client does, each by a shell of its own, and comes back when they wait at the door."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deaf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place.door.write_text(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}))
    place.token.write_text("t")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "claude").write_text("#!/bin/sh\n")
    (programs / "claude").chmod(0o755)
    seats.launch(place, "x")
    made: list[subprocess.Popen[bytes]] = []

    def start(line: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        child = subprocess.Popen(["/bin/sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        made.append(child)
        assert child.stdin is not None
        child.stdin.write(b'{"session_id": "s1"}\n')
        child.stdin.close()
        asked = Deaf.asked
        wait_for(lambda: Deaf.asked > asked)
        return child

    yield start
    for child in made:
        child.kill()
        child.wait()
    server.shutdown()
    server.server_close()


def test_of_two_hooks_the_newer_one_waits(place: Any, waiting: Any) -> None:
    line = interactive.hooks(place)["Stop"]
    first = waiting(line)
    second = waiting(line)
    assert first.wait(60) == 0 and second.poll() is None


def test_a_hook_ends_with_its_client(place: Any, waiting: Any) -> None:
    client = waiting(f"exec {shlex.quote(sys.executable)} -c \"import subprocess, sys; subprocess.run(['/bin/sh', '-c', sys.argv[1]])\" "
                     f"{shlex.quote(interactive.hooks(place)['Stop'])}")  # fmt: skip
    pid = int((place.folder / "hook.pid").read_text())
    client.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text())


def test_a_line_that_is_not_whole_yet_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b'{"a": 1}\nnot json\n{"b":')
    found, offset = transcripts.lines(path, 0)
    assert found == [{"a": 1}] and offset == 18
    path.write_bytes(path.read_bytes() + b" 2}\n")
    assert transcripts.lines(path, offset)[0] == [{"b": 2}]
    assert transcripts.lines(tmp_path / "none", 7) == ([], 7)


def test_after_its_experiments_the_session_is_followed_by_a_fresh_one(tmp_path: Path) -> None:
    seat = seat_in(tmp_path, "claude", experiments=1)
    path = written(tmp_path, SAID, DONE)
    one = hook(seat, {})
    assert one.stopped({"session_id": "s1", "transcript_path": str(path)}) == ""
    assert interactive.load(seat.folder).what == AFRESH and one.session.id == "" and one.session.read == 0


def test_a_person_who_tells_something_is_heard_though_there_is_no_room(place: Any, tmp_path: Path) -> None:
    one = hook(place, {"room": 0}, {"room": 0, "news": ["a person tells you: stop tuning"]})
    assert "stop tuning" in one.stopped({"session_id": "s1", "transcript_path": str(tmp_path / "none")})


def test_a_screen_that_its_hook_calls_over_is_ended(place: Any) -> None:
    screen = Screen("/bin/sleep", "600")
    loop = Interactive(place, Door(place, [{}]), screen, say=lambda line: None)  # type: ignore[arg-type]
    threading.Timer(0.3, lambda: Mark(OVER).save(place.folder)).start()
    began = time.monotonic()
    assert loop.run() == 0
    assert time.monotonic() - began < 60
    assert "Look at the learning rate." in screen.prompt and set(screen.hooks) == set(interactive.EVENTS)


@pytest.mark.parametrize(
    ("why", "status", "said"), [("authentication_failed", 1, "login was not accepted"), ("boom", 1, "boom")]
)
def test_a_failed_screen_is_left_to_whoever_starts_agents_again(place: Any, why: str, status: int, said: str) -> None:
    lines: list[str] = []
    loop = Interactive(place, Door(place, [{}]), Screen("/bin/sleep", "600"), say=lines.append)  # type: ignore[arg-type]
    threading.Timer(0.3, lambda: Mark(FAILED, why).save(place.folder)).start()
    assert loop.run() == status
    assert any(said in line for line in lines), lines


def test_a_screen_that_is_silent_for_long_is_ended(tmp_path: Path) -> None:
    seat = seat_in(tmp_path, "claude", silence=0.2)
    (tmp_path / "door.json").write_text(json.dumps({"url": "http://127.0.0.1:9"}))
    lines: list[str] = []
    loop = Interactive(seat, Door(seat, [{}]), Screen("/bin/sleep", "600"), say=lines.append)  # type: ignore[arg-type]
    assert loop.run() == 1
    assert any("silent for" in line for line in lines), lines


def test_trust_is_added_and_nothing_else_changes(tmp_path: Path) -> None:
    path, folder = tmp_path / ".claude.json", tmp_path / "ws" / ".swarm"
    path.write_text(json.dumps({"theme": "light", "projects": {"/other": {"x": 1}}}))
    assert claude.trust(path, folder) and not claude.trust(path, folder)
    entry = {"/other": {"x": 1}, str(folder): {"hasTrustDialogAccepted": True}}
    assert json.loads(path.read_text()) == {"theme": "light", "projects": entry}
    assert path.stat().st_mode & 0o777 == 0o600 and not list(tmp_path.glob("*.lock"))


def test_a_configuration_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "dotfiles.json").write_text('{"theme": "light"}')
    (tmp_path / ".claude.json").symlink_to("dotfiles.json")
    assert claude.trust(tmp_path / ".claude.json", tmp_path)
    assert (tmp_path / ".claude.json").is_symlink() and "projects" in (tmp_path / "dotfiles.json").read_text()


def test_a_configuration_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / ".claude.json"
    path.write_text("{half")
    with pytest.raises(SwarmError, match="cannot be read"):
        claude.trust(path, tmp_path)
    assert path.read_text() == "{half" and not list(tmp_path.glob("*.lock"))


def test_a_screen_is_for_guarded_agents_in_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SwarmError, match="guarded"):
        claude.found.screen({"interactive": True, "permissions": "open"})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SwarmError, match="tmux"):
        claude.found.screen({"interactive": True})
    claude.found.screen({"interactive": False})


def test_codex_with_hooks_of_the_persons_has_no_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, home = tmp_path / "bin", tmp_path / "codex"
    programs.mkdir()
    home.mkdir()
    (programs / "codex").write_text("#!/bin/sh\necho 'codex 0.169.0'\n")
    (programs / "codex").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("CODEX_HOME", str(home))
    monkeypatch.setenv(codex.KEY, "k")
    codex.CodexKind().check({"interactive": True})
    (home / "config.toml").write_text('profile = "wide"\n[profiles.wide]\nsandbox_mode = "danger-full-access"\n')
    with pytest.raises(SwarmError, match="your profile wide"):
        codex.CodexKind().check({"interactive": True})
    codex.CodexKind().check({})  # headless turns do not load it
    (home / "config.toml").unlink()
    (home / "hooks.json").write_text("{}")
    with pytest.raises(SwarmError, match="would run your hooks"):
        codex.CodexKind().check({"interactive": True})
    codex.CodexKind().check({})


def test_codex_reads_what_we_write_and_no_configuration_of_the_worktree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, odd = tmp_path / "bin", tmp_path / 'größe 😀 "x" \\ \x7f'
    programs.mkdir()
    odd.mkdir()
    (programs / "codex").write_text("#!/bin/sh\n")
    (programs / "codex").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    seat = seat_in(odd, "codex")
    hooks = interactive.hooks(seat)
    words = codex.Codex(seat).screen("", "http://127.0.0.1:1/mcp", "go", hooks)
    read: dict[str, Any] = {}
    for flag, word in pairwise(words):
        if flag == "-c":
            name, _, value = word.partition("=")
            read[name] = tomllib.loads(f"it = {value}")["it"]
    assert read["hooks.Stop"][0]["hooks"][0]["command"] == hooks["Stop"]
    assert str(seat.folder / "seat.json") in shlex.split(hooks["Stop"])
    assert read["projects"][str(seat.worktree)] == {"trust_level": "trusted"}
    assert read["sandbox_workspace_write.writable_roots"] == []  # whatever a person's config.toml, which it loads, says
    (seat.worktree / ".codex").mkdir()
    codex.Codex(seat).screen("", "http://127.0.0.1:1/mcp", "go", hooks)
    (seat.worktree / ".codex" / "hooks.json").write_text("{}")
    with pytest.raises(SwarmError, match="would obey"):
        codex.Codex(seat).screen("", "http://127.0.0.1:1/mcp", "go", hooks)
