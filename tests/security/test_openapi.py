"""Whatever fits the door's own description, and whatever just does not: an answer in our words, never a broken route."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from swarm.api.door import make
from swarm.coordinator.story import Story
from tests.security.conftest import Door, opened

FEW, MANY = 2, 25  # examples of each verb, by each caller, in each of both modes
VERBS = [
    ("GET", "/v1/health"), ("GET", "/v1/status"), ("GET", "/v1/leaderboard"), ("GET", "/v1/events"),
    ("GET", "/v1/experiments/{experiment}"), ("GET", "/v1/experiments/{experiment}/wait"), ("GET", "/v1/constants"), ("GET", "/v1/scene"),
    ("POST", "/v1/submit"), ("POST", "/v1/submit/values"), ("POST", "/v1/wait"), ("POST", "/v1/try"),
    ("POST", "/v1/promote"), ("POST", "/v1/promote/undo"), ("POST", "/v1/pause"), ("POST", "/v1/resume"),
    ("POST", "/v1/agents/{name}/tell"), ("POST", "/v1/spawn"), ("POST", "/v1/stop"), ("GET", "/v1/best"),
    ("GET", "/v1/recall"), ("GET", "/v1/diff"), ("GET", "/v1/read"), ("GET", "/v1/experiments/{experiment}/log"),
    ("POST", "/v1/adopt"), ("POST", "/v1/note"), ("POST", "/v1/turn"), ("POST", "/v1/agents/{name}/replace"),
    ("POST", "/v1/grid"), ("GET", "/v1/waves"), ("GET", "/v1/waves/{number}"), ("POST", "/v1/waves/{number}/stop"),
    ("GET", "/v1/ideas"), ("GET", "/v1/notebook"), ("POST", "/v1/notebook"), ("POST", "/v1/idea"), ("POST", "/v1/idea/claim"),
    ("POST", "/v1/idea/done"), ("POST", "/v1/flag"), ("POST", "/v1/remeasure"),
]  # fmt: skip
PLAIN = [
    v for v in VERBS if v[1].rpartition("/")[2] in ("health", "status", "constants", "scene", "pause", "best", "waves")
]
SOME = settings(
    max_examples=MANY, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
REFUSALS = (400, 401, 403, 404, 405, 409, 413, 415, 422)


@pytest.fixture(scope="module")
def described(door: Door) -> Any:
    return schemathesis.openapi.from_dict(make(door.desk, door.play.workspace).openapi())


def test_all_verbs_are_tried(described: Any) -> None:
    there = {(o.ok().method.upper(), o.ok().path) for o in described.get_all_operations()}
    assert there == set(VERBS)


def tried(described: Any, door: Door, verb: tuple[str, str], who: str, examples: int = MANY) -> set[int]:
    """The statuses that came back. Each answer is checked."""
    operation = described[verb[1]][verb[0]]
    seen: set[int] = set()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(SOME, max_examples=examples)
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Case) -> None:
            seen.add(answered(door, case, who))

        if mode is GenerationMode.NEGATIVE and verb in PLAIN:
            with pytest.raises(Unsatisfiable):  # nothing can be wrong about a verb without fields
                one()
        else:
            one()
    return seen


def answered(door: Door, case: Case, who: str) -> int:
    said = case.body if case.path == "/v1/wait" else case.query
    if isinstance(said, dict) and case.path.endswith(("wait", "events")):
        given_ = said.setdefault("timeout", 0.0)
        if isinstance(given_, int | float) and given_ > 0:
            said["timeout"] = 0.01  # else a good question is answered after a minute
    case.headers = {k: v for k, v in (case.headers or {}).items() if k.lower() not in ("authorization", "host")}
    answer = case.call(
        base_url=f"http://127.0.0.1:{door.port}", headers={"Authorization": f"Bearer {door.tokens.read(who)}"}
    )
    assert answer.status_code == 200 or answer.status_code in REFUSALS, (case.as_curl_command(), answer.text)
    told = answer.json()
    assert isinstance(told, dict)
    if answer.status_code != 200:
        assert set(told) == {"error", "hint"}
        assert told["error"]
    assert not [secret for secret in door.secrets if secret in answer.text]
    return answer.status_code


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.e2e)])
@pytest.mark.parametrize("verb", VERBS, ids=lambda v: "-".join(v))
def test_nothing_that_a_viewer_says_changes_anything(
    described: Any, door: Door, verb: tuple[str, str], examples: int
) -> None:
    before = door.state()
    seen = tried(described, door, verb, "viewer", examples)
    assert door.state() == before
    if verb[0] == "POST":
        assert 200 not in seen


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door whose campaign may be changed."""
    with opened(tmp_path_factory.mktemp("rough")) as made:
        yield made


@pytest.mark.e2e
@pytest.mark.parametrize("who", ["owner", "agent.a0"])
@pytest.mark.parametrize("verb", [v for v in VERBS if v[1] not in ("/v1/spawn", "/v1/stop")], ids=lambda v: "-".join(v))
def test_nothing_that_others_say_breaks_anything(
    described: Any, rough: Door, caplog: pytest.LogCaptureFixture, verb: tuple[str, str], who: str
) -> None:
    with caplog.at_level(logging.ERROR):
        tried(described, rough, verb, who)
    assert [r.getMessage() for r in caplog.records if r.name.startswith("swarm")] == []
    sound(rough)


@pytest.mark.e2e
@pytest.mark.parametrize("verb", ["/v1/spawn", "/v1/stop"])
def test_a_campaign_that_is_started_and_stopped_at_random(described: Any, tmp_path: Path, verb: str) -> None:
    """Beside others' campaigns: a spawn meets one that runs, a stop ends one."""
    with opened(tmp_path) as mine:
        tried(described, mine, ("POST", verb), "owner")
        sound(mine)


def sound(door: Door) -> None:
    """The ledger is whole, its refs are commits, and the story goes on."""
    with contextlib.closing(sqlite3.connect(f"file:{door.play.workspace.ledger}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        refs = db.execute('SELECT name, "commit" FROM refs').fetchall()
    assert door.loop.ask(lambda story: all(story.world.hub.resolve(c) == c for _, c in refs), news=False).result(60)
    now = door.play.now + 1
    door.loop.ask(lambda story: Story.step(story, now), news=False).result(60)
