"""What is read from streams that the real clients wrote (recorded by playing them against scripted models)."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import pytest

from swarm.agents.claude_stream import ClaudeReader
from swarm.agents.codex_stream import CodexReader, again_at
from swarm.agents.stream import Reader, clean, first_line, follow, last_error

RECORDED = Path(__file__).parent / "streams"
NOON = datetime(2026, 11, 21, 12, 0, 0).timestamp()


def played(name: str, reader: Reader) -> list[str]:
    shown = []
    for line in (RECORDED / name).read_text().splitlines():
        shown += reader.read(json.loads(line))
    return shown


def test_a_turn_of_claude() -> None:
    reader = ClaudeReader()
    shown = played("claude_turn.jsonl", reader)
    told = reader.told
    assert told.submitted == 1 and told.denied == ["Read"] and not told.error and not told.limited
    assert told.said == "Submitted." and len(told.session) == 36
    assert told.tokens == 5 * 120 and told.usd is not None and told.usd > 0 and told.context >= 101
    assert "→ submit LR = 1 -> LR = 2" in shown and any("e0002 queued" in line for line in shown)
    assert any(line.startswith("  ✗") for line in shown)


def test_a_turn_of_codex() -> None:
    reader = CodexReader()
    shown = played("codex_turn.jsonl", reader)
    told = reader.told
    assert told.submitted == 1 and told.tokens == 5 * 120 and told.usd is None and not told.error
    assert told.said == "Submitted." and len(told.session) == 36
    assert "→ edit train.py" in shown and "→ submit LR = 1 -> LR = 2" in shown


def test_a_usage_limit_of_claude_has_its_end() -> None:
    reader = ClaudeReader()
    played("claude_limit.jsonl", reader)
    assert reader.told.limited and reader.told.until == 1795286400 and not reader.told.barred


def test_a_usage_limit_of_codex_has_its_end() -> None:
    reader = CodexReader(NOON)
    played("codex_limit.jsonl", reader)
    assert reader.told.limited and reader.told.until is not None and reader.told.until > NOON


@pytest.mark.parametrize(
    ("name", "reader"), [("claude_login.jsonl", ClaudeReader()), ("codex_login.jsonl", CodexReader())]
)
def test_a_login_that_is_not_accepted(name: str, reader: Reader) -> None:
    played(name, reader)
    assert reader.told.barred and not reader.told.limited and reader.told.error


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("try again at 4:43 PM.", datetime(2026, 11, 21, 16, 44)),
        ("try again at 12:05 AM.", datetime(2026, 11, 22, 0, 6)),
        ("try again at 11:59 AM.", datetime(2026, 11, 21, 12, 1)),  # just over: now, and a minute
        ("try again at Nov 24th, 2026 2:43 PM.", datetime(2026, 11, 24, 14, 44)),
        ("Try again in 2 days 3 hours 5 minutes.", datetime(2026, 11, 23, 15, 5)),
        ("Please try again in 2.5s.", datetime(2026, 11, 21, 12, 0, 2, 500000)),
    ],
)
def test_when_a_limit_ends(text: str, at: datetime) -> None:
    assert again_at(f"You’ve hit your usage limit. {text}", NOON) == pytest.approx(at.timestamp())


def test_a_limit_without_an_end() -> None:
    assert again_at("exceeded retry limit, last status: 429 Too Many Requests", NOON) is None
    reader = CodexReader(NOON)
    reader.read(
        {"type": "turn.failed", "error": {"message": "exceeded retry limit, last status: 429 Too Many Requests"}}
    )
    assert reader.told.limited and reader.told.until is None


def test_a_session_that_cannot_go_on() -> None:
    claude, codex = ClaudeReader(), CodexReader()
    claude.read({"type": "result", "is_error": True, "errors": ["No conversation found with session ID: x"]})
    codex.read({"type": "turn.failed", "error": {"message": "Codex ran out of room in the model's context window."}})
    assert claude.told.lost and codex.told.lost


def test_text_of_a_model_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x1b]0;title\x07c\x9b1md\re\x00") == "abc1md\ne"
    assert len(clean("x" * 5000)) <= 1500
    assert first_line("\n\n  one \ntwo") == "one"


def speaking(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_the_stream_is_saved_whole_and_shown(tmp_path: Path) -> None:
    said: list[str] = []
    text = 'import sys; p = sys.stdin.read(); print(\'no json\'); print(\'{"type": "item.completed", "item": {"type": "agent_message", "text": "\' + p + \'"}}\'); print(\'{"type": "item.completed"}\'); sys.stderr.write(\'oh\\n\'); sys.exit(3)'
    log = tmp_path / "turns" / "0001.jsonl"
    reader = CodexReader()
    assert follow(speaking(text), tmp_path, {}, "hello", reader, log, said.append, 60) == 3
    assert said[0] == "hello" and "not understood" in said[1]
    assert len(log.read_text().splitlines()) == 3 and last_error(log) == "oh"


def test_a_client_that_falls_silent_is_ended_with_its_children(tmp_path: Path) -> None:
    text = "import os, subprocess, time; subprocess.Popen(['sleep', '600']); print('{}', flush=True); time.sleep(600)"
    assert follow(speaking(text), tmp_path, {}, "", CodexReader(), tmp_path / "t.jsonl", print, 1.0) is None


def test_a_client_that_ignores_its_prompt(tmp_path: Path) -> None:
    assert follow(speaking("pass"), tmp_path, {}, "x" * 300_000, CodexReader(), tmp_path / "t.jsonl", print, 60) == 0
    assert not (tmp_path / "t.err").exists()


def test_a_server_that_cannot_be_reached_is_said_so() -> None:
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "retry_delay_ms": 9600, "error": "unknown"}
    reader = ClaudeReader()
    assert reader.read({**retry, "error_status": None}) == ["  the model's server cannot be reached: again in 10 s"]
    assert "answers 529 (overloaded)" in reader.read({**retry, "error_status": 529, "error": "overloaded"})[0]
