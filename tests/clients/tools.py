"""A stand-in for the coordinator: the door's `wait` and `status`, and the tools at /mcp, as far as a client needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.clients.served import Served, _Handler

TOKEN = "tok-" + "0123456789" * 4
TEXT = {"type": "string"}
TOOLS = {
    "submit": ("Submit the editable files as an experiment.", {"description": TEXT}),
    "read": ("Read a file of your worktree.", {"path": TEXT}),
    "status": ("How the campaign stands.", {}),
}


class Tools(Served):
    """`room`: what `wait` says, one after the other; then that the campaign is over."""

    def __init__(self, worktree: Path, waits: list[dict[str, Any]]) -> None:
        self.worktree = worktree
        self.waits = waits
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.submitted: list[str] = []
        self.turns: list[dict[str, Any]] = []
        self.slow = 0.0  # seconds until it names its tools
        self.refuse = ""  # why submissions are not taken
        super().__init__()

    def answer(self, verb: str, path: str, body: Any, line: _Handler) -> None:
        if line.headers.get("authorization") != f"Bearer {TOKEN}":
            return line.json(401, {"error": "no token", "hint": ""})
        if path == "/mcp":
            return self._mcp(verb, body, line)
        if path == "/v1/wait":
            blank = {"stop": False, "why": "", "room": 1, "tip": "e0001", "base": "e0001", "news": [], "results": []}
            with self.lock:
                said = self.waits.pop(0) if self.waits else {"stop": True, "why": "enough", "room": 0}
            return line.json(200, {**blank, **said})
        if path == "/v1/turn":
            self.turns.append(body)
            return line.json(200, {"stop": False})
        if path == "/v1/status":
            return line.json(200, {"metric": "val_bpb", "better": "lower", "budget": "wall:300"})
        return line.json(200, {"experiments": [{"experiment": "e0001", "estimate": 2.0, "state": "baseline"}]})

    def _mcp(self, verb: str, body: Any, line: _Handler) -> None:
        if verb != "POST":
            return line.json(405, {})
        if "id" not in body:
            return line.json(202)
        answer: dict[str, Any] = {}
        if body["method"] == "initialize":
            version = body["params"]["protocolVersion"]
            answer = {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "s", "version": "1"},
            }
        elif body["method"] == "tools/list":
            self.closing.wait(self.slow)
            answer = {"tools": [_tool(name, *about) for name, about in TOOLS.items()]}
        elif body["method"] == "tools/call":
            answer = self._call(body["params"]["name"], body["params"].get("arguments") or {})
        return line.json(200, {"jsonrpc": "2.0", "id": body["id"], "result": answer})

    def _call(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((name, given))
        text = "ok"
        if name == "read":
            text = (self.worktree / "train.py").read_text()
        if name == "submit" and self.refuse:
            return {"content": [{"type": "text", "text": self.refuse}], "isError": True}
        if name == "submit":
            self.submitted.append((self.worktree / "train.py").read_text())
            text = f"e{len(self.submitted) + 1:04d} queued. No room for another: end your turn."
        return {"content": [{"type": "text", "text": text}], "isError": False}


def _tool(name: str, text: str, fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return {"name": name, "description": text, "inputSchema": schema}
