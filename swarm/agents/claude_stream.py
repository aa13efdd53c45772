"""What Claude Code says in `--output-format stream-json`, one event after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm.agents.stream import Told, first_line

SUBMIT = "mcp__swarm__submit"
OURS = "mcp__swarm__"
BUSY = (429, 529)  # limited, overloaded
BARRED = (401, 403)


class ClaudeReader:
    """Reads one turn. `told.usd` is the whole session's, `told.tokens` this turn's."""

    def __init__(self) -> None:
        self.told = Told()
        self._calls: dict[str, str] = {}  # id → tool
        self._retried = 0  # the status that the last retry was for
        self._usage: dict[str, int] = {}  # tokens by message: all there is of a turn that is ended from outside

    def read(self, event: Mapping[str, Any]) -> list[str]:
        """Take one event; the lines to show for it."""
        if event.get("session_id"):
            self.told.session = str(event["session_id"])
        read = {
            "assistant": self._assistant, "user": self._user, "system": self._system, "result": self._result,
            "rate_limit_event": self._limit,
        }.get(str(event.get("type")))  # fmt: skip
        return read(event) if read else []

    def _assistant(self, event: Mapping[str, Any]) -> list[str]:
        message = event["message"]
        usage = message.get("usage") or {}
        if event.get("parent_tool_use_id") is None and (size := total(usage)):
            self.told.context = size
        self._usage[str(message.get("id"))] = total(usage)
        self.told.tokens = sum(self._usage.values())
        lines = []
        for block in message.get("content") or ():
            if block.get("type") == "text" and block["text"].strip():
                self.told.said = block["text"].strip()
                lines.append(block["text"])
            elif block.get("type") == "tool_use":
                self._calls[block["id"]] = block["name"]
                lines.append(f"→ {block['name'].removeprefix(OURS)} {_about(block.get('input') or {})}".rstrip())
        return lines

    def _user(self, event: Mapping[str, Any]) -> list[str]:
        content = event["message"].get("content")
        lines = []
        for block in content if isinstance(content, list) else ():
            if block.get("type") != "tool_result":
                continue
            tool = self._calls.get(str(block.get("tool_use_id")), "")
            text = first_line(_text(block.get("content")))
            if block.get("is_error"):
                lines.append(f"  ✗ {text}")
            elif tool.startswith(OURS):
                lines.append(f"  ← {text}")
            if tool == SUBMIT and block.get("is_error"):
                self.told.refused.append(text)
            elif tool == SUBMIT:
                self.told.took(text)
        return lines

    def _system(self, event: Mapping[str, Any]) -> list[str]:
        if event.get("subtype") == "permission_denied":
            self.told.denied.append(str(event.get("tool_name")))
        if event.get("subtype") == "api_retry":
            self._retried = int(event.get("error_status") or 0)
            seconds = float(event.get("retry_delay_ms") or 0) / 1000
            said = f"answers {self._retried} ({event.get('error')})" if self._retried else "cannot be reached"
            return [f"  the model's server {said}: again in {seconds:.0f} s"]
        if event.get("subtype") == "init":
            down = [
                s["name"] for s in event.get("mcp_servers") or () if s.get("status") not in ("connected", "pending")
            ]
            return [f"  ✗ no connection to: {', '.join(down)}"] if down else []
        return []

    def _limit(self, event: Mapping[str, Any]) -> list[str]:
        about = event.get("rate_limit_info") or {}
        if about.get("status") == "rejected" and about.get("resetsAt"):
            self.told.until = float(about["resetsAt"])
        return []

    def _result(self, event: Mapping[str, Any]) -> list[str]:
        told = self.told
        told.tokens = total(event.get("usage") or {})
        told.usd = event.get("total_cost_usd")
        if not event.get("is_error"):
            return []
        told.error = first_line(event.get("result") or " ".join(event.get("errors") or ()) or event.get("subtype"), 300)
        status = int(event.get("api_error_status") or 0)
        told.limited = status in BUSY or told.until is not None
        told.barred = status in BARRED
        told.lost = event.get("terminal_reason") == "prompt_too_long" or "No conversation found" in told.error
        return []

    @property
    def stuck_at(self) -> int:
        """The status that the client was trying again for when it was ended; 0 when it was not."""
        return self._retried


def total(usage: Mapping[str, Any]) -> int:
    """The tokens of one request, read and written, cached or not."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    return sum(int(usage.get(name) or 0) for name in names)


def _about(given: Mapping[str, Any]) -> str:
    """What a call is about, in a few words."""
    for name in ("description", "file_path", "pattern", "path", "experiment", "command", "query", "text"):
        if given.get(name):
            return first_line(given[name], 120)
    return ""


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
