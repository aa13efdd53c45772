"""Who may say what, what is passed on to the story, and how its refusals come out."""

from __future__ import annotations

import errno
import http.client
import json
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import pytest

from swarm.api import desk as desks
from swarm.errors import Refused, SwarmError
from swarm.ledger.connection import open_writer
from tests.api.conftest import Served, until

TASK = {"path": "/tmp/task", "edit": ["train.py"], "caches": ["~/.cache/x"], "limits": {"peak_vram_mb": 1}}
OWNERS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/spawn", {"task": TASK}),
    ("POST", "/v1/try", {"files": {"train.py": "x = 1"}, "description": "d"}),
    ("POST", "/v1/promote", {"what": "e0002"}),
    ("POST", "/v1/promote/undo", None),
    ("POST", "/v1/pause", None),
    ("POST", "/v1/resume", {}),
    ("POST", "/v1/stop", {}),
    ("POST", "/v1/agents/gpu0/tell", {"text": "hello"}),
    ("GET", "/v1/experiments/e0001/wait?timeout=0", None),
]
AGENTS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/submit", {"description": "d"}),
    ("POST", "/v1/submit/values", {"values": {"LR": "0.1"}}),
    ("GET", "/v1/constants", None),
    ("GET", "/v1/scene", None),
    ("POST", "/v1/wait", {"timeout": 0}),
]
ALL = ["/v1/health", "/v1/status", "/v1/events", "/v1/experiments/e0001"]


def test_each_may_say_its_own(served: Served) -> None:
    for verb, path, body in OWNERS:
        assert served.ask(verb, path, body, "owner")[0] == 200, path
        assert served.ask(verb, path, body, "viewer")[0] == 403, path
        assert served.ask(verb, path, body, "agent.gpu0")[0] == 403, path
    for verb, path, body in AGENTS:
        assert served.ask(verb, path, body, "agent.gpu0")[0] == 200, path
        assert served.ask(verb, path, body, "owner")[0] == 403, path
        assert served.ask(verb, path, body, "viewer")[0] == 403, path
    for path in ALL:
        for who in ("owner", "viewer", "agent.gpu0"):
            assert served.ask("GET", path, None, who)[0] == 200, path


def test_the_story_gets_the_fields(served: Served) -> None:
    served.ask("POST", "/v1/promote", {"what": "e0002", "hold": True})
    served.ask("POST", "/v1/resume", {"stop": {"hours": 2}})
    served.ask("POST", "/v1/stop", {"agents": ["gpu0"], "now": True})
    served.ask("POST", "/v1/submit", {"description": " lower LR ", "expect": -1}, "agent.gpu0")
    served.ask("POST", "/v1/submit/values", {"values": {"LR": "2**3"}, "description": "d"}, "agent.gpu0")
    assert served.story.asked == [
        ("promote", {"what": "e0002", "force": False, "hold": True}),
        ("resume", {"stop": {"hours": 2.0, "until": None, "experiments": None, "usd": None}}),
        ("stop", {"agents": ["gpu0"], "now": True}),
        ("submit", {"agent": "gpu0", "description": "lower LR", "hypothesis": None, "expect": -1.0}),
        ("submit_values", {"agent": "gpu0", "values": {"LR": "2**3"}, "description": "d"}),
    ]
    assert len(served.story.threads) == 1
    assert threading.get_ident() not in served.story.threads


def test_spawn_makes_tokens_and_takes_them_back_when_refused(served: Served) -> None:
    wish = {
        "task": TASK,
        "policy": {"baseline_runs": 5},
        "stop": {"hours": 1},
        "sandbox": "off",
        "agents": [{"name": "new", "kind": "tuner", "options": {"seed": 1}, "program": None, "slot": "0"}],
        "slots": [{"id": "0", "devices": "cpu:0", "accelerator": "CPU", "torch": "2.13", "device_nodes": []}],
    }
    assert served.ask("POST", "/v1/spawn", wish)[0] == 200
    _, said = served.story.asked[0]
    assert said["policy"]["sandbox"] == "off"
    assert said["policy"]["baseline_runs"] == 5
    assert said["task"]["edit"] == ["train.py"]
    assert said["agents"][0]["slot"] == "0"
    assert "sandbox" not in said
    made = served.tokens.read("agent.new")
    assert made is not None
    served.story.answers["spawn"] = Refused("taken already", "other GPUs")
    wish["agents"] = [{"name": "new", "kind": "tuner"}, {"name": "newer", "kind": "tuner"}]
    assert served.ask("POST", "/v1/spawn", wish) == (409, {"error": "taken already", "hint": "other GPUs"})
    assert served.tokens.read("agent.new") == made
    assert served.tokens.read("agent.newer") is None


@pytest.mark.parametrize("fault", [OSError("no space left"), Refused("a full disk", "Make room.", 503)])
def test_a_fault_after_the_agents_are_there_leaves_them_their_tokens(served: Served, fault: Exception) -> None:
    served.story.answers["spawn"] = fault
    wish = {"task": TASK, "agents": [{"name": "newest", "kind": "tuner"}]}
    assert served.ask("POST", "/v1/spawn", wish)[0] >= 500
    assert served.tokens.read("agent.newest") is not None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("no", "h", 404), 404),
        (Refused("no", "h"), 409),
        (SwarmError("no", "h"), 409),
        (sqlite3.OperationalError("database or disk is full"), 507),
        (OSError(errno.ENOSPC, "No space left on device"), 507),
        (RuntimeError("a bug"), 500),
    ],
)
def test_refusals_have_a_status(served: Served, error: Exception, status: int) -> None:
    served.story.answers["pause"] = error
    got, answer = served.ask("POST", "/v1/pause")
    assert got == status
    assert set(answer) == {"error", "hint"}
    assert served.ask("GET", "/v1/status")[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"nul\xff",
        b"[" * 100_000,
        b'{"description": ""}',
        b'{"description": 1}',
        b'{"description": "a\\u0000b"}',
        b'{"description": "a\\ud800b"}',
        b'{"description": "' + b"x" * 2001 + b'"}',
        b'{"description": "d", "expect": NaN}',
        b'{"description": "d", "expect": 1e999}',
        b'{"description": "d", "expect": "1"}',
        b'{"description": "d", "agent": "other"}',
        b'{"description": "d", "expect": ' + b"9" * 5000 + b"}",
        b"{}",
        b"",
    ],
)
def test_malformed_requests_are_refused(served: Served, body: bytes) -> None:
    status, answer = served.ask("POST", "/v1/submit", body, "agent.gpu0")
    assert status == 422
    assert set(answer) == {"error", "hint"}
    assert served.story.asked == []


def test_malformed_places_are_refused(served: Served) -> None:
    for path in ("/v1/experiments/a%00b", "/v1/events?after=x", "/v1/events?after=-1", "/v1/events?timeout=nan"):
        assert served.ask("GET", path)[0] == 422, path
    assert served.ask("GET", f"/v1/events?after={1 << 63}")[0] == 422
    assert served.ask("POST", "/v1/agents/..%2fx/tell", {"text": "t"})[0] in (404, 422)
    assert served.ask("POST", "/v1/agents/-x/tell", {"text": "t"})[0] == 422
    assert served.ask("POST", "/v1/wait", {"timeout": 51}, "agent.gpu0")[0] == 422
    assert served.ask("POST", "/v1/submit/values", {"values": {"a b": "1"}}, "agent.gpu0")[0] == 422
    assert served.ask("GET", "/v1/experiments/e0009")[0] == 404


def test_what_is_no_number_is_null(served: Served) -> None:
    assert served.ask("GET", "/v1/status")[1] == {"state": "searching", "odd": None}


def test_wait_returns_at_the_news(served: Served) -> None:
    answers: list[dict[str, Any]] = []
    waiting = threading.Thread(
        target=lambda: answers.append(served.ask("POST", "/v1/wait", {"timeout": 50}, "agent.gpu0")[1])
    )
    waiting.start()
    until(lambda: ("contact", {"agent": "gpu0", "final": False}) in served.story.asked)
    assert served.ask("POST", "/v1/agents/gpu0/tell", {"text": "hello"})[0] == 200
    waiting.join(40)
    assert answers == [{"stop": False, "room": 0, "news": ["hello"], "seq": 1}]
    assert ("contact", {"agent": "gpu0", "final": True}) not in served.story.asked


def test_wait_ends_with_its_time(served: Served) -> None:
    began = time.monotonic()
    status, answer = served.ask("POST", "/v1/wait", {"timeout": 0.2}, "agent.gpu0")
    assert status == 200
    assert "due" not in answer
    assert time.monotonic() - began >= 0.2
    assert ("contact", {"agent": "gpu0", "final": True}) in served.story.asked


def test_who_hangs_up_hears_nothing(alone: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "HANGUP", 0.1)
    line = http.client.HTTPConnection("127.0.0.1", alone.port, timeout=60)
    headers = {"Authorization": f"Bearer {alone.tokens.read('agent.gpu0')}", "Content-Type": "application/json"}
    line.request("POST", "/v1/wait", json.dumps({"timeout": 50}), headers)
    until(lambda: alone.story.asked)
    line.close()
    gate = alone.server.config.app
    until(lambda: gate.inside == 0)  # type: ignore[union-attr]
    alone.story.news.append("kept")
    assert alone.ask("POST", "/v1/wait", {"timeout": 0}, "agent.gpu0")[1]["news"] == ["kept"]


def test_who_hangs_up_while_it_is_answered_is_told_again(alone: Served) -> None:
    """The answer was made, and nobody was there to hear it: it is no news that was told."""
    held = threading.Event()
    asked = alone.story.contact

    def slow(agent: str, **how: Any) -> dict[str, Any]:
        answer = asked(agent, **how)
        held.wait(40)
        return answer

    alone.story.contact = slow  # type: ignore[method-assign]
    alone.story.news.append("kept")
    line = http.client.HTTPConnection("127.0.0.1", alone.port, timeout=60)
    headers = {"Authorization": f"Bearer {alone.tokens.read('agent.gpu0')}", "Content-Type": "application/json"}
    line.request("POST", "/v1/wait", json.dumps({"timeout": 50}), headers)
    until(lambda: alone.story.asked)
    line.close()
    held.set()
    gate = alone.server.config.app
    until(lambda: gate.inside == 0)  # type: ignore[union-attr]
    assert alone.ask("POST", "/v1/wait", {"timeout": 0}, "agent.gpu0")[1]["news"] == ["kept"]
    assert alone.ask("POST", "/v1/wait", {"timeout": 0}, "agent.gpu0")[1]["news"] == []


def test_what_is_not_said_to_be_heard_is_told_again(served: Served) -> None:
    served.story.news += ["one"]
    for _ in range(2):
        answer = served.ask("POST", "/v1/wait", {"timeout": 0, "heard": 0}, "agent.gpu0")[1]
        assert answer["news"] == ["one"]
    assert served.ask("POST", "/v1/wait", {"timeout": 0, "heard": answer["seq"]}, "agent.gpu0")[1]["news"] == []


def test_a_result_is_waited_for_without_waking_oneself(served: Served) -> None:
    answers: list[dict[str, Any]] = []
    path = "/v1/experiments/e0001/wait?timeout=50"
    waiting = threading.Thread(target=lambda: answers.append(served.ask("GET", path)[1]))
    waiting.start()
    until(lambda: served.story.asked)
    served.ask("POST", "/v1/pause")
    until(lambda: len(served.story.asked) >= 3)
    served.story.verdict = "keep"
    served.ask("POST", "/v1/pause")
    waiting.join(40)
    assert answers == [{"experiment": "e0001", "verdict": "keep"}]
    assert [verb for verb, _ in served.story.asked].count("experiment") <= 4


def test_waiters_are_sent_home_at_the_end(alone: Served) -> None:
    answers: list[int] = []
    waiting = threading.Thread(
        target=lambda: answers.append(alone.ask("POST", "/v1/wait", {"timeout": 50}, "agent.gpu0")[0])
    )
    waiting.start()
    until(lambda: alone.story.asked)
    asyncio_loop = alone.desk._asyncio
    assert asyncio_loop is not None
    asyncio_loop.call_soon_threadsafe(alone.desk.close)
    waiting.join(40)
    assert answers == [503]


def test_events_come_from_the_ledger(alone: Served) -> None:
    assert alone.ask("GET", "/v1/events")[1] == {"events": []}
    with closing(open_writer(alone.workspace.ledger)) as db:
        for n in range(3):
            db.execute(
                "INSERT INTO events (campaign, at, kind, data) VALUES (1, ?, 'paused', '{\"n\": 1}')", (float(n),)
            )
    got = alone.ask("GET", "/v1/events?after=1", who="viewer")[1]["events"]
    assert [e["seq"] for e in got] == [2, 3]
    assert got[0] == {
        "seq": 2,
        "campaign": 1,
        "at": 1.0,
        "kind": "paused",
        "agent": None,
        "experiment": None,
        "data": {"n": 1},
    }


def test_health_says_what_broke(alone: Served) -> None:
    assert alone.ask("GET", "/v1/health", who="viewer")[1]["trouble"] is None
    alone.story.step_error = RuntimeError("a bug in a step")
    alone.ask("POST", "/v1/pause")
    until(lambda: alone.loop.trouble)
    answer = alone.ask("GET", "/v1/health", who="viewer")[1]
    assert answer["ok"] is True
    assert "a bug in a step" in answer["trouble"]
    assert answer["workspace"] == str(alone.workspace.root)


def test_a_replacement_gets_a_token_of_its_own(served: Served) -> None:
    path = "/v1/agents/gpu0/replace"
    assert served.ask("POST", path, {"kind": "claude", "source": "best", "options": {"model": "m"}})[0] == 200
    assert served.story.asked[-1] == (
        "replace",
        {
            "who": "gpu0", "kind": "claude", "options": {"model": "m"}, "program": None, "source": "best", "stop": None,
            "name": "new-claude",
        },
    )  # fmt: skip
    assert served.tokens.read("agent.new-claude")
    served.story.answers["replace"] = Refused("no", "h", 404)
    assert served.ask("POST", path, {"kind": "codex"})[0] == 404
    assert served.tokens.read("agent.new-codex") is None
    served.story.answers["replace"] = sqlite3.OperationalError("database or disk is full")
    assert served.ask("POST", path, {"kind": "codex"})[0] == 507
    assert served.tokens.read("agent.new-codex")  # it may be there already
    assert served.ask("POST", path, {"kind": "codex", "source": "here"})[0] == 422
