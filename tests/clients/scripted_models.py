"""Model servers that answer by script, one reply per request: the Messages API of Claude Code, the Responses API of Codex.

A reply is a dict: {"text"}, {"calls": [(tool, arguments)]}, {"patch": text} (Codex's apply_patch), {"exec": script} (its code mode), {"status", "error",
"headers"}, {"hang": True} (half an answer, then silence); with {"usage": (in, out)} what it cost, with {"first": function} what
is done before it is given. Replies in a list are given one after the other. Replies by agent (`cpu0`: a list) are chosen by what the
conversation already holds, so a request that is sent twice is answered twice in the same way.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.clients.served import Served, _Handler

NUMBERS = itertools.count(1)
DONE: dict[str, Any] = {"text": "That is all for this turn."}


class Model(Served):
    """Gives the replies in order, then DONE for ever."""

    def __init__(self, replies: Sequence[dict[str, Any]] | Mapping[str, Sequence[dict[str, Any]]]) -> None:
        self.by_agent = replies if isinstance(replies, Mapping) else {}
        self.replies = [] if isinstance(replies, Mapping) else list(replies)
        super().__init__()

    def next(self, body: Any) -> dict[str, Any]:
        reply = self._next(body)
        reply.get("first", lambda: None)()
        return reply

    def _next(self, body: Any) -> dict[str, Any]:
        if self.by_agent:
            mine = self.by_agent.get(next((a for a in self.by_agent if f"You are {a}" in json.dumps(body)), ""), ())
            given = self.given(body)
            return mine[given] if given < len(mine) else DONE
        with self.lock:
            return self.replies.pop(0) if self.replies else DONE

    def given(self, body: Any) -> int:
        """How many replies this conversation holds."""
        raise NotImplementedError

    def bodies_of(self, agent: str) -> list[dict[str, Any]]:
        """What was sent for one agent."""
        return [body for body in self.bodies if f"You are {agent}" in json.dumps(body)]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What the client sent to the model, request after request."""
        return [body for path, _, body in self.asked if isinstance(body, dict) and path.endswith(self.path)]

    path = ""


class Anthropic(Model):
    """POST /v1/messages, streamed."""

    path = "/v1/messages"

    def given(self, body: Any) -> int:
        return sum(message["role"] == "assistant" for message in body["messages"])

    def answer(self, verb: str, path: str, body: Any, line: _Handler) -> None:
        if path.endswith("/count_tokens"):
            return line.json(200, {"input_tokens": 100})
        if verb != "POST" or path != self.path:
            return line.json(404, {"type": "error", "error": {"type": "not_found_error", "message": path}})
        reply = (
            self.next(body) if body.get("tools") else {"text": "ok"}
        )  # titles and the like are asked for without tools
        if "status" in reply:
            return line.json(reply["status"], reply.get("error"), reply.get("headers"))
        blocks: list[dict[str, Any]] = [{"type": "text", "text": reply["text"]}] if "text" in reply else []
        for name, given in reply.get("calls", ()):
            blocks.append({"type": "tool_use", "id": f"toolu_{next(NUMBERS):022d}", "name": name, "input": given})
        given, made = reply.get("usage", (100, 20))
        usage = {
            "input_tokens": given,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": made,
        }
        head = {"id": f"msg_{next(NUMBERS):022d}", "type": "message", "role": "assistant", "model": body["model"]}
        stop = "tool_use" if reply.get("calls") else "end_turn"
        ending = {"stop_reason": None, "stop_sequence": None, "content": []}
        if not body.get("stream"):
            return line.json(200, {**head, **ending, "content": blocks, "stop_reason": stop, "usage": usage})
        line.events()
        line.event("message_start", message={**head, **ending, "usage": {**usage, "output_tokens": 1}})
        for at, block in enumerate(blocks):
            self._block(line, at, block)
        if reply.get("hang"):
            self.closing.wait(600)
            return None
        line.event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": made})
        return line.event("message_stop")

    @staticmethod
    def _block(line: _Handler, at: int, block: dict[str, Any]) -> None:
        if block["type"] == "text":
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        line.event("content_block_start", index=at, content_block=start)
        line.event("content_block_delta", index=at, delta=delta)
        line.event("content_block_stop", index=at)


class OpenAI(Model):
    """POST /v1/responses, streamed. A tool of an MCP server is called as `server.tool`."""

    path = "/v1/responses"

    def given(self, body: Any) -> int:
        made = ("function_call", "custom_tool_call")
        return sum(item.get("type") in made or item.get("role") == "assistant" for item in body["input"])

    def answer(self, verb: str, path: str, body: Any, line: _Handler) -> None:
        if verb != "POST" or path != self.path:
            return line.json(404, {"error": {"message": path}})
        reply = self.next(body)
        if "status" in reply:
            return line.json(reply["status"], {"error": reply.get("error")}, reply.get("headers"))
        items = self._items(reply)
        given, made = reply.get("usage", (100, 20))
        usage = {
            "input_tokens": given, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": given + made,
        }  # fmt: skip
        head = {"id": f"resp_{next(NUMBERS):020d}", "object": "response", "model": body.get("model"), "output": []}
        line.events()
        line.event("response.created", response={**head, "status": "in_progress"})
        for at, item in enumerate(items):
            line.event("response.output_item.added", output_index=at, item={**item, "status": "in_progress"})
            line.event("response.output_item.done", output_index=at, item=item)
        if reply.get("hang"):
            self.closing.wait(600)
            return None
        return line.event(
            "response.completed", response={**head, "status": "completed", "output": items, "usage": usage}
        )

    @staticmethod
    def _items(reply: dict[str, Any]) -> list[dict[str, Any]]:
        def item(kind: str, **fields: object) -> dict[str, Any]:
            return {"type": kind, "id": f"it_{next(NUMBERS):020d}", "status": "completed", **fields}

        items = []
        if "text" in reply:
            text = {"type": "output_text", "text": reply["text"], "annotations": []}
            items.append(item("message", role="assistant", content=[text]))
        for name, given in reply.get("calls", ()):
            server, _, tool = name.rpartition(".")
            more = {"namespace": f"mcp__{server}"} if server else {}
            call = f"call_{next(NUMBERS):020d}"
            items.append(item("function_call", call_id=call, name=tool, arguments=json.dumps(given), **more))
        for key, tool in (("patch", "apply_patch"), ("exec", "exec")):
            if key in reply:
                call = f"call_{next(NUMBERS):020d}"
                items.append(item("custom_tool_call", call_id=call, name=tool, input=reply[key]))
        return items
