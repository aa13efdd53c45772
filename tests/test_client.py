"""The client: patient while somebody brings the coordinator back, plain when nobody does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from swarm import procs
from swarm.client import Client, Unanswered
from swarm.errors import Refused
from swarm.workspace import Workspace


class Door(BaseHTTPRequestHandler):
    """Answers with what `script` says next; the last word is repeated."""

    script: list[Callable[[Door], None]]
    heard: list[tuple[str, str, str, bytes]]

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.heard.append((self.command, self.path, self.headers["Authorization"], body))
        (self.script.pop(0) if len(self.script) > 1 else self.script[0])(self)

    do_GET = do_POST = _any

    def log_message(self, *_: Any) -> None:
        pass


def says(status: int, body: Any = None) -> Callable[[Door], None]:
    def answer(door: Door) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        door.send_response(status)
        door.send_header("Content-Length", str(len(raw)))
        door.end_headers()
        door.wfile.write(raw)

    return answer


def hangs_up(door: Door) -> None:
    door.connection.shutdown(socket.SHUT_RDWR)


class Place:
    """A workspace with a door that a test opens and closes."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.workspace.make()
        self.workspace.token("owner").write_text("secret\n")
        self.heard: list[tuple[str, str, str, bytes]] = []
        self.servers: list[ThreadingHTTPServer] = []

    def open(self, *script: Callable[[Door], None], port: int = 0) -> int:
        handler = type("Handler", (Door,), {"script": list(script), "heard": self.heard})
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.say(server.server_port)
        return server.server_port

    def say(self, port: int, host: str | None = None) -> None:
        note = {"url": f"http://127.0.0.1:{port}", "pid": 1, "host": host or socket.gethostname(), "boot_id": "b"}
        fresh = self.workspace.door.with_name("door.new")
        fresh.write_text(json.dumps(note))
        os.replace(fresh, self.workspace.door)

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers.clear()

    @property
    def client(self) -> Client:
        return Client.at(self.workspace)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


@pytest.fixture
def keeper(place: Place) -> Iterator[None]:
    """A keeper is at work: its lock is held."""
    lock = procs.take(place.workspace.keeper)
    assert lock is not None
    yield
    os.close(lock)


def test_get_and_post(place: Place) -> None:
    place.open(says(200, {"fine": True}))
    assert place.client.get("events", after=3, timeout=None) == {"fine": True}
    assert place.client.post("agents/gpu0/tell", text="ü") == {"fine": True}
    get, post = place.heard
    assert get == ("GET", "/v1/events?after=3", "Bearer secret", b"")
    assert post[:3] == ("POST", "/v1/agents/gpu0/tell", "Bearer secret")
    assert json.loads(post[3])["text"] == "ü"


def test_a_refusal_is_said_as_it_is(place: Place) -> None:
    place.open(says(409, {"error": "taken already", "hint": "others"}))
    with pytest.raises(Refused) as refused:
        place.client.post("spawn", task={})
    assert (refused.value.message, refused.value.hint, refused.value.status) == ("taken already", "others", 409)
    assert len(place.heard) == 1


def test_an_answer_that_is_no_json_is_refused_too(place: Place) -> None:
    place.open(says(502, b"<html>"))
    with pytest.raises(Refused, match="502"):
        place.client.get("status")


def test_nobody_there(place: Place) -> None:
    for prepare in (lambda: None, lambda: place.say(1)):
        prepare()
        with pytest.raises(Unanswered) as nobody:
            place.client.get("status")
        assert nobody.value.message == "no coordinator is running here."
        assert "swarm resume" in nobody.value.hint
        assert not place.client.alive()


def test_a_door_that_is_half_written_is_nobody(place: Place) -> None:
    place.workspace.door.write_text('{"url": "http://12')
    with pytest.raises(Unanswered):
        place.client.get("status")
    assert not place.client.alive()


def test_the_token_never_leaves_this_machine(place: Place) -> None:
    port = place.open(says(200, {"ok": True}))
    place.workspace.door.write_text(json.dumps({"url": f"http://0.0.0.0:{port}"}))
    with pytest.raises(Unanswered, match="this machine"):
        place.client.get("status")
    assert place.heard == []
    place.say(port, "node7")
    with pytest.raises(Unanswered, match="node7"):
        place.client.get("status")
    assert not place.client.alive()
    assert place.heard == []


@pytest.mark.usefixtures("keeper")
def test_a_coordinator_that_comes_back_elsewhere_is_found(place: Place) -> None:
    place.say(1)
    answers: list[Any] = []
    client = place.client
    client.patience = 60
    asking = threading.Thread(target=lambda: answers.append(client.post("submit", description="d")))
    asking.start()
    place.open(says(200, {"experiment": "e0002"}))
    asking.join(60)
    assert answers == [{"experiment": "e0002"}]


@pytest.mark.usefixtures("keeper")
def test_one_that_is_stopping_is_asked_again(place: Place) -> None:
    place.open(says(503, {"error": "stopping"}), says(503, {"error": "stopping"}), says(200, {"ok": True}))
    assert place.client.post("submit", description="d") == {"ok": True}
    assert len(place.heard) == 3


@pytest.mark.usefixtures("keeper")
def test_patience_ends(place: Place) -> None:
    place.say(1)
    client = place.client
    client.patience = 0.1
    with pytest.raises(Unanswered, match="does not come back"):
        client.get("status")
    place.open(says(503, {"error": "the coordinator is stopping.", "hint": "h"}))
    with pytest.raises(Unanswered, match="is stopping"):
        client.get("status")


@pytest.mark.usefixtures("keeper")
def test_what_may_have_been_done_is_not_said_twice(place: Place) -> None:
    place.open(hangs_up, says(200, {"ok": True}))
    with pytest.raises(Unanswered, match="may or may not"):
        place.client.post("submit", description="d")
    assert len(place.heard) == 1
    assert place.client.post("submit", description="d") == {"ok": True}


@pytest.mark.usefixtures("keeper")
@pytest.mark.parametrize("path", ["promote/undo", "agents/gpu0/tell"])
def test_what_has_a_name_is_said_again_under_the_same_one(place: Place, path: str) -> None:
    place.open(hangs_up, says(200, {"n": 2}))
    assert place.client.post(path, text="hi") == {"n": 2}
    first, second = (json.loads(body) for _, _, _, body in place.heard)
    assert first == second
    assert len(first["request"]) == 24
    place.client.post(path, text="hi")
    assert json.loads(place.heard[-1][3])["request"] != first["request"]


@pytest.mark.usefixtures("keeper")
@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_may_be_done_twice_is_said_twice(place: Place, verb: str) -> None:
    place.open(hangs_up, says(200, {"n": 2}))
    assert place.client.post(verb) == {"n": 2}
    assert len(place.heard) == 2


@pytest.mark.usefixtures("keeper")
def test_a_look_is_said_twice(place: Place) -> None:
    place.open(hangs_up, says(200, {"n": 1}))
    assert place.client.get("status") == {"n": 1}
    place.open(hangs_up, says(200, {"n": 2}))
    assert place.client.post("wait", timeout=1) == {"n": 2}


def test_an_agents_client_has_its_two_files(place: Place, tmp_path: Path) -> None:
    place.open(says(200, {"ok": True}))
    place.workspace.token("agent.a").write_text("of-a")
    assert Client.of(place.workspace.door, place.workspace.token("agent.a")).alive()
    assert Client.at(place.workspace, "agent.a").alive()
    assert [heard[2] for heard in place.heard] == ["Bearer of-a", "Bearer of-a"]


def test_no_proxy_is_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    place.open(says(200, {"ok": True}))
    assert place.client.alive()


def test_it_loads_little() -> None:
    code = "import sys, swarm.client; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(eval(done.stdout))
    assert not loaded & {"pydantic", "asyncio", "fastapi", "uvicorn", "requests", "httpx", "sqlite3", "git"}
