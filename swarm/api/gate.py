"""What every request passes before anything else sees it: right host, no foreign page, a token, a small JSON body."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from swarm.api.tokens import Tokens
from swarm.workspace import CONTROL

log = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST = 2 << 20  # bytes of a body
DISCARDED = 8 << 20  # of a larger one so much is still read, so that the answer is seen
BODY_SECONDS = 30.0  # a body has to be here within
TOLD = 60  # refusals written to the log in a minute; a flood of them must not fill the disk


class Turned(Exception):
    """A request that is not let in."""

    def __init__(self, status: int, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.hint = status, error, hint


class Gate:
    """ASGI middleware. Lets in only who has a token and asks this machine; the app finds `who` in `scope["state"]`."""

    def __init__(self, app: App, tokens: Tokens, largest: int = LARGEST) -> None:
        self._app = app
        self._tokens = tokens
        self._largest = largest
        self.last = time.monotonic()  # of a request let in
        self.inside = 0  # requests at work
        self._minute, self._told = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            who = self._admit(scope)
            body = await asyncio.wait_for(_body(scope, receive, self._largest), BODY_SECONDS)
        except Turned as turned:
            self._note(scope, turned.status, turned.error)
            await _answer(send, turned.status, turned.error, turned.hint)
            return
        except TimeoutError:
            self._note(scope, 408, "the body did not arrive in time.")
            await _answer(send, 408, "the body did not arrive in time.", "")
            return
        scope.setdefault("state", {})["who"] = who
        await self._let_in(scope, _replayed(body, receive), send)

    def quiet(self) -> float:
        """Seconds since the last request was at work here."""
        return 0.0 if self.inside else time.monotonic() - self.last

    def _note(self, scope: Scope, status: int, why: str) -> None:
        """A refusal for the log: nothing of the request but its first words, and no token in them."""
        minute = int(time.monotonic() / 60)
        if minute != self._minute:
            self._minute, self._told = minute, 0
        self._told += 1
        if self._told <= TOLD:
            path, verb = (self._tokens.scrub(str(scope[part]))[:100] for part in ("path", "method"))
            more = " (no more of these are written this minute)" if self._told == TOLD else ""
            log.warning("refused %s %s %d: %s%s", verb, path, status, why, more)

    def _admit(self, scope: Scope) -> str:
        """Who asks. Raises Turned."""
        own = [f"{name}:{(scope.get('server') or ('', 0))[1]}" for name in ("127.0.0.1", "localhost")]
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in own:
            raise Turned(403, "this door answers on this machine only.", "Use the address in .swarm/door.json.")
        if any(origin.lower() not in [f"http://{host}" for host in own] for origin in _header(scope, b"origin")):
            raise Turned(403, "other web pages may not ask here.", "")
        given = _header(scope, b"authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        who = self._tokens.who(token.strip()) if scheme.lower() == "bearer" else None
        if who is None:
            raise Turned(
                401, "no token, or an unknown one.", "Send Authorization: Bearer with a token of .swarm/tokens."
            )
        if who == ALONE and scope["path"] not in ITS_OWN:
            raise Turned(403, "the control sees nobody's results.", "It asks for its own constants, submits and waits.")
        return who

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        started = time.monotonic()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message.get("headers", []), *PLAIN]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self.inside -= 1
            self.last = time.monotonic()
            if scope["method"] != "GET" or status >= 500:
                path = self._tokens.scrub(str(scope["path"]))[:100]
                log.info(
                    "%s %s %s %d %.3f s", scope["state"]["who"], scope["method"], path, status, self.last - started
                )


ALONE = f"agent.{CONTROL}"
ITS_OWN = ("/v1/health", "/v1/wait", "/v1/constants", "/v1/submit/values", "/v1/turn")
PLAIN = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def _body(scope: Scope, receive: Receive, largest: int) -> bytes:
    """The whole body. Raises Turned when it is too large, or no JSON by its own word."""
    length = _header(scope, b"content-length")
    if length and _header(scope, b"transfer-encoding"):
        raise Turned(
            400, "a length and chunks: where does this end?"
        )  # two readers may differ, and the rest be a request
    if length and length[0].isdigit() and int(length[0]) > DISCARDED:
        raise _too_large(largest)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Turned(400, "the body ended too soon.")
        part = bytes(message.get("body", b""))
        size += len(part)
        if size <= largest:
            parts.append(part)
        elif size > DISCARDED:
            raise _too_large(largest)
        if not message.get("more_body", False):
            break
    if size > largest:
        raise _too_large(largest)
    kind = [value.partition(";")[0].strip().lower() for value in _header(scope, b"content-type")]
    if size and kind != ["application/json"]:
        raise Turned(415, "this door takes JSON.", "Send Content-Type: application/json.")
    return b"".join(parts)


def _too_large(largest: int) -> Turned:
    return Turned(413, f"more than {largest >> 20} MB at once.", "An experiment is a change to a source file.")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the app receives: the body in one piece, then whatever comes after it (the caller hanging up)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, status: int, error: str, hint: str) -> None:
    body = json.dumps({"error": error, "hint": hint}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *PLAIN]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (400, 408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
