"""What Codex says in `codex exec --json`, one event after the other."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from swarm.agents.stream import Told, first_line

LIMIT = re.compile(r"usage limit|rate limit|last status: 429|Too Many Requests|overloaded|at capacity", re.I)
LOST = re.compile(
    r"context window|context_length|ran out of room|no rollout found|session not found|thread not found", re.I
)
BARRED = re.compile(r"status 40[13]\b|refresh token|log ?in again|not logged in|Incorrect API key", re.I)
AT = re.compile(r"again at (?:(\w{3}) (\d{1,2})(?:st|nd|rd|th)?, (\d{4}) )?(\d{1,2}):(\d{2}) ([AP]M)", re.I)
IN = re.compile(r"again in ((?:\d+(?:\.\d+)? ?(?:days?|hours?|minutes?|seconds?|d|h|m|s)\b[, ]*)+)", re.I)
UNIT = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


class CodexReader:
    """Reads one turn. `told.tokens` is the whole session's. It names no cost: `price` (US dollars per million tokens of
    `input`, `cached` input and `output`) makes one of them."""

    def __init__(self, now: float | None = None, price: Mapping[str, float] | None = None) -> None:
        self.told = Told()
        self._now = now
        self._price = price

    def read(self, event: Mapping[str, Any]) -> list[str]:
        """Take one event; the lines to show for it."""
        kind = event.get("type")
        if kind == "thread.started":
            self.told.session = str(event["thread_id"])
        elif kind == "item.started":
            return self._started(event["item"])
        elif kind == "item.completed":
            return self._completed(event["item"])
        elif kind == "turn.completed":
            usage = event.get("usage") or {}
            self._spent(*(int(usage.get(n) or 0) for n in ("input_tokens", "cached_input_tokens", "output_tokens")))
        elif kind == "turn.failed":
            self._failed(str((event.get("error") or {}).get("message") or "the turn failed"))
        elif kind == "error" and str(event.get("message", "")).startswith("Reconnecting"):
            return [f"  {first_line(event['message'])}"]
        return []

    def _spent(self, asked: int, cached: int, said: int) -> None:
        """`asked` includes what was `cached`."""
        self.told.tokens = asked + said
        if self._price:
            p = self._price
            whole = (asked - cached) * p["input"] + cached * p.get("cached", p["input"]) + said * p["output"]
            self.told.usd = whole / 1e6

    def _started(self, item: Mapping[str, Any]) -> list[str]:
        if item.get("type") == "mcp_tool_call":
            given = item.get("arguments") or {}
            about = next(
                (
                    first_line(given[n], 120)
                    for n in ("description", "path", "experiment", "query", "text")
                    if given.get(n)
                ),
                "",
            )
            return [f"→ {item.get('tool')} {about}".rstrip()]
        if item.get("type") == "command_execution":
            return [f"$ {first_line(item.get('command'))}"]
        return []

    def _completed(self, item: Mapping[str, Any]) -> list[str]:
        kind = item.get("type")
        if kind == "agent_message":
            self.told.said = str(item.get("text") or "").strip() or self.told.said
            return [str(item.get("text") or "")]
        if kind == "mcp_tool_call":
            return self._called(item)
        if kind == "file_change":
            done = item.get("status") == "completed"
            if not done:
                self.told.denied.append("apply_patch")
            names = ", ".join(str(c.get("path", "")).rpartition("/")[2] for c in item.get("changes") or ())
            return [f"→ edit {names}" if done else f"  ✗ edit {names}: {item.get('status')}"]
        if kind == "error":
            return [f"  ✗ {first_line(item.get('message'))}"]
        return []

    def _called(self, item: Mapping[str, Any]) -> list[str]:
        result = item.get("result") or {}
        text = first_line(" ".join(str(c.get("text", "")) for c in result.get("content") or () if isinstance(c, dict)))
        good = item.get("status") == "completed" and not item.get("error") and not result.get("is_error")
        submits = item.get("server") == "swarm" and item.get("tool") == "submit"
        if not good:
            error = item.get("error") or {}
            why = text or first_line(error.get("message") if isinstance(error, dict) else error)
            self.told.refused += [why] if submits else []
            return [f"  ✗ {why}"]
        if submits:
            self.told.took(text)
        return [f"  ← {text}"]

    def _failed(self, message: str) -> None:
        told = self.told
        told.error = first_line(message, 300)
        told.limited = bool(LIMIT.search(message))
        told.barred = not told.limited and bool(BARRED.search(message))
        told.lost = not told.limited and bool(LOST.search(message))
        if told.limited:
            told.until = again_at(message, time.time() if self._now is None else self._now)


def again_at(message: str, now: float) -> float | None:
    """The moment that `try again at 4:43 PM`, `at Nov 24th, 2026 2:43 PM` (local time) or `in 2 days 3 hours` names."""
    if found := IN.search(message):
        parts = re.findall(r"(\d+(?:\.\d+)?) ?([a-z])", found[1].lower())
        return now + sum(float(amount) * UNIT[unit] for amount, unit in parts)
    found = AT.search(message)
    if not found:
        return None
    month, day, year, hour, minute, half = found.groups()
    here = datetime.fromtimestamp(now)
    hours = int(hour) % 12 + (12 if half.upper() == "PM" else 0)
    try:
        if month:
            at = datetime.strptime(f"{month} {day} {year}", "%b %d %Y").replace(hour=hours, minute=int(minute))
        else:
            at = here.replace(hour=hours, minute=int(minute), second=0, microsecond=0)
            # it is named to the minute: one that is just over is now, not tomorrow
            at += timedelta(days=1) if at < here - timedelta(minutes=2) else timedelta()
    except ValueError:
        return None
    return max(at.timestamp(), now) + 60.0
