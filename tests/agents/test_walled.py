"""The wall around an open agent, tried from inside by a shell; each attempt gets through where the wall is not."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.agents import claude, codex, found, sockets, walled
from swarm.agents.seat import Seat
from swarm.errors import SwarmError
from tests.clients.served import Served, _Handler


@pytest.fixture
def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """A workspace of two agents, and a person's HOME with a login in it."""
    root, person = tmp_path / "ws", tmp_path / "person"
    worktree, folder = root / "worktrees" / "gpu0", root / ".swarm" / "agents" / "gpu0"
    for path in (worktree, folder, root / "worktrees" / "gpu1", root / ".swarm" / "tokens", person / ".claude"):
        path.mkdir(parents=True)
    (worktree / "train.py").write_text("LR = 1\n")
    (root / "worktrees" / "gpu1" / "train.py").write_text("LR = 2\n")
    (root / ".swarm" / "tokens" / "owner").write_text("owner-token")
    (root / ".swarm" / "results.db").write_text("ledger")
    (folder / "seat.json").write_text("{}")
    (worktree / ".git").write_text("gitdir: nowhere\n")
    (person / ".claude" / ".credentials.json").write_text("login")
    monkeypatch.setenv("HOME", str(person))
    token = root / ".swarm" / "tokens" / "gpu0"
    token.write_text("agent-token")
    return Seat("gpu0", "claude", worktree, folder, root / "door.json", token, folder / "brief.md", ("train.py",), "",
                {"permissions": "open"})  # fmt: skip


def shell(seat: Seat, script: str, wall: bool = True) -> subprocess.CompletedProcess[str]:
    words, env = ["/bin/sh", "-c", script], walled.env(os.environ, "agent-token", seat)
    argv = walled.wrap(seat, words, os.environ) if wall else words
    return subprocess.run(argv, cwd=seat.worktree, env=env, capture_output=True, text=True, timeout=60, check=False)


ATTEMPTS = {
    "another agent's worktree, read": "cat {root}/worktrees/gpu1/train.py",
    "another agent's worktree, written": "echo x > {root}/worktrees/gpu1/train.py",
    "the owner's token": "cat {root}/.swarm/tokens/owner",
    "the ledger": "cat {root}/.swarm/results.db",
    "its own rights": "echo '{{}}' > {folder}/seat.json",
    "the person's login": "cat {person}/.claude/.credentials.json",
    "the person's settings": "echo x > {person}/.claude/settings.json",
    "a login that lies elsewhere": "cat {elsewhere}/auth.json",
    "a disk of the person's": 'test -n "$(ls -A /mnt)" && ls /mnt',
    "what a git of the person's would obey": "echo x > {root}/worktrees/gpu0/.git",
    "the same, by another in its place": "mv {root}/worktrees/gpu0/.git {root}/worktrees/gpu0/old && echo x",
    "a server in no file system": "/usr/bin/python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"\\0swarm-test-{pid}\"); print(1)'",
    "a file of the system": "test $(id -u) = 0 && echo x >> /etc/hosts.swarm-test",
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a login that lies in none of those that are always hidden."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix=".walled-") as folder:
        (Path(folder) / "auth.json").write_text("login")
        monkeypatch.setenv("CODEX_HOME", folder)
        yield Path(folder)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_is_not_its_own_is_out_of_reach(seat: Seat, tmp_path: Path, elsewhere: Path, attempt: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0swarm-test-{os.getpid()}")
        server.listen()
        _try(seat, tmp_path, elsewhere, attempt)


def _try(seat: Seat, tmp_path: Path, elsewhere: Path, attempt: str) -> None:
    root = tmp_path / "ws"
    script = ATTEMPTS[attempt].format(
        root=root, folder=seat.folder, person=tmp_path / "person", elsewhere=elsewhere, pid=os.getpid()
    )
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    done = shell(seat, script)
    assert done.returncode != 0 or not done.stdout, done.stdout
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert {p: b for p, b in after.items() if p in before} == before
    assert not Path("/etc/hosts.swarm-test").exists()
    if "/etc" not in script and "/mnt" not in script:
        assert shell(seat, script, wall=False).returncode == 0


def test_its_worktree_and_a_home_of_its_own_are_written(seat: Seat, tmp_path: Path) -> None:
    done = shell(
        seat, "echo 'LR = 3' > train.py && echo kept > ~/note && echo gone > /tmp/note-gpu0-walled && pwd && echo $HOME"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(seat.worktree), str(walled.home(seat))]
    assert (seat.worktree / "train.py").read_text() == "LR = 3\n"
    assert shell(seat, "cat ~/note; cat /tmp/note-gpu0-walled").stdout == "kept\n"
    assert not Path("/tmp/note-gpu0-walled").exists()


def test_other_processes_and_their_variables_are_not_seen(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "its-own")
    done = shell(seat, f"env; cat /proc/{os.getpid()}/environ; kill -0 {os.getpid()} && echo alive")
    assert "very-secret" not in done.stdout and "alive" not in done.stdout
    assert "ANTHROPIC_API_KEY=its-own" in done.stdout and "SWARM_AGENT_TOKEN=agent-token" in done.stdout


def test_the_door_and_the_model_are_reached(seat: Seat) -> None:
    class Door(Served):
        def answer(self, verb: str, path: str, body: object, line: _Handler) -> None:
            line.json(200, {"ok": True})

    door = Door()
    try:
        url = f"{door.url}/v1/health"
        code = f"import urllib.request; print(urllib.request.urlopen({url!r}).read().decode())"
        done = shell(seat, f'/usr/bin/python3 -c "{code}"')
        assert json.loads(done.stdout) == {"ok": True}, done.stderr
    finally:
        door.close()


def test_nothing_outlives_it(seat: Seat, tmp_path: Path) -> None:
    """A daemon that leaves the session ends with the turn."""
    script = "(setsid sh -c 'sleep 1; while :; do date >> beat; sleep 0.1; done' &) ; echo started"
    assert "started" in shell(seat, script).stdout
    mine = [p for p in Path("/proc").glob("[0-9]*/cwd") if _cwd(p) == str(seat.worktree)]
    assert mine == []


def test_a_login_of_another_client_is_not_handed_on(seat: Seat) -> None:
    both = {"ANTHROPIC_API_KEY": "a", "CODEX_API_KEY": "c", "CLAUDE_CODE_SSE_PORT": "1", "PATH": "/bin"}
    given = walled.env(both, "t", seat)
    assert given["ANTHROPIC_API_KEY"] == "a" and "CODEX_API_KEY" not in given
    assert "CLAUDE_CODE_SSE_PORT" not in given  # of a client that swarm itself was started from
    assert "ANTHROPIC_API_KEY" not in walled.env(both, "t", replace(seat, kind="codex"))


def test_sockets_of_the_internet_and_pairs_are_left(seat: Seat) -> None:
    code = "import socket as s; [s.socket(f, s.SOCK_DGRAM).close() for f in (s.AF_INET, s.AF_INET6, s.AF_NETLINK)]; s.socketpair(); print(7)"
    assert shell(seat, f"/usr/bin/python3 -c '{code}'").stdout == "7\n"
    assert sockets.program("riscv64") == b"" and len(sockets.program("aarch64")) == 13 * 8


def test_a_program_in_a_folder_of_many_shows_that_folder_alone(seat: Seat, tmp_path: Path) -> None:
    local = tmp_path / "person" / ".local"
    for path in (local / "bin", local / "share" / "keyrings"):
        path.mkdir(parents=True)
    (local / "share" / "keyrings" / "login").write_text("secret")
    own = local / "bin" / "codex"
    own.write_text(f"#!/bin/sh\ncat {local}/share/keyrings/login\necho started\n")
    own.chmod(0o755)
    argv = walled.wrap(seat, [str(own)], os.environ)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "started\n", done.stderr


@pytest.mark.parametrize("name", ["with a space", "größe'\"$x\\"])
def test_a_workspace_of_any_name(seat: Seat, tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    (tmp_path / "ws").rename(root)
    moved = replace(seat, worktree=root / "worktrees" / "gpu0", folder=root / ".swarm" / "agents" / "gpu0")
    done = shell(moved, "cat train.py && pwd && touch ~/x")
    assert done.stdout == f"LR = 1\n{moved.worktree}\n", done.stderr


def _programs(words: list[str]) -> list[str]:
    return [os.path.basename(word) for word in words]


def _cwd(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def test_a_stored_login_is_not_lent_to_a_shell(seat: Seat) -> None:
    with pytest.raises(SwarmError, match="by its own login") as caught:
        walled.check({"permissions": "open"}, "by its own login", False)
    assert "CLAUDE_CODE_OAUTH_TOKEN" in caught.value.hint and "--yes-really" in caught.value.hint
    walled.check({"permissions": "open"}, "by ANTHROPIC_API_KEY", True)
    walled.check({"permissions": "guarded"}, "by its own login", False)


def test_without_bubblewrap_there_is_no_open_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walled.sandbox, "trouble", lambda: "not installed")
    with pytest.raises(SwarmError, match="not installed") as caught:
        walled.check({"permissions": "open"}, "by X", True)
    assert "--yes-really" in caught.value.hint and "sandbox: auto" not in caught.value.hint


def test_another_word_is_refused() -> None:
    with pytest.raises(SwarmError, match="permissions cannot be all"):
        walled.mode({"permissions": "all"})


def test_the_command_lines_of_open_clients(seat: Seat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("claude", "codex"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    words = claude.Claude(seat).argv("", "http://127.0.0.1:1/mcp")
    assert "bwrap" in _programs(words) and "--dangerously-skip-permissions" in words and "dontAsk" not in words
    assert "--strict-mcp-config" in words
    words = codex.Codex(seat).argv("", "http://127.0.0.1:1/mcp")
    assert "bwrap" in _programs(words) and 'sandbox_mode="danger-full-access"' in words
    assert "features.shell_tool=false" not in words


def test_no_client_is_told_the_key_of_another(seat: Seat) -> None:
    claudes, others = {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"}, {"OPENAI_API_KEY"}
    environ = {**dict.fromkeys(claudes | others, "k"), "PATH": "/bin", "OWN": "d"}
    for kind, mine, foreign in (("claude", claudes, others), ("codex", others, claudes)):
        behind = walled.env(environ, "t", dataclasses.replace(seat, kind=kind))
        assert mine <= set(behind) and not foreign & set(behind) and "OWN" not in behind
        guarded = found.env(environ, "t", kind)
        assert mine <= set(guarded) and not foreign & set(guarded) and guarded["OWN"] == "d"
    assert "ANTHROPIC_API_KEY" in found.env(
        environ, "t", "codex", ["ANTHROPIC_API_KEY"]
    )  # for a provider of the person's
