"""spawn and replace with coding agents: what is asked of the coordinator, what a person reads, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm.api import wire
from swarm.cli import clients, outlay, wishes
from swarm.config import parse
from swarm.errors import SwarmError, UsageError
from swarm.ledger.ledger import Ledger
from swarm.slots import choosing
from swarm.workspace import Workspace
from tests.cli.conftest import FakeClient, Typed
from tests.cli.test_verbs import recorded

ANSWER = {"campaign": "c1", "base": "ab" * 20, "runs": 3, "notes": [], "agents": [{"name": "tuner"}]}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> Iterator[FakeClient]:
    """Two CPU cores, a prepared cache, a claude with a key, a codex with one, and a coordinator that says yes."""
    (home / ".cache" / "swarm").mkdir(parents=True)
    (home / ".cache" / "swarm" / "fingerprint.json").write_text("{}")
    monkeypatch.setattr(choosing, "cores", lambda: [4, 5])
    monkeypatch.setattr(choosing, "cpu_model", lambda: "x86")
    monkeypatch.setattr(choosing, "torch_version", lambda python=None: "2.9")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, said in (("claude", "2.1.329 (Claude Code)"), ("codex", "codex-cli 0.169.0")):
        (bin_ / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:/usr/bin:/bin")
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "CODEX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_API_KEY", "very-secret")
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "very-secret")
    fake = FakeClient({"spawn": ANSWER})
    monkeypatch.setattr("swarm.daemon.start.ensure", lambda workspace: fake)
    return fake


def spawned(fake: FakeClient) -> list[dict[str, Any]]:
    ((_, body),) = fake.asked
    wire.Spawn.model_validate(json.loads(json.dumps(body)))
    return [dict(agent) for agent in body["agents"]]


def test_two_clients_on_a_plan_and_a_key(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    place.yaml.write_text(
        "agents:\n  claude: {count: 1, model: m1, program: optimizer, stop: {usd: 5}}\n"
        "  careful: {count: 1, kind: codex, experiments: 3, price: {input: 1, output: 2}}\n"
        "policy: {idle: tune}\n"
    )
    code, out, err = typed("spawn", "--device", "cpu", "--hours", "2", "--usd", "60", "--model", "careful=m2")
    assert (code, err) == (0, "")
    first, second, third = spawned(asked)
    assert (first["name"], first["kind"], first["options"], first["program"]) == (
        "cpu0-claude", "claude", {"model": "m1"}, "optimizer",
    )  # fmt: skip
    assert first["stop"]["usd"] == 5
    assert (second["name"], second["kind"]) == ("cpu1-careful", "codex")
    assert second["options"] == {"experiments": 3, "price": {"input": 1, "output": 2}, "model": "m2"}
    assert third == wishes.idler("cpu")
    assert "agents  1 claude 2.1.329 (plan login by CLAUDE_CODE_OAUTH_TOKEN) · 1 codex 0.169.0 (API key)" in out
    assert "rights  guarded: read the worktree, edit train.py, swarm's tools. No shell, no web, no" in out
    assert "(2 h) or at $60 · each claude at $5" in out
    assert "claude is on a plan: nothing is billed by the token, and no sum stops it" in out
    assert "codex: $0.05-0.50 an experiment (assumed: none is measured here yet)" in out
    assert "a core whose agent thinks or waits for a rate limit confirms, stacks or tunes" in out
    assert "2 agents are running" in out
    assert "very-secret" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_codex_without_a_price_is_said(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    out = typed("spawn", "--device", "cpu", "--hours", "2", "--agents", "codex", "--gpus", "2")[1]
    assert "2 codex 0.169.0 (API key, shared by 2)" in out
    assert "codex names no cost" in out
    assert [a["name"] for a in spawned(asked)] == ["cpu0-codex", "cpu1-codex"]  # cores idle unless told


WRONG = [
    ("agents: {claude: {modle: x}}", [], "no option modle"),
    ("agents: {claude: {count: 0}}", [], "agents"),
    ("agents: {claude: {permissions: wide}}", [], "guarded"),
    ("agents: {claude: {program: nothing}}", [], "no program nothing"),
    ("agents: {claud: 2}", [], "no agents of kind claud"),
    ("agents: {claude: {stop: {hours: -1}}}", [], "agents.claude"),
    ("agents: claude", ["--model", "codex=x"], "there is no codex among these agents"),
    ("agents: claude", ["--model", "opus"], "whose model"),
    ("agents: tuner", ["--permissions", "open"], "of claude and codex"),
    ("agents: tuner", ["--interactive"], "of claude and codex"),
    ("agents: tuner", ["--permissions", "all"], "guarded or open"),
    ("agents: claude", ["--yes-really"], "belongs to --permissions open"),
    ("agents: {claude: {permissions: unwalled}}", [], "--yes-really"),
    ("agents: claude", ["--model", "claude="], "whose model"),
]


@pytest.mark.parametrize(("text", "words", "said"), WRONG)
def test_wishes_that_cannot_be_met(
    typed: Typed, place: Workspace, asked: FakeClient, text: str, words: list[str], said: str
) -> None:
    place.yaml.write_text(text + "\n")
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2", *words)
    assert code in (1, 2) and said in err and asked.asked == []


def test_what_is_typed_of_rights_wins(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    place.yaml.write_text("agents: {claude: {permissions: open}}\n")
    words = ("spawn", "--device", "cpu", "--hours", "2", "--gpus", "1")
    assert typed(*words, "--permissions", "guarded")[0] == 0
    assert spawned(asked)[0]["options"]["permissions"] == "guarded"


def test_several_codex_on_one_plan_are_refused(
    typed: Typed, place: Workspace, asked: FakeClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODEX_API_KEY")
    (home / ".codex").mkdir()
    (home / ".codex" / "auth.json").write_text(json.dumps({"tokens": {"refresh_token": "very-secret"}}))
    code, out, err = typed("spawn", "--device", "cpu", "--hours", "2", "--agents", "codex")
    assert code == 1 and asked.asked == []
    assert "2 codex agents would share one plan login" in err and "CODEX_API_KEY" in err
    assert "very-secret" not in out + err
    code, out, _ = typed("spawn", "--device", "cpu", "--hours", "2", "--agents", "claude:1,codex:1")
    assert code == 0 and "1 codex 0.169.0 (plan login)" in out


def test_what_it_may_cost_from_what_it_did(place: Workspace) -> None:
    ledger: Ledger = recorded(place)
    assert outlay.measured(place, "claude") == outlay.Rate(*outlay.ASSUMED)
    ledger.add("agents", name="c", campaign=1, kind="claude", state="thinking", base="e0001", tip="e0001", created=1.0)
    for n in range(6):
        ledger.add("costs", campaign=1, agent="c", experiment=f"e{n:04d}", tokens=9, usd=0.25, at=1.0)
    ledger.add("costs", campaign=1, agent="c", experiment=None, tokens=9, usd=1.5, at=1.0)
    ledger.close()
    assert outlay.measured(place, "claude") == outlay.Rate(0.5, 0.5, 6)
    assert outlay.measured(place, "codex").n == 0


def test_doctor_says_of_each_client_what_there_is(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    out = typed("doctor")[1]
    assert "2.1.329, logged in (plan login by CLAUDE_CODE_OAUTH_TOKEN)" in out
    assert "0.169.0, logged in (API key)" in out
    assert out.count("runs unattended, guarded") == 2


def test_a_settings_file_with_a_key_is_no_plan(asked: FakeClient, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clients.look("claude").plan
    monkeypatch.delenv("CLAUDE_CODE_OAUTH_TOKEN")
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{"apiKeyHelper": "true"}')
    found = clients.look("claude")
    assert (found.plan, found.login) == (False, "its settings")
    (home / ".claude" / "settings.json").write_text("{}")
    (home / ".claude" / ".credentials.json").write_text('{"claudeAiOauth": {"accessToken": "very-secret"}}')
    assert clients.look("claude").plan
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert not clients.look("claude").plan  # a key goes before a plan


def test_agents_of_a_workspace() -> None:
    config = parse({"agents": {"claude": {"count": 4, "model": "m"}, "codex": 4, "tuner": None}})
    assert wishes.counts(config.agents) == "claude:4,codex:4,tuner"
    assert wishes.counts("claude,codex") == "claude,codex" and wishes.counts(None) is None
    assert wishes.of("claude", config, ["claude=x"]).options == {"model": "x"}
    assert wishes.of("codex", config) == wishes.Wish()
    with pytest.raises(SwarmError, match=r"agents\.claude"):
        parse({"agents": {"claude": {"count": "many"}}})
    with pytest.raises(UsageError):
        wishes.of("claude", config, ["x"])


def test_replace(typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(place).close()
    monkeypatch.setattr("swarm.client.Client.at", lambda workspace, who="owner": asked)
    asked.answers["agents/gpu3/replace"] = {
        "ended": "gpu3-codex", "agent": "gpu3-claude", "slots": ["3"], "tip": "e0231", "source": "best", "edits": "ab",
        "dropped": ["e0240"],
    }  # fmt: skip
    code, out, err = typed("replace", "gpu3", "--with", "claude", "--from", "best", "--model", "claude=m")
    assert (code, err) == (0, "")
    ((path, body),) = asked.asked
    assert path == "agents/gpu3/replace"
    wire.Replace.model_validate(body)
    assert (body["kind"], body["options"], body["source"]) == ("claude", {"model": "m"}, "best")
    assert "gpu3-codex  ended; its edits are kept · not run: e0240" in out
    assert "gpu3-claude  takes 3 and builds on best, e0231   swarm attach gpu3-claude" in out
    assert typed("replace", "gpu3", "--with", "claude", "--from", "here")[0] == 2
    assert typed("replace", "gpu3", "--with", "nobody")[0] == 1


def test_a_replacement_has_the_rights_of_whom_it_replaces(place: Workspace) -> None:
    from swarm.cli.replace import rights_of

    ledger = recorded(place)
    name, campaign = ledger.rows("SELECT name, campaign FROM agents ORDER BY campaign DESC LIMIT 1")[0]
    with ledger.tx():
        ledger.change("agents", {"name": name, "campaign": campaign}, options='{"permissions": "open", "model": "m"}')
    assert rights_of(place, name) == {"permissions": "open"}
    assert rights_of(place, "nobody") == {}
