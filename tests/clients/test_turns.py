"""Research turns of both real clients: what they do, what they are refused, how they go on, what they cost."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.box import CODED, TRAIN, Box, box, edit, eventually, look, tool
from tests.clients.tools import TOKEN

pytestmark = pytest.mark.clients
both = pytest.mark.parametrize("client", ["claude", "codex"])


def one(client: str, old: str = "LR = 1", new: str = "LR = 2") -> list[dict[str, Any]]:
    """A turn with one experiment; it takes four requests."""
    return [
        look(client),
        edit(client, old, new),
        tool(client, "submit", description=f"{old} -> {new}"),
        {"text": "Submitted."},
    ]


@both
def test_a_research_turn(tmp_path: Path, client: str) -> None:
    with box(tmp_path, client, one(client)) as b:
        code, shown = b.run()
        assert code == 0, shown
        assert b.tools.submitted == [TRAIN.replace("1", "2", 1)]
        assert "submit LR = 1 -> LR = 2" in shown and "Submitted." in shown and "1 submitted" in shown
        first = json.dumps(b.model.bodies[0])
        assert "You are gpu0" in first and "Try the learning rate first." in first


@both
def test_a_busy_coordinator_is_waited_for(tmp_path: Path, client: str) -> None:
    """A turn does not begin before swarm's tools are there."""
    with box(tmp_path, client, one(client)) as b:
        b.tools.slow = 4.0
        code, shown = b.run()
        assert code == 0, shown
        assert len(b.tools.submitted) == 1, shown


@both
def test_the_second_turn_goes_on_in_the_same_session(tmp_path: Path, client: str) -> None:
    told = {
        "experiment": "e0002",
        "verdict": "keep",
        "score": 1.9,
        "delta": -0.1,
        "p": 0.99,
        "description": "LR = 1 -> LR = 2",
    }
    waits: list[dict[str, Any]] = [{}, {"results": [told], "news": ["you are rebased onto best e0009"]}]
    with box(tmp_path, client, one(client) + one(client, "LR = 2", "LR = 3"), waits) as b:
        code, shown = b.run()
        assert code == 0, shown
        assert [text.split("\n")[0] for text in b.tools.submitted] == ["LR = 2", "LR = 3"]
        rows = b.usage()
        assert len({row["session"] for row in rows}) == 1 and len(rows) == 2
        last = json.dumps(b.model.bodies[-1])
        assert "e0002 kept" in last and "rebased onto best e0009" in last and "Try the learning rate first." in last
        assert [row["submitted"] for row in rows] == [1, 1]


@both
def test_tokens_are_those_that_the_server_counted(tmp_path: Path, client: str) -> None:
    first = [{**reply, "usage": (1000, 10)} for reply in one(client)]
    second = [{**reply, "usage": (2000, 20)} for reply in one(client, "LR = 2", "LR = 3")]
    with box(tmp_path, client, first + second, 2) as b:
        code, shown = b.run()
        assert code == 0, shown
        rows = b.usage()
        assert [row["tokens"] for row in rows] == [4 * 1010, 4 * 2020]
        if client == "claude":  # Codex names no cost
            assert rows[0]["usd"] > 0 and rows[1]["usd"] == pytest.approx(2 * rows[0]["usd"], rel=0.01)
            assert 2000 <= rows[1]["context"] <= 2020


@both
def test_after_its_experiments_a_session_is_followed_by_a_fresh_one(tmp_path: Path, client: str) -> None:
    with box(tmp_path, client, one(client) + one(client, "LR = 2", "LR = 3"), 2, experiments=1) as b:
        code, shown = b.run()
        assert code == 0, shown
        assert "fresh session: 1 experiments" in shown
        assert len({row["session"] for row in b.usage()}) == 2
        assert "e0002 queued" not in json.dumps(b.model.bodies[-1])


def test_claude_is_refused_what_is_not_its_own_whatever_the_person_allows(tmp_path: Path) -> None:
    out = str(tmp_path / "secret.txt")
    tries = [
        ("Bash", {"command": "touch hacked"}), ("Edit", {"file_path": "prepare.py", "old_string": "X = 1", "new_string": "X = 2"}),
        ("Write", {"file_path": "other.py", "content": "x"}), ("Read", {"file_path": "/etc/passwd"}), ("Read", {"file_path": out}),
        ("Read", {"file_path": "../../secret.txt"}), ("Grep", {"pattern": "root", "path": "/etc", "output_mode": "content"}),
        ("Glob", {"pattern": "*", "path": "/etc"}), ("WebFetch", {"url": "http://127.0.0.1:9/", "prompt": "x"}),
    ]  # fmt: skip
    replies = [look("claude"), edit("claude", "LR = 1", "LR = 2"), *({"calls": [t]} for t in tries)]
    with box(tmp_path, "claude", replies) as b:
        hook = {"hooks": [{"type": "command", "command": f"touch {tmp_path}/theirs-was-started"}]}
        wide = ["Bash", "Edit", "Write", "Read(//**)", "Grep", "Glob", "WebFetch"]
        theirs = {"permissions": {"allow": wide}, "hooks": {"SessionStart": [hook], "PreToolUse": [hook]}}
        (b.home / ".claude" / "settings.json").write_text(json.dumps(theirs))
        own = {"type": "stdio", "command": "touch", "args": [f"{tmp_path}/theirs-was-started"]}
        (b.home / ".claude.json").write_text(json.dumps({"mcpServers": {"theirs": own}}))
        (b.worktree / ".claude").mkdir()
        (b.worktree / ".claude" / "settings.json").write_text(json.dumps(theirs))
        (b.worktree / ".mcp.json").write_text(json.dumps({"mcpServers": {"theirs": own}}))
        code, shown = b.run()
        assert code == 0, shown
        answers = [
            part for event in b.events(1) if event["type"] == "user" for part in event["message"]["content"]
            if part.get("type") == "tool_result"
        ]  # fmt: skip
        assert [bool(a.get("is_error")) for a in answers] == [False, False] + [True] * len(tries), shown
        _untouched(b)


def test_codex_is_refused_what_is_not_its_own(tmp_path: Path) -> None:
    tries: list[dict[str, Any]] = [
        {"calls": [("exec_command", {"cmd": "touch hacked"})]}, {"calls": [("shell", {"command": ["touch", "hacked"]})]},
        {"calls": [("unified_exec", {"input": ["touch", "hacked"]})]}, edit("codex", "a secret of the person", "mine", "../../secret.txt"),
        {"patch": f"*** Begin Patch\n*** Add File: {tmp_path}/escaped.txt\n+x\n*** End Patch\n"},
        {"calls": [("view_image", {"path": "/etc/passwd"})]}, {"calls": [("web_search", {"query": "x"})]},
    ]  # fmt: skip
    with box(tmp_path, "codex", [look("codex"), edit("codex", "LR = 1", "LR = 2"), *tries]) as b:
        code, shown = b.run()
        assert code == 0, shown
        outputs = b.outputs()
        assert len(outputs) == 2 + len(tries)
        said = ("unsupported", "rejected", "failed", "not permitted", "outside", "denied")
        assert all(any(word in text for word in said) for text in outputs[2:]), outputs
        offered = {t.get("name") or t.get("type") for body in b.model.bodies for t in body.get("tools") or ()}
        assert not offered & {"exec_command", "shell", "local_shell", "view_image", "web_search", "spawn_agent"}, (
            offered
        )
        assert not (tmp_path / "escaped.txt").exists()
        _untouched(b)


SCRIPT = """
const said = [];
const tries = [
  () => tools.exec_command({cmd: "touch hacked"}), () => tools.shell({command: ["touch", "hacked"]}),
  () => tools.apply_patch("*** Begin Patch\\n*** Add File: ../../escaped.txt\\n+x\\n*** End Patch\\n"),
  () => tools.view_image({path: "/etc/passwd"}), () => import("fs"), () => fetch("http://127.0.0.1:9/"), () => require("fs"),
];
for (const one of tries) { try { said.push(["done", await one()]) } catch (error) { said.push(["refused", String(error)]) } }
for (const [i, word] of said.entries()) if (String(word[1]).includes("rejected")) said[i][0] = "refused";
const read = await tools.mcp__swarm__read({path: "train.py"});
await tools.apply_patch("*** Begin Patch\\n*** Update File: train.py\\n@@\\n-LR = 1\\n+LR = 2\\n*** End Patch\\n");
await tools.mcp__swarm__submit({description: "LR = 1 -> LR = 2"});
text(said.map(one => one[0]).join(" ") + " " + Object.keys(tools).filter(name => !name.includes("mcp")).join(","));
"""


def test_codex_with_a_model_that_writes_scripts(tmp_path: Path) -> None:
    """Newer models call tools from JavaScript: the same tools, and nothing of the machine."""
    with box(tmp_path, "codex", [{"exec": SCRIPT}], model=CODED) as b:
        code, shown = b.run()
        assert code == 0, shown
        text = b.outputs()[0]
        assert "refused " * 7 in text and "done" not in text, text
        assert "exec_command" not in text and "apply_patch" in text
        assert b.tools.submitted == [TRAIN.replace("1", "2", 1)]
        assert "1 submitted" in shown
        assert not (tmp_path / "escaped.txt").exists()
        _untouched(b)


def _untouched(b: Box) -> None:
    assert (b.worktree / "train.py").read_text() == TRAIN.replace("1", "2", 1)
    assert (b.worktree / "prepare.py").read_text() == "X = 1\n"
    assert not {"hacked", "other.py"} & {p.name for p in b.worktree.iterdir()}
    assert (b.root / "secret.txt").read_text() == "a secret of the person\n"
    assert not (b.root / "theirs-was-started").exists()


@both
def test_the_token_is_on_no_command_line_and_in_no_file_of_ours(tmp_path: Path, client: str) -> None:
    with box(tmp_path, client, [{"text": "thinking", "hang": True}], silence=60) as b:
        child = b.start()
        try:
            eventually(lambda: b.model.bodies)
            lines = [_cmdline(p) for p in Path("/proc").iterdir() if p.name.isdigit()]
            ours = [line for line in lines if str(tmp_path) in line]
            assert ours and not any(TOKEN in line or "sk-test" in line for line in lines)
            texts = [p.read_text(errors="replace") for p in b.seat.folder.rglob("*") if p.is_file()]
            assert texts and not any(TOKEN in text for text in texts)
        finally:
            _end(child.pid)
            child.communicate(timeout=30)


def _cmdline(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _end(group: int) -> None:
    for line in Path("/proc").iterdir():
        if line.name.isdigit() and _parent(line) == group:
            os.killpg(int(line.name), signal.SIGKILL)
    os.killpg(group, signal.SIGKILL)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


@both
def test_a_server_that_falls_silent_ends_the_turn_and_the_session_goes_on(tmp_path: Path, client: str) -> None:
    replies = [look(client), edit(client, "LR = 1", "LR = 2"), {"text": "half an", "hang": True}]
    with box(tmp_path, client, replies, 1, silence=6) as b:
        code, shown = b.run()
        assert code == 1 and "fell silent" in shown
        assert (b.worktree / "train.py").read_text().startswith("LR = 2")  # what was edited stays
        b.model.replies[:] = [tool(client, "submit", description="after all"), {"text": "Submitted."}]
        b.tools.waits[:] = [{}]
        code, shown = b.run()
        assert code == 0, shown
        assert b.tools.submitted and len({row["session"] for row in b.usage()}) == 1


@both
def test_a_client_that_is_killed_is_gone_on_with_by_the_next_process(tmp_path: Path, client: str) -> None:
    replies = [look(client), edit(client, "LR = 1", "LR = 2"), {"text": "half an", "hang": True}]
    with box(tmp_path, client, replies, [{"news": ["best is now e0005"]}], silence=80) as b:
        child = b.start()
        eventually(lambda: len(b.model.bodies) >= 3)
        mine = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _parent(p) == child.pid]
        os.killpg(mine[0], signal.SIGKILL)
        shown, _ = child.communicate(timeout=60)
        assert child.returncode == 1 and "ended with -9" in shown
        assert (b.worktree / "train.py").read_text().startswith("LR = 2")
        b.model.replies[:] = [tool(client, "submit", description="after all"), {"text": "Submitted."}]
        b.tools.waits[:] = [{}]
        code, shown = b.run()
        assert code == 0, shown
        assert "best is now e0005" in json.dumps(b.model.bodies[-1])  # told again, in the same session


def test_claude_waits_for_the_end_of_a_usage_limit(tmp_path: Path) -> None:
    until = int(time.time()) + 10
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": str(until),
        "retry-after": "7200",
    }
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "limited"}}
    with box(
        tmp_path,
        "claude",
        [{"status": 429, "error": error, "headers": headers}, *one("claude")],
        [{}, {"room": 1}, {"room": 1}],
    ) as b:
        code, shown = b.run(CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-test", ANTHROPIC_API_KEY="")
        assert code == 0, shown
        assert "waiting until" in shown and "ended with" not in shown
        assert time.time() >= until and b.tools.submitted


def test_codex_reads_when_a_usage_limit_ends(tmp_path: Path) -> None:
    error = {
        "type": "usage_limit_reached",
        "message": "limit",
        "plan_type": "plus",
        "resets_at": int(time.time()) + 7200,
    }
    with box(tmp_path, "codex", [{"status": 429, "error": error}], [{}, {"stop": True, "why": "enough"}]) as b:
        child = b.start()
        try:
            eventually(lambda: [t for t in b.tools.turns if t.get("state") == "limited"])
            told = next(t for t in b.tools.turns if t.get("state") == "limited")
            assert 7000 < told["until"] - time.time() < 7400
        finally:
            _end(child.pid)
            child.communicate(timeout=30)


@both
def test_a_login_that_is_not_accepted_is_said(tmp_path: Path, client: str) -> None:
    error = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    openai = {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}
    replies = [{"status": 401, "error": error if client == "claude" else openai}] * 30
    with box(tmp_path, client, replies) as b:
        code, shown = b.run()
        assert code == 1
        assert "login was not accepted" in shown


def test_four_agents_at_once(tmp_path: Path) -> None:
    clients = ("claude", "codex", "claude", "codex")
    boxes = [Box(tmp_path / str(n), client, one(client)) for n, client in enumerate(clients)]
    children = [b.start() for b in boxes]
    try:
        for b, child in zip(boxes, children, strict=True):
            shown, _ = child.communicate(timeout=120)
            assert child.returncode == 0, shown
            assert b.tools.submitted == [TRAIN.replace("1", "2", 1)], shown
    finally:
        for b, child in zip(boxes, children, strict=True):
            child.kill()
            b.close()
