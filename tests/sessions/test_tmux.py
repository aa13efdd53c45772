"""What only tmux has: its own words for an end, names and paths that it would rewrite, windows that a person opens."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm import sessions
from swarm.ports import Launch, Pane
from swarm.sessions.plain import Plain
from swarm.sessions.tmux import Tmux, _exit
from swarm.workspace import Workspace


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Tmux, str]]:
    name = f"swarm-test-{secrets.token_hex(6)}"
    made = Tmux(name, tmp_path / "sessions")
    yield made, name
    made.close()


@pytest.mark.parametrize(
    ("status", "sign", "means"),
    [
        ("0", "", 0),
        ("7", "", 7),
        ("", "9", -9),
        ("", "KILL", -9),
        ("", "SIGTERM", -15),
        ("", "", None),
        ("", "odd", None),
    ],
)
def test_an_end_in_the_words_of_several_versions(status: str, sign: str, means: int | None) -> None:
    assert _exit(status, sign) == means


def test_folders_that_tmux_would_expand(server: tuple[Tmux, str], tmp_path: Path) -> None:
    odd = tmp_path / "a #{pane_id} %H 'b;"
    odd.mkdir()
    log = odd / "pane.log"
    server[0].start("a", Launch(["sh", "-c", "pwd; sleep 300"]), odd, log)
    end = time.monotonic() + 60
    while not (log.is_file() and "pane_id" in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.03)
    assert log.read_text().strip() == str(odd)


def test_a_window_that_a_person_opens_is_no_agent_but_ends_with_it(server: tuple[Tmux, str], tmp_path: Path) -> None:
    tmux, name = server
    tmux.start("a", Launch(["sleep", "300"]), tmp_path, tmp_path / "log")
    subprocess.run(["tmux", f"-L{name}", "new-window", "-d", "-t", "=a:", "sleep", "300"], check=True, timeout=60)
    assert tmux.list() == {"a": Pane("a", False, None)}
    tmux.stop("a")
    assert tmux.list() == {}
    left = subprocess.run(
        ["tmux", f"-L{name}", "list-panes", "-a"], capture_output=True, text=True, timeout=60, check=False
    )
    assert left.stdout == ""


def test_the_best_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(sessions.best(Workspace(tmp_path)), Tmux)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert isinstance(sessions.best(Workspace(tmp_path)), Plain)


def test_a_key_reaches_the_agent_and_neither_its_server_nor_a_file_that_stays(
    server: tuple[Tmux, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmux, name = server
    key = "sk-" + secrets.token_hex(16) + " with 'odd' $signs"
    monkeypatch.setenv("SOME_API_KEY", key)
    monkeypatch.setenv("UID", "0")  # a shell may refuse to be told who it is
    log = tmp_path / "log"
    tmux.start("a", Launch(["sh", "-c", 'echo "<$SOME_API_KEY>"; exec sleep 300']), tmp_path, log)
    end = time.monotonic() + 60
    while not (log.is_file() and f"<{key}>" in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.03)
    for words in (
        ["show-environment", "-g"],
        ["show-environment", "-t", "=a:"],
        ["list-panes", "-a", "-F", "#{pane_start_command}"],
    ):
        done = subprocess.run(["tmux", f"-L{name}", *words], capture_output=True, text=True, check=True, timeout=60)
        assert key[:20] not in done.stdout
    asked = subprocess.run(
        ["tmux", f"-L{name}", "display-message", "-p", "#{pid}"], capture_output=True, text=True, check=True
    )
    assert key[:20].encode() not in Path(f"/proc/{asked.stdout.strip()}/environ").read_bytes()
    assert [p for p in (tmp_path / "sessions").rglob("*") if p.is_file() and key[:20] in p.read_text()] == []


def test_an_agent_that_is_started_later_has_the_environment_of_then(
    server: tuple[Tmux, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    for value in ("first", "second"):
        monkeypatch.setenv("SOME_API_KEY", value)
        server[0].start("a", Launch(["sh", "-c", 'echo "<$SOME_API_KEY>"; exec sleep 300']), tmp_path, log)
        end = time.monotonic() + 60
        while not (log.is_file() and f"<{value}>" in log.read_text()):
            assert time.monotonic() < end
            time.sleep(0.03)
