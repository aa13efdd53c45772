"""The tuner's loop against a door that plays a coordinator."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from swarm.agents.contact import Contact
from swarm.agents.tuner import Tuner, TunerKind, read_values
from swarm.client import Client
from swarm.errors import Refused, SwarmError
from swarm.ports import Seat
from swarm.research.constants import changes, constants, with_values

SOURCE = "MATRIX_LR = 0.04\n\nTOTAL_BATCH_SIZE = 512\n\nBETA = 0.9\n\nprint('training')\n"


class Door:
    """A coordinator that judges at once: `loss` of the values decides, and the tip moves to what is better."""

    def __init__(self, experiments: int, source: str = SOURCE) -> None:
        self.source = source
        self.left = experiments
        self.rows: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.failing = 0  # the next so many requests are answered with 503
        self.refusals: list[tuple[int, str]] = []
        self.submitted: list[dict[str, Any]] = []
        self.constraints: list[str] = []

    def answer(self, verb: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(verb)
        if self.failing:
            self.failing -= 1
            return 503, {"error": "starting", "hint": ""}
        if verb == "wait":
            results, self.results = self.results, []
            over = self.left <= 0
            return 200, {
                "stop": over, "why": "8 experiments" if over else "", "room": int(not over), "tip": "e0001", "base": "e0001",
                "news": [], "results": results,
            }  # fmt: skip
        if verb == "constants":
            texts = {n: c.text for n, c in constants(self.source).items()}
            return 200, {
                "file": "train.py", "source": self.source, "constants": texts, "experiments": self.rows,
                "constraints": self.constraints,
            }  # fmt: skip
        if self.refusals:
            status, text = self.refusals.pop()
            return status, {"error": text, "hint": ""}
        return 200, self.submit(body)

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        self.left -= 1
        self.submitted.append(body)
        after = with_values(self.source, body["values"])
        assert body["description"] == ", ".join(changes(self.source, after))
        loss = abs(float(constants(after)["MATRIX_LR"].value) - 0.02)  # type: ignore[arg-type]
        ident = f"e{len(self.rows) + 2:04}"
        self.rows.append({"values": {n: c.text for n, c in constants(after).items()}, "loss": loss, "mine": True})
        self.results.append({"experiment": ident, "verdict": "keep", "score": loss, "delta": -0.1, "p": 0.9,
                             "reason": "", "description": body["description"]})  # fmt: skip
        self.source = after
        return {"experiment": ident, "diff": "", "notes": [], "room": 1}


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[ThreadingHTTPServer] = []

    def start(door: Door) -> Client:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply({})

            def do_POST(self) -> None:
                self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def reply(self, body: dict[str, Any]) -> None:
                assert self.headers["Authorization"] == "Bearer secret"
                status, found = door.answer(self.path.removeprefix("/v1/"), body)
                raw = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        client = Client(f"http://127.0.0.1:{server.server_port}", "secret")
        client.patience = 0.0
        return client

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def seat(**options: object) -> Seat:
    p = Path("nowhere")
    return Seat("cpu0-tuner", "tuner", p, p, p, p, p, ("train.py",), "", options)


class Pane:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.slept: list[float] = []

    def tuner(self, client: Client, **options: object) -> Tuner:
        return Tuner(seat(**options), Contact(client, self.lines.append, self.slept.append, lambda: sum(self.slept)))


def test_it_works_until_the_campaign_is_over(serve: Any) -> None:
    door, pane = Door(8), Pane()
    assert pane.tuner(serve(door)).run() == 0
    assert len(door.submitted) == 8
    assert len({json.dumps(row["values"], sort_keys=True) for row in door.rows}) == 8
    assert pane.lines[-1] == "the campaign is over: 8 experiments"
    assert sum("keep" in line for line in pane.lines) == 8
    assert any("trying MATRIX_LR 0.04→" in line for line in pane.lines)
    assert pane.slept == []


def test_two_of_the_same_name_do_the_same_and_of_another_name_something_else(serve: Any) -> None:
    doors = [Door(3), Door(3), Door(3)]
    for door, name in zip(doors, ("a", "a", "b"), strict=True):
        tuner = Pane().tuner(serve(door))
        tuner.seat = Seat(**{**tuner.seat.__dict__, "agent": name})
        tuner.run()
    assert doors[0].submitted == doors[1].submitted != doors[2].submitted


def test_it_outlives_a_restart_of_the_coordinator(serve: Any) -> None:
    door, pane = Door(2), Pane()
    door.failing = 3
    assert pane.tuner(serve(door)).run() == 0
    assert len(door.submitted) == 2
    assert len(pane.slept) == 3
    assert sum("Trying again" in line for line in pane.lines) == 1


def test_it_gives_up_when_the_coordinator_stays_away(serve: Any) -> None:
    door, pane = Door(1), Pane()
    door.failing = 10_000
    with pytest.raises(SwarmError, match="did not come back"):
        pane.tuner(serve(door)).run()
    assert 900 <= sum(pane.slept) < 1000
    assert len(pane.slept) < 100


def test_a_refusal_is_said_and_the_same_is_not_asked_again(serve: Any) -> None:
    door, pane = Door(2), Pane()
    door.refusals = [(409, "your queue is full.")]
    assert pane.tuner(serve(door)).run() == 0
    assert "not taken: your queue is full." in pane.lines
    assert len(door.submitted) == 2
    assert pane.slept == [2.0]


def test_it_goes_when_it_is_sent_away(serve: Any) -> None:
    door, pane = Door(2), Pane()
    door.refusals = [(401, "no such token.")]
    with pytest.raises(Refused, match="no such token"):
        pane.tuner(serve(door)).run()
    assert pane.slept == []


def test_a_file_without_constants_is_waited_with(serve: Any) -> None:
    door, pane = Door(1, "x = 1\n"), Pane()
    tuner = pane.tuner(serve(door))

    def enough(seconds: float) -> None:
        pane.slept.append(seconds)
        door.left = 0 if len(pane.slept) == 3 else 1

    tuner.contact.pause = enough
    assert tuner.run() == 0
    assert pane.lines.count("no constants to tune in train.py; waiting") == 1


def test_only_what_it_was_told_to_tune(serve: Any) -> None:
    door = Door(4)
    Pane().tuner(serve(door), only=["BETA"]).run()
    assert {name for body in door.submitted for name in body["values"]} == {"BETA"}


def test_it_proposes_nothing_that_the_person_forbids(serve: Any) -> None:
    door = Door(12)
    door.constraints = ["MATRIX_LR <= 0.05", "MATRIX_LR > 0.03", "BETA unchanged", "what is this"]
    Pane().tuner(serve(door)).run()
    sent = [body["values"] for body in door.submitted]
    assert {name for values in sent for name in values} == {"MATRIX_LR", "TOTAL_BATCH_SIZE"}
    assert all(0.03 < float(values.get("MATRIX_LR", "0.04")) <= 0.05 for values in sent)


def test_its_options_are_checked_before_it_starts() -> None:
    TunerKind().check({"only": ["A"], "device": "cuda"})
    for options in ({"only": 3}, {"device": "tpu"}):
        with pytest.raises(SwarmError):
            TunerKind().check(options)


def test_values_are_read_from_texts_and_nothing_is_run() -> None:
    assert read_values({"A": "2**4", "B": "open('x')", "C": "'s'", "D": "1\nE = 2"}) == {"A": 16, "C": "s"}
