"""A real browser shows a page that tries all a page can against the door: refused, nothing learnt, nothing changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from swarm.api import gate as gates
from tests.security.browser import Open, Site, reported
from tests.security.conftest import Door

pytestmark = pytest.mark.e2e

GUESS = "gUeSs3d-t0k3n-of-f0rtY-th7ee-cHaract3rs-0000"
DEAF = {"beacon-text", "beacon-json", "video"}  # whoever is asked: the request itself is what there is
# what a browser never shows to a page of another origin, however open the other side is
OPAQUE = {
    "get-opaque", "post-opaque", "post-opaque-form", "post-opaque-promote", "post-opaque-undo", "post-opaque-tell",
    "post-keepalive", "form-text", "form-address", "form-parts", "frame",
}  # fmt: skip


@dataclass
class Watched:
    """The real door and what came to it: (name of the try, origin, status) of each request that it refused, and those let in."""

    door: Door
    refused: list[tuple[str, str, int]] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)

    @property
    def tries(self) -> set[str]:
        return {name for name, *_ in self.refused}


@pytest.fixture
def watched(door: Door, monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen = Watched(door)
    note, let_in = door.gate._note, door.gate._let_in

    def noting(scope: gates.Scope, status: int, why: str) -> None:
        origin = b"".join(value for name, value in scope["headers"] if name == b"origin").decode()
        seen.refused.append((parse_qs(scope["query_string"].decode()).get("try", [""])[0], origin, status))
        note(scope, status, why)

    async def letting(scope: gates.Scope, receive: gates.Receive, send: gates.Send) -> None:
        seen.let_in.append(str(scope["path"]))
        await let_in(scope, receive, send)

    monkeypatch.setattr(gates, "TOLD", 100_000)
    monkeypatch.setattr(door.gate, "_note", noting)
    monkeypatch.setattr(door.gate, "_let_in", letting)
    return seen


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def anybodys() -> Iterator[Open]:
    made = Open()
    yield made
    made.shutdown()
    made.server_close()


def refused(watched: Watched, report: Mapping[str, Any], before: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Every try came to the door, none was let in, none changed a thing, and the log has all of it but no token."""
    assert watched.let_in == []
    assert watched.tries >= report.keys()
    assert watched.door.state() == before
    lines = [r.getMessage() for r in caplog.records]
    assert len([line for line in lines if line.startswith("refused ")]) == len(watched.refused)
    assert not [line for line in lines for token in (*watched.door.secrets, GUESS) if token in line]


def guessed(watched: Watched, right: bool) -> str:
    """The token that the page tries: also the right one must not help it."""
    return str(watched.door.tokens.read("owner")) if right else GUESS


@pytest.mark.parametrize(
    ("page", "host", "right"),
    [
        ("page", "127.0.0.1", False),
        ("page", "localhost", True),
        ("sandboxed", "127.0.0.1", True),
        ("sandboxed", "localhost", False),
    ],
)
def test_a_page_of_another_origin(
    watched: Watched, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, page: str, host: str, right: bool
) -> None:
    before, home = watched.door.state(), f"http://127.0.0.1:{site.port}"
    with caplog.at_level(logging.DEBUG):
        report = reported(
            tmp_path,
            site,
            f"{home}/{page}",
            lambda: watched.tries,
            home=home,
            target=f"http://{host}:{watched.door.port}",
            guess=GUESS,
        )
        refused(watched, report, before, caplog)
    assert {name: e["read"] for name, e in report.items() if e["read"]} == {}
    origin = "null" if page == "sandboxed" else home
    assert {(said, status) for _, said, status in watched.refused} == {(origin, 403), ("", 401)}


@pytest.mark.parametrize("right", [False, True])
def test_a_page_whose_name_was_rebound_to_this_machine(
    watched: Watched, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, right: bool
) -> None:
    """To the browser page and door are one origin: it sends no Origin and lets the page read. What it reads is the refusal."""
    before, home = watched.door.state(), f"http://evil.example:{watched.door.port}"
    with caplog.at_level(logging.DEBUG):
        report = reported(
            tmp_path, site, f"{home}/page", lambda: watched.tries, home=home, target=home, guess=guessed(watched, right)
        )
        refused(watched, report, before, caplog)
    assert {status for *_, status in watched.refused} == {403}
    read = {e["read"] for e in report.values() if e["read"]}
    assert read, "the page reads nothing at all: this is not what a rebound name looks like"
    assert {json.loads(text)["error"] for text in read} == {"this door answers on this machine only."}


@pytest.mark.parametrize("rebound", [False, True])
def test_the_same_page_gets_through_where_nobody_stands_at_the_door(
    anybodys: Open, site: Site, tmp_path: Path, rebound: bool
) -> None:
    """Else the tests above would pass with a page that cannot do anything."""
    evil = f"http://evil.example:{anybodys.port}"
    home, target = (evil, evil) if rebound else (f"http://127.0.0.1:{site.port}", f"http://127.0.0.1:{anybodys.port}")
    report = reported(
        tmp_path,
        site,
        f"{home}/page",
        lambda: {name for _, name in anybodys.seen},
        home=home,
        target=target,
        guess=GUESS,
    )
    read = {name for name, e in report.items() if e["read"]}
    assert read == report.keys() - (DEAF if rebound else DEAF | OPAQUE)
    verbs = dict.fromkeys(name for verb, name in anybodys.seen if verb == "POST")
    assert [
        name for name in report if name.startswith(("post", "form", "beacon", "xhr-post")) and name not in verbs
    ] == []
