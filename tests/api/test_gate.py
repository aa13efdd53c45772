"""Nobody gets past the gate: wrong host, foreign page, no token, too much, no JSON."""

from __future__ import annotations

import http.client
import json
import logging
import socket

import pytest

from swarm.api.gate import LARGEST
from tests.api.conftest import Served

PATHS = ["/v1/health", "/v1/status", "/v1/openapi.json", "/docs", "/nothing", "/", "/v1/experiments/e0001"]


@pytest.mark.parametrize("path", PATHS)
def test_every_route_wants_a_token(served: Served, path: str) -> None:
    assert served.ask("GET", path, who=None)[0] == 401
    assert served.ask("GET", path, who=None, Authorization="Bearer " + "x" * 43)[0] == 401
    assert served.ask("GET", path, who=None, Authorization="Basic " + str(served.tokens.read("owner")))[0] == 401


def test_two_tokens_are_none(served: Served) -> None:
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    line.putrequest("GET", "/v1/health")
    for who in ("owner", "viewer"):
        line.putheader("Authorization", f"Bearer {served.tokens.read(who)}")
    line.endheaders()
    assert line.getresponse().status == 401
    line.close()


def test_with_a_token_what_is_not_there_is_not_there(served: Served) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/v1/nothing"):
        status, answer = served.ask("GET", path)
        assert status == 404
        assert set(answer) == {"error", "hint"}
    assert served.ask("PUT", "/v1/status")[0] == 405
    assert served.ask("OPTIONS", "/v1/status")[0] == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:99999", "10.0.0.1:{port}", ""])
def test_foreign_hosts_are_refused(served: Served, host: str) -> None:
    assert served.ask("GET", "/v1/health", Host=host.format(port=served.port))[0] == 403


def test_own_hosts_are_fine(served: Served) -> None:
    assert served.ask("GET", "/v1/health", Host=f"localhost:{served.port}")[0] == 200
    assert served.ask("GET", "/v1/health", Host=f"127.0.0.1:{served.port}")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1"])
def test_foreign_origins_are_refused(served: Served, origin: str) -> None:
    assert served.ask("GET", "/v1/health", Origin=origin.format(port=served.port))[0] == 403


def test_own_origin_is_fine(served: Served) -> None:
    assert served.ask("GET", "/v1/health", Origin=f"http://127.0.0.1:{served.port}")[0] == 200


def test_a_large_body_is_refused(served: Served) -> None:
    status, answer = served.ask("POST", "/v1/pause", b'"' + b"x" * LARGEST + b'"')
    assert status == 413
    assert "2 MB" in answer["error"]
    assert served.story.asked == []


def test_a_large_chunked_body_is_refused(served: Served) -> None:
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    headers = {"Authorization": f"Bearer {served.tokens.read('owner')}", "Content-Type": "application/json"}
    line.request("POST", "/v1/pause", iter([b"x" * (1 << 20)] * 3), headers, encode_chunked=True)
    assert line.getresponse().status == 413
    line.close()


def test_a_body_announced_as_endless_is_refused_unread(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as line:
        head = (
            f"POST /v1/pause HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Authorization: Bearer {served.tokens.read('owner')}\r\nContent-Length: 99999999999\r\n\r\n"
        )
        line.sendall(head.encode())
        assert b" 413 " in line.recv(4096)


def test_a_body_that_is_no_json_by_its_word(served: Served) -> None:
    assert served.ask("POST", "/v1/resume", b"a=1", Content_Type="application/x-www-form-urlencoded")[0] == 415
    assert served.ask("POST", "/v1/resume", b"{}", Content_Type="text/plain")[0] == 415
    assert served.ask("POST", "/v1/resume", b"{}", Content_Type="application/json; charset=utf-8")[0] == 200


def test_no_token_is_ever_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    token = served.tokens.read("owner")
    with caplog.at_level(logging.DEBUG):
        served.ask("POST", f"/v1/{token}/x%0aINJECTED", {})
        served.ask("POST", "/v1/pause")
        served.ask("GET", f"/v1/status?token={token}")
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("swarm", "uvicorn"))]
    assert any("/v1/pause 200" in line for line in ours)
    assert not any(str(token) in line or "\n" in line for line in ours)


def test_answers_are_not_kept_by_anybody(served: Served) -> None:
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    line.request("GET", "/v1/health", headers={"Authorization": f"Bearer {served.tokens.read('viewer')}"})
    response = line.getresponse()
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert json.loads(response.read())["ok"] is True
    line.close()


def test_the_control_asks_for_nothing_but_its_own(served: Served) -> None:
    for who in ("agent.control", "agent.a0"):
        served.tokens.make(who)
    seen = ("/v1/leaderboard", "/v1/best", "/v1/recall?q=A", "/v1/events", "/v1/experiments/e0001", "/v1/diff?a=e0001")
    for path in (*seen, "/v1/status", "/v1/scene", "/mcp", "/v1/read?file=x", "/v1/constants/../best"):
        assert served.ask("GET", path, who="agent.control")[0] == 403, path
    for path in ("/v1/adopt", "/v1/note", "/v1/submit"):
        assert served.ask("POST", path, {}, who="agent.control")[0] == 403, path
    assert served.ask("GET", "/v1/constants", who="agent.control")[0] == 200
    assert served.ask("GET", "/v1/health", who="agent.control")[0] == 200
    assert served.ask("GET", "/v1/status", who="agent.a0")[0] == 200  # it is the name that is turned away
