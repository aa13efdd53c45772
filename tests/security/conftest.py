"""A played campaign, and the real door in front of it: what gets through may do real harm to a real ledger."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from swarm.api.desk import Desk
from swarm.api.door import guarded, serving
from swarm.api.gate import Gate
from swarm.api.tokens import Tokens
from swarm.coordinator.loop import Loop
from swarm.coordinator.story import Story
from swarm.daemon.coordinator import bound
from tests.coordinator.play import Play

PATIENCE = 60.0  # seconds for one answer


@dataclass
class Answer:
    """Of a raw request. `status` 0: the line was closed without one."""

    status: int
    text: str


@dataclass
class Door:
    """The door of a play, open on loopback."""

    play: Play
    tokens: Tokens
    loop: Loop[Story]
    gate: Gate
    desk: Desk
    port: int
    secrets: list[str] = field(default_factory=list)

    def bearer(self, who: str) -> str:
        return f"Authorization: Bearer {self.tokens.read(who)}"

    def say(self, raw: bytes, hangup: bool = False, rest: float = 0.0) -> Answer:
        """Bytes as they are, and the first answer to them.

        `hangup`: nothing more will come from us, and we say so. `rest`: listen on for so many seconds for more answers.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as line:
            with contextlib.suppress(OSError):  # refused while we still talk
                line.sendall(raw)
                if hangup:
                    line.shutdown(socket.SHUT_WR)
            got = b""
            with contextlib.suppress(OSError):
                while not _whole(got) and (part := line.recv(65536)):
                    got += part
                line.settimeout(rest or PATIENCE)
                while rest and (part := line.recv(65536)):
                    got += part
        first = got.split(b"\r\n", 1)[0].split(b" ")
        return Answer(int(first[1]) if len(first) > 1 else 0, got.decode("latin-1"))

    def head(self, start: str, *lines: str, host: str | None = None, closed: bool = True) -> bytes:
        """The head of a request, its Host ours if none is given."""
        end = ["Connection: close"] if closed else []
        return "\r\n".join([start, f"Host: {host or f'127.0.0.1:{self.port}'}", *lines, *end, "", ""]).encode("latin-1")

    def ask(self, verb: str, path: str, body: bytes | None = None, *lines: str, host: str | None = None) -> Answer:
        """One request with these header lines; a body is said to be JSON if nothing else is."""
        more = list(lines)
        if body is not None:
            more.append(f"Content-Length: {len(body)}")
            if not any(line.lower().startswith("content-type") for line in lines):
                more.append("Content-Type: application/json")
        return self.say(self.head(f"{verb} {path} HTTP/1.1", *more, host=host) + (body or b""))

    def state(self) -> list[str]:
        """All that the ledger and the hub hold, as text: what a refused request must leave alone."""
        with contextlib.closing(sqlite3.connect(f"file:{self.play.workspace.ledger}?mode=ro", uri=True)) as db:
            rows = list(db.iterdump())
        return rows + sorted(f"{name} {commit}" for name, commit in self.play.hub.refs().items())


def _whole(got: bytes) -> bool:
    """Whether an answer is here to its last byte."""
    head, end, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def until(done: object, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Door]:
    """A play whose baseline is measured, two agents with tokens, and its door. The story is stepped by nobody."""
    play = Play(root)
    play.begin(agents=2)
    tokens = Tokens(play.workspace.tokens)
    for who in ("owner", "viewer", "agent.a0", "agent.a1"):
        tokens.make(who)
    play.story.step = lambda now: False  # type: ignore[method-assign]  # what changes is what was asked
    loop: Loop[Story] = Loop(play.story)
    desk = Desk(loop, tokens)
    gate = guarded(desk, play.workspace)
    sock = bound(play.workspace)
    server = uvicorn.Server(serving(gate))
    loop.start()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    until(lambda: server.started, "the door")
    secrets = [str(tokens.read(who)) for who in ("owner", "viewer", "agent.a0", "agent.a1")]
    try:
        yield Door(play, tokens, loop, gate, desk, sock.getsockname()[1], secrets)
    finally:
        server.should_exit = True
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Shared by the tests of a module: none of them gets anything done."""
    with opened(tmp_path_factory.mktemp("door")) as made:
        yield made
