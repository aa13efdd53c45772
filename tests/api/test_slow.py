"""Clients that send their request byte by byte: others are answered meanwhile, and they are hung up on in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Served, serve

MANY = 60
HEAD = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Slow: "


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("slow")
    with serve(folder, head_seconds=1.0) as opened:
        yield opened


def hung_up_on(line: socket.socket, drip: bytes = b"x", patience: float = 60.0) -> bool:
    """Whether it is ended by the other side though a byte comes now and then."""
    line.settimeout(0.2)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            line.sendall(drip)
            if line.recv(1) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def connected(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=30)


def test_stuck_clients_keep_nobody_out_and_are_hung_up_on(slow: Served) -> None:
    lines = [connected(slow) for _ in range(MANY)]
    try:
        for line in lines:
            line.sendall(HEAD % slow.port)
        assert slow.ask("GET", "/v1/health", None, "viewer")[0] == 200
        assert all(hung_up_on(line) for line in lines)
        assert slow.ask("GET", "/v1/health", None, "viewer")[0] == 200
    finally:
        for line in lines:
            line.close()


def test_who_says_nothing_at_all_is_hung_up_on(slow: Served) -> None:
    with connected(slow) as line:
        assert hung_up_on(line, drip=b"")


def test_a_second_request_has_its_time_too(slow: Served) -> None:
    """The first one on the connection was well said."""
    token = slow.tokens.read("viewer")
    with connected(slow) as line:
        line.sendall(HEAD % slow.port + b"no\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode())
        answer = b""
        while b'"ok"' not in answer:
            got = line.recv(4096)
            assert got
            answer += got
        line.sendall(b"GET /v1/hea")
        assert hung_up_on(line)


def test_who_waits_for_an_answer_is_not_hung_up_on(slow: Served) -> None:
    """A long poll is longer than the time for a head."""
    status, answer = slow.ask("POST", "/v1/wait", {"timeout": 2.5}, "agent.gpu0")
    assert status == 200
    assert "room" in answer
