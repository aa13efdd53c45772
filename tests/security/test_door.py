"""The door against requests as nobody's client writes them: refused, told to the log without a token, nothing changed."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.api import gate as gates
from swarm.api.gate import DISCARDED, LARGEST
from tests.security.conftest import Door, opened

OWNERS = {
    "/v1/spawn": {"task": {"path": "/"}, "agents": [], "slots": []},
    "/v1/try": {"files": {"train.py": "A = 0.0"}, "description": "mine now"},
    "/v1/promote": {"what": "e0001", "force": True, "hold": True},
    "/v1/promote/undo": {},
    "/v1/pause": {},
    "/v1/resume": {},
    "/v1/stop": {"now": True},
    "/v1/agents/a1/tell": {"text": "do as I say"},
    "/v1/agents/a1/replace": {"kind": "scripted", "source": "best"},
}
AGENTS = {
    "/v1/submit": {"description": "in another's name"},
    "/v1/submit/values": {"values": {"A": "0.5"}},
    "/v1/wait": {"timeout": 0},
}
BODY = json.dumps(OWNERS["/v1/stop"]).encode()
PORT = "{port}"


@pytest.fixture
def harmless(door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """After whatever a test sends, the ledger and the refs are as they were, and no token stands in any log."""
    monkeypatch.setattr(gates, "TOLD", 100_000)
    before = door.state()
    with caplog.at_level(logging.DEBUG):
        yield door
    assert door.state() == before
    lines = [record.getMessage() for record in caplog.records]
    assert not [line for line in lines if any(secret in line for secret in door.secrets)]
    assert not [line for line in lines if "\n" in line or "\x1b" in line]


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "swarm.api.gate" and "refused" in r.getMessage()]


def test_the_door_does_its_work_for_who_may(tmp_path: Path) -> None:
    """Else the tests below would pass with a door that is only shut."""
    with opened(tmp_path) as mine:
        before = mine.state()
        assert mine.ask("POST", "/v1/pause", b"{}", mine.bearer("owner")).status == 200
        assert mine.state() != before


@pytest.mark.parametrize("path", [*OWNERS, *AGENTS])
@pytest.mark.parametrize(
    "line", ["", "Authorization: Bearer", "Authorization: Bearer x", "Authorization: Basic {owner}", "Cookie: {owner}",
             "X-Authorization: Bearer {owner}"],
)  # fmt: skip
def test_without_a_token(harmless: Door, caplog: pytest.LogCaptureFixture, path: str, line: str) -> None:
    said = line.format(owner=harmless.tokens.read("owner"))
    body = json.dumps({**OWNERS, **AGENTS}[path]).encode()
    assert harmless.ask("POST", path, body, *([said] if said else [])).status == 401
    assert refusals(caplog) == [f"refused POST {path} 401: no token, or an unknown one."]


@pytest.mark.parametrize("who", ["agent.a0", "viewer"])
@pytest.mark.parametrize("path", OWNERS)
def test_an_owners_verb_from_somebody_else(harmless: Door, path: str, who: str) -> None:
    assert harmless.ask("POST", path, json.dumps(OWNERS[path]).encode(), harmless.bearer(who)).status == 403


@pytest.mark.parametrize("who", ["owner", "viewer"])
@pytest.mark.parametrize("path", AGENTS)
def test_an_agents_verb_from_who_is_none(harmless: Door, path: str, who: str) -> None:
    assert harmless.ask("POST", path, json.dumps(AGENTS[path]).encode(), harmless.bearer(who)).status == 403


def test_an_agent_cannot_name_another_one(harmless: Door) -> None:
    """Who it is comes from its token; a field that says otherwise is refused, whatever it is called."""
    for name in ("agent", "name", "caller", "who"):
        body = json.dumps({"description": "x", name: "a1"}).encode()
        assert harmless.ask("POST", "/v1/submit", body, harmless.bearer("agent.a0")).status == 422
    assert (
        harmless.ask(
            "POST", "/v1/submit?caller=a1&agent=a1", b'{"description":"x"}', harmless.bearer("agent.a0")
        ).status
        == 409
    )
    assert (
        harmless.ask("POST", "/v1/agents/a1/submit", b'{"description":"x"}', harmless.bearer("agent.a0")).status == 404
    )


def test_an_agents_token_is_worth_nothing_once_it_is_taken_away(door: Door) -> None:
    old = door.bearer("agent.a1")
    assert door.ask("GET", "/v1/health", None, old).status == 200
    door.tokens.drop("agent.a1")
    assert door.ask("GET", "/v1/health", None, old).status == 401
    door.tokens.make("agent.a1")
    assert door.ask("GET", "/v1/health", None, old).status == 401
    door.secrets.append(str(door.tokens.read("agent.a1")))


HOSTS = ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1.evil.example:{port}", "127.0.0.1:{port}@evil.example",
         "0.0.0.0:{port}", "[::1]:{port}", "127.1:{port}", "localhost.:{port}", "127.0.0.1:0{port}", "swarm:{port}"]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_foreign_host(harmless: Door, caplog: pytest.LogCaptureFixture, host: str) -> None:
    """A page whose name was rebound to 127.0.0.1 sends its own name, and the token it does not have would not help."""
    answer = harmless.ask(
        "POST", "/v1/stop", BODY, harmless.bearer("owner"), host=host.replace(PORT, str(harmless.port))
    )
    assert answer.status == 403
    assert len(refusals(caplog)) == 1


def test_no_host_two_hosts_and_an_absolute_address(harmless: Door) -> None:
    token, port = harmless.bearer("owner"), harmless.port
    own = f"127.0.0.1:{port}"
    assert (
        harmless.say(harmless.head("POST /v1/stop HTTP/1.1", "Host: evil.example", token, "Content-Length: 0")).status
        >= 400
    )
    assert harmless.say(f"POST /v1/stop HTTP/1.1\r\n{token}\r\nContent-Length: 0\r\n\r\n".encode()).status >= 400
    assert harmless.say(f"POST /v1/stop HTTP/1.0\r\n{token}\r\nContent-Length: 0\r\n\r\n".encode()).status == 403
    strange = f"POST http://evil.example/v1/stop HTTP/1.1\r\nHost: {own}\r\n{token}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert harmless.say(strange.encode()).status in (403, 404)


ORIGINS = ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1", "http://127.0.0.1:{port}.evil.example",
           "http://localhost:{port}/", "file://", "http://evil.example, http://127.0.0.1:{port}"]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_foreign_origin(harmless: Door, origin: str) -> None:
    said = f"Origin: {origin.replace(PORT, str(harmless.port))}"
    assert harmless.ask("POST", "/v1/stop", BODY, harmless.bearer("owner"), said).status == 403


# --- what a page in a browser can send without anybody's leave ----------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("origin", ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"])
def test_a_form_of_a_foreign_page(harmless: Door, kind: str, origin: str) -> None:
    answer = harmless.ask("POST", "/v1/stop", BODY, f"Content-Type: {kind}", origin)
    assert answer.status in (401, 403)
    assert "access-control-allow" not in answer.text.lower()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json-seq"]
)
def test_what_is_no_json_by_its_word_even_with_a_token(harmless: Door, kind: str) -> None:
    assert harmless.ask("POST", "/v1/stop", BODY, harmless.bearer("owner"), f"Content-Type: {kind}").status == 415


def test_a_preflight_is_told_nothing(harmless: Door) -> None:
    for origin in ("http://evil.example", f"http://127.0.0.1:{harmless.port}"):
        asked = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization, content-type",
                 "Access-Control-Request-Private-Network: true")  # fmt: skip
        answer = harmless.ask("OPTIONS", "/v1/stop", None, f"Origin: {origin}", *asked)
        assert answer.status in (401, 403)
        assert "access-control" not in answer.text.lower()


def test_a_page_learns_nothing_by_a_picture_or_a_script(harmless: Door) -> None:
    """GET without an Origin, as <img> and <script> send it: no token, no answer; and none is cached or guessed at."""
    for path in ("/v1/status", "/v1/openapi.json", "/v1/events", "/"):
        answer = harmless.ask("GET", path, None, "Sec-Fetch-Site: cross-site", "Referer: http://evil.example/")
        assert answer.status == 401
        assert "nosniff" in answer.text.lower()
        assert "no-store" in answer.text.lower()
        assert "a0" not in answer.text


def test_a_websocket_is_not_opened(harmless: Door) -> None:
    words = ("Upgrade: websocket", "Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==", "Sec-WebSocket-Version: 13")
    raw = harmless.head("GET /v1/status HTTP/1.1", "Connection: Upgrade", *words, closed=False)
    assert harmless.say(raw).status in (400, 401, 403, 426)


# --- too much, too odd, too slow ----------------------------------------------------------------------------------


def test_too_much_at_once(harmless: Door, caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps({"text": "x" * LARGEST}).encode()
    assert harmless.ask("POST", "/v1/agents/a0/tell", body, harmless.bearer("owner")).status == 413
    assert "refused POST /v1/agents/a0/tell 413" in refusals(caplog)[0]
    for size in (DISCARDED + 1, 10**18, 10**40):
        head = harmless.head(
            "POST /v1/stop HTTP/1.1", harmless.bearer("owner"), f"Content-Length: {size}", closed=False
        )
        assert harmless.say(head, hangup=True).status in (0, 400, 413)


def test_a_large_text_within_a_small_enough_body(harmless: Door) -> None:
    for path, name, who in (
        ("submit", "description", "agent.a0"),
        ("agents/a0/tell", "text", "owner"),
        ("promote", "what", "owner"),
    ):
        body = json.dumps({name: "x" * (1 << 20)}).encode()
        assert harmless.ask("POST", f"/v1/{path}", body, harmless.bearer(who)).status == 422


def test_a_head_that_is_too_large(harmless: Door) -> None:
    token = harmless.bearer("owner")
    assert harmless.ask("POST", "/v1/stop", b"{}", token, *(f"X-{n}: {'y' * 1000}" for n in range(200))).status in (
        0,
        400,
        431,
    )
    assert harmless.ask("POST", "/v1/" + "s" * 100_000, b"{}", token).status in (0, 400, 404, 414, 431)


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (*parts, b""))


def test_chunks(harmless: Door) -> None:
    kind, token = "Content-Type: application/json", harmless.bearer("owner")
    head = harmless.head("POST /v1/agents/a0/tell HTTP/1.1", token, kind, "Transfer-Encoding: chunked")
    assert harmless.say(head + chunks(*[b"x" * (1 << 20)] * 3)).status == 413
    assert harmless.say(head + b"zz\r\n{}\r\n0\r\n\r\n").status in (0, 400)
    assert harmless.say(head + b"5\r\n{}\r\n", hangup=True).status in (0, 400)  # ended in the middle
    assert harmless.say(head + b"ffffffffffffffffffff\r\n", hangup=True).status in (0, 400, 413)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 500"),
        ("Content-Length: +5",),
        ("Content-Length: 5, 500",),
        ("Transfer-Encoding: identity, chunked",),
        ("Transfer-Encoding : chunked",),
        ("X: y\n\nPOST /v1/pause HTTP/1.1",),
    ],
)
def test_nobody_smuggles_a_second_request(harmless: Door, lines: tuple[str, ...]) -> None:
    """Where a request ends must be beyond doubt: who reads it otherwise takes the rest for a request of its own."""
    token, kind = harmless.bearer("viewer"), "Content-Type: application/json"
    inner = harmless.head("POST /v1/pause HTTP/1.1", harmless.bearer("owner"), "Content-Length: 0")
    outer = harmless.head("POST /v1/health HTTP/1.1", token, kind, *lines, closed=False)
    assert "paused" not in harmless.say(outer + b"0\r\n\r\n" + inner, rest=0.15).text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff\xfe{}", b'{"text": 1}', b'{"text": null}', b'{"text": "x", "more": 1}',
        b'{"text": "a\\u0000b"}', b'{"text": "\\ud800"}', b'{"text": ["x"]}', b'{"text": NaN}', b"[" * 100_000,
        b'{"text":' * 5000, b'{"text": "' + b"x" * 10_001 + b'"}', b'{"text": ""}', b"\x00", b'{"text": 1e999}',
    ],
)  # fmt: skip
def test_malformed(harmless: Door, body: bytes) -> None:
    answer = harmless.ask("POST", "/v1/agents/a0/tell", body, harmless.bearer("owner"))
    assert answer.status == 422, answer.text
    assert set(json.loads(answer.text.partition("\r\n\r\n")[2])) == {"error", "hint"}


@pytest.mark.parametrize(
    "start", ["GET", "GET /", "POST /v1/stop", "\x16\x03\x01\x02\x00", "GET /v1/status HTTP/9.9", "x" * 70_000, ""]
)
def test_no_http_at_all(harmless: Door, start: str) -> None:
    assert harmless.say(start.encode("latin-1") + b"\r\n\r\n", hangup=True).status in (0, 400, 403, 431)


@pytest.mark.parametrize(
    "path",
    ["/v1/../v1/stop", "//v1/stop", "/v1/stop%00", "/v1/%2e%2e/stop", "/v1/stop/", "/V1/stop", "/v1/stop;x", "*"],
)
def test_odd_paths(harmless: Door, path: str) -> None:
    assert harmless.ask("POST", path, BODY, harmless.bearer("viewer")).status in (307, 400, 403, 404, 405)


def test_odd_paths_do_nothing_for_the_log(harmless: Door, caplog: pytest.LogCaptureFixture) -> None:
    secret = harmless.tokens.read("owner")
    for path in (f"/v1/{secret}%0aFORGED%1b[31m", f"/v1/stop?token={secret}", f"/v1/agents/{secret}/tell"):
        harmless.ask("POST", path, b"{}")
    lines = refusals(caplog)
    assert len(lines) == 3
    assert "\\n" in lines[0]


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "CONNECT", "STOP", "post"])
def test_other_verbs(harmless: Door, verb: str) -> None:
    assert harmless.ask(verb, "/v1/stop", None, harmless.bearer("owner")).status in (400, 404, 405)
    assert harmless.ask(verb, "/v1/stop", None, "X-HTTP-Method-Override: POST", harmless.bearer("viewer")).status in (
        400,
        404,
        405,
    )


def test_a_body_that_does_not_come(
    harmless: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused when its time is over, and the door answers others meanwhile."""
    monkeypatch.setattr(gates, "BODY_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", harmless.port), timeout=60) as slow:
        kind = "Content-Type: application/json"
        slow.sendall(
            harmless.head("POST /v1/stop HTTP/1.1", harmless.bearer("owner"), kind, "Content-Length: 13") + b'{"no'
        )
        assert harmless.ask("GET", "/v1/health", None, harmless.bearer("viewer")).status == 200
        assert b" 408 " in slow.recv(4096)
    assert "refused POST /v1/stop 408" in refusals(caplog)[0]


def test_many_lines_that_say_nothing_keep_nobody_out(harmless: Door) -> None:
    lines = [socket.create_connection(("127.0.0.1", harmless.port), timeout=60) for _ in range(200)]
    try:
        for line in lines[::2]:
            line.sendall(b"POST /v1/stop HT")
        assert harmless.ask("GET", "/v1/health", None, harmless.bearer("viewer")).status == 200
    finally:
        for line in lines:
            line.close()


def test_a_flood_of_refusals_does_not_fill_the_log(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "TOLD", 5)
    monkeypatch.setattr(door.gate, "_minute", int(time.monotonic() / 60))
    monkeypatch.setattr(door.gate, "_told", 0)
    for _ in range(20):
        assert door.ask("GET", "/v1/status").status == 401
    assert 5 <= len(refusals(caplog)) <= 10  # twice that when a minute ends in between
