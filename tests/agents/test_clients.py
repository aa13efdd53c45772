"""Claude Code and Codex as kinds: looked for before anything starts, guarded by flags, nothing secret on a command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from swarm.agents import claude, codex, found
from swarm.errors import SwarmError
from tests.agents.door import seat_in

PLAN = {"OPENAI_API_KEY": None, "tokens": {"refresh_token": "very-secret", "access_token": "very-secret"}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME without logins, and clients that know only their version."""
    place, programs = tmp_path / "home", tmp_path / "bin"
    for folder in (place / ".claude", place / ".codex", programs):
        folder.mkdir(parents=True)
    for name in ("claude", "codex"):
        (programs / name).write_text("#!/bin/sh\necho 'client 2.1.3 (x)'; echo --restricted\n")
        (programs / name).chmod(0o755)
    for name in (*claude.KEYS, *claude.CLOUDS, codex.KEY, "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(place))
    return place


@pytest.mark.parametrize("kind", [claude.ClaudeKind(), codex.CodexKind()])
def test_a_client_that_is_not_installed(
    kind: claude.ClaudeKind | codex.CodexKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SwarmError, match="not installed") as caught:
        kind.check({})
    assert caught.value.hint == f"npm install -g {(claude if kind.name == 'claude' else codex).PACKAGE}"


@pytest.mark.parametrize("kind", [claude.ClaudeKind(), codex.CodexKind()])
def test_a_client_without_a_login(kind: claude.ClaudeKind | codex.CodexKind) -> None:
    with pytest.raises(SwarmError, match="not logged in") as caught:
        kind.check({})
    assert "Log in" in caught.value.hint


def test_a_client_that_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "bin" / "claude").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SwarmError, match="does not start"):
        claude.ClaudeKind().check({})


@pytest.mark.parametrize("options", [{"modell": "x"}, {"model": 3}, {"experiments": "ten"}, {"context": True}])
def test_options_are_looked_at(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with pytest.raises(SwarmError, match="option"):
        claude.ClaudeKind().check(options)
    claude.ClaudeKind().check({"model": "opus", "experiments": 5, "together": 8})


def test_how_claude_is_logged_in_is_said_and_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".claude.json").write_text(json.dumps({"oauthAccount": {"emailAddress": "very-secret"}}))
    assert claude.login() == "by its own login"
    (home / ".claude.json").unlink()
    (home / ".claude" / "settings.json").write_text(json.dumps({"env": {"ANTHROPIC_API_KEY": "very-secret"}}))
    assert claude.login() == "by its settings"
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "very-secret")
    assert claude.login() == "by CLAUDE_CODE_OAUTH_TOKEN"


def test_several_codex_on_one_plan_are_refused_with_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".codex" / "auth.json").write_text(json.dumps(PLAN))
    codex.CodexKind().check({"together": 1})
    with pytest.raises(SwarmError, match="3 codex agents would share one plan login") as caught:
        codex.CodexKind().check({"together": 3})
    assert "CODEX_API_KEY" in caught.value.hint and "very-secret" not in str(caught.value)
    monkeypatch.setenv("CODEX_API_KEY", "k")
    codex.CodexKind().check({"together": 3})


def test_several_codex_on_a_key_are_fine(home: Path) -> None:
    (home / ".codex" / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "very-secret"}))
    codex.CodexKind().check({"together": 8})
    assert codex.login(codex.configuration()) == "by a key"


def test_a_provider_of_ones_own_needs_its_own_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = '[model_providers.own]\nname = "own"\nbase_url = "http://127.0.0.1:9/v1"\nenv_key = "OWN_KEY"\n'
    (home / ".codex" / "config.toml").write_text(f'model_provider = "own"\n{own}')
    with pytest.raises(SwarmError, match="not logged in"):
        codex.CodexKind().check({})
    monkeypatch.setenv("OWN_KEY", "very-secret")
    codex.CodexKind().check({"together": 8})
    (home / ".codex" / "config.toml").write_text(
        f'model_provider = "own"\n{own}experimental_bearer_token = "very-secret"\n'
    )
    with pytest.raises(SwarmError, match="experimental_bearer_token") as caught:
        codex.CodexKind().check({})
    assert "very-secret" not in str(caught.value) + caught.value.hint


def test_claude_is_guarded_by_flags(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "permissions": {"allow": ["Bash"]},
        "hooks": {"Stop": []},
        "apiKeyHelper": "/their/helper",
        "env": {"REGION": "eu"},
    }
    (home / ".claude" / "settings.json").write_text(json.dumps(theirs))
    for name in ("SWARM_SEAT", "CLAUDECODE"):
        monkeypatch.setenv(name, "x")
    seat = seat_in(tmp_path / "a", "claude", model="opus")
    driver = claude.Claude(seat)
    argv = driver.argv("", "http://127.0.0.1:9/mcp")
    assert "--strict-mcp-config" in argv and "--restricted" in argv and argv[argv.index("--setting-sources") + 1] == ""
    assert (
        argv[argv.index("--tools") + 1] == "Read,Edit,Write,Glob,Grep"
        and argv[argv.index("--permission-mode") + 1] == "dontAsk"
    )
    assert argv[-2:] == ["--model", "opus"] and driver.argv("s1", "u")[-2:] == ["--resume", "s1"]
    settings = json.loads((seat.folder / "settings.json").read_text())
    assert settings["permissions"]["allow"] == ["Read(./**)", "Edit(./train.py)", "mcp__swarm"]
    assert settings["apiKeyHelper"] == "/their/helper" and "hooks" not in settings
    env = driver.env("very-secret")
    assert env[found.TOKEN] == "very-secret" and env["REGION"] == "eu" and not {"SWARM_SEAT", "CLAUDECODE"} & set(env)
    assert "very-secret" not in json.dumps(argv) + "".join(p.read_text() for p in seat.folder.iterdir())


def test_codex_is_guarded_by_flags(home: Path, tmp_path: Path) -> None:
    (home / ".codex" / "config.toml").write_text(
        'model = "m"\nsandbox_mode = "danger-full-access"\n[features]\nshell_tool = true\n[mcp_servers.own]\ncommand = "x"\n'
    )
    driver = codex.Codex(seat_in(tmp_path / "a", "codex"))
    argv = driver.argv("", "http://127.0.0.1:9/mcp")
    assert argv[1:3] == ["exec", "--json"] and "--ignore-user-config" in argv and "--ignore-rules" in argv
    given = [argv[i + 1] for i, word in enumerate(argv) if word == "-c"]
    assert 'model="m"' in given and "features.shell_tool=false" in given and 'sandbox_mode="workspace-write"' in given
    assert 'approval_policy="never"' in given and 'web_search="disabled"' in given
    assert f'mcp_servers.swarm.bearer_token_env_var="{found.TOKEN}"' in given and not any("own" in g for g in given)
    again = driver.argv("t1", "u")
    assert again[1:3] == ["exec", "resume"] and again[-2:] == ["t1", "-"]
    assert driver.env("very-secret")[found.TOKEN] == "very-secret" and "very-secret" not in json.dumps(again)
