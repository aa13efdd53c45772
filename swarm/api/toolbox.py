"""The agents' tools (MCP) at /mcp, made when the first agent asks: nobody else pays for importing them."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from swarm.api.desk import Desk
from swarm.api.gate import App, Message, Receive, Scope, Send
from swarm.workspace import Workspace

log = logging.getLogger(__name__)

PATH = "/mcp"


class Toolbox:
    """An ASGI application. `open` and `close` belong into the life of the application around it."""

    def __init__(self, desk: Desk, workspace: Workspace) -> None:
        self._desk, self._workspace = desk, workspace
        self._wanted, self._ready, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._tools: App | None = None

    def open(self) -> None:
        """To be called in the event loop that serves."""
        self._life = asyncio.create_task(self._live(), name="tools")

    async def close(self) -> None:
        """End all calls under way."""
        self._closing.set()
        self._wanted.set()
        if self._life is not None:
            await self._life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # stateless: there is no stream to listen to, no session to end
            await _say(send, 405, "tools are called by POST.", [(b"allow", b"POST")])
            return
        self._wanted.set()
        await self._ready.wait()
        if self._tools is None or self._closing.is_set():
            await _say(send, 503, "the tools cannot be used now.")
            return
        gone = asyncio.Event()
        scope.setdefault("state", {})["gone"] = gone

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        await self._tools(scope, watched, send)

    async def _live(self) -> None:
        """One task enters and leaves the session manager: its task group wants that."""
        await self._wanted.wait()
        try:
            if not self._closing.is_set():
                server, app = await asyncio.to_thread(_made, self._desk, self._workspace)
                async with server.session_manager.run():
                    self._tools = app
                    self._ready.set()
                    await self._closing.wait()
        except Exception:
            log.exception("the agents' tools ended")
        finally:
            self._tools = None
            self._ready.set()


def _made(desk: Desk, workspace: Workspace) -> tuple[Any, App]:
    from swarm.api import tools

    server = tools.make(desk, workspace)
    return server, server.streamable_http_app(streamable_http_path=PATH, stateless_http=True)


async def _say(send: Send, status: int, error: str, more: list[tuple[bytes, bytes]] | None = None) -> None:
    body = json.dumps({"error": error, "hint": "MCP, streamable HTTP."}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
