"""A door that really listens on loopback, in a thread, before a story that only pretends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from swarm.api.desk import Desk
from swarm.api.door import guarded, serving
from swarm.api.tokens import Tokens
from swarm.coordinator.loop import Loop
from swarm.daemon.coordinator import bound
from swarm.workspace import Workspace
from tests.api.fake import FakeStory


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@dataclass
class Served:
    """An open door. `ask` is a plain HTTP request with the token of `who`."""

    workspace: Workspace
    story: FakeStory
    tokens: Tokens
    desk: Desk
    loop: Loop[FakeStory]
    server: uvicorn.Server
    port: int

    def ask(
        self, verb: str, path: str, body: Any = None, who: str | None = "owner", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent.setdefault("Authorization", f"Bearer {self.tokens.read(who)}")
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            line.request(verb, path, raw, sent)
            response = line.getresponse()
            return response.status, json.loads(response.read())
        finally:
            line.close()


@contextmanager
def serve(root: Path, **how: float) -> Iterator[Served]:
    """`how`: see `serving`."""
    workspace = Workspace(root)
    workspace.make()
    tokens = Tokens(workspace.tokens)
    for who in ("owner", "viewer", "agent.gpu0"):
        tokens.make(who)
    story = FakeStory()
    loop: Loop[FakeStory] = Loop(story)
    desk = Desk(loop, tokens)
    sock = bound(workspace)
    server = uvicorn.Server(serving(guarded(desk, workspace), **how))
    loop.start()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield Served(workspace, story, tokens, desk, loop, server, sock.getsockname()[1])
    server.should_exit = True
    thread.join(30)
    loop.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("door")) as opened:
        yield opened


@pytest.fixture
def served(shared: Served) -> Served:
    """A door that other tests use too; its story has forgotten them."""
    shared.loop.ask(lambda story: story.forget(), news=False).result(60)
    return shared


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Served]:
    """A door of one's own."""
    with serve(tmp_path) as opened:
        yield opened
