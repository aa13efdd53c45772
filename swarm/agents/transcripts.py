"""What a client writes down of a session that runs in its own screen: how much of it is new, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from swarm.agents.claude_stream import ClaudeReader
from swarm.agents.codex_stream import CodexReader
from swarm.agents.stream import Told


def lines(path: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The whole lines after `offset` bytes, and where the next ones begin. A file that is not there (yet) has none."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except OSError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    return list(_parsed(whole)), offset + len(whole)


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def claude(events: list[dict[str, Any]]) -> Told:
    """Claude Code: `tokens` are those of these events; it writes down no cost."""
    reader = ClaudeReader()
    for event in events:
        if event.get("type") in ("assistant", "user") and not event.get("isSidechain"):
            reader.read(event)
    return reader.told


def codex(events: list[dict[str, Any]]) -> Told:
    """Codex: `tokens` are those of the whole session."""
    reader = CodexReader()
    told = reader.told
    for event in events:
        payload = event.get("payload") or {}
        if payload.get("type") == "token_count" and payload.get("info"):
            told.tokens = _size(payload["info"].get("total_token_usage"))
            told.context = _size(payload["info"].get("last_token_usage"))
        item = payload.get("item") or {}
        if payload.get("type") == "item_completed" and item.get("type") == "McpToolCall":
            reader.read({"type": "item.completed", "item": {**item, "type": "mcp_tool_call"}})
    return told


def _size(usage: Mapping[str, Any] | None) -> int:
    return int((usage or {}).get("input_tokens") or 0) + int((usage or {}).get("output_tokens") or 0)
