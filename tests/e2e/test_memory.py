"""Ideas, the notebook, forecasts and roles with whole processes: scripted agents say what agents say, by the real command."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from tests.e2e.box import PROJECT, Box, have
from tests.e2e.test_main_job import begin, home, scripted

__all__ = ["home"]  # a fixture
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.usefixtures("home")]


def says(*words: str, then: str = "true") -> dict[str, object]:
    """A step in which an agent gives a command of swarm in its worktree."""
    command = " ".join(["env", f"PYTHONPATH={shlex.quote(str(PROJECT))}", shlex.quote(sys.executable), "-m swarm"])
    return {"shell": f"{command} {shlex.join(words)} && {then}"}


def test_an_idea_goes_from_an_analyst_by_an_experimenter_to_its_outcome(box: Box) -> None:
    have("git", "tmux", "bwrap")
    done = box.folder / "refused"
    analyst = scripted(box, "analyst-1", "0", [
        says("idea", "add", "lower A", "--priority", "3", "--evidence", "e0001"),
        says("notebook", "what-failed", "-m", "nothing yet"),
        {"shell": says("submit", "-m", "x")["shell"].__str__().replace(" && true", f" || touch {shlex.quote(str(done))}")},
    ]) | {"role": "analyst", "slot": None}  # fmt: skip
    worker = scripted(box, "worker", "0", [{"wait": True}])
    client = begin(box, [worker])
    client.post(
        "spawn", task=json.loads(box.value("SELECT task FROM campaigns"))["task"], agents=[analyst], slots=[],
        stop={"hours": 1}, policy={}, name=None, force=False,
    )  # fmt: skip
    box.until("SELECT COUNT(*) FROM ideas WHERE state='open' AND author='analyst-1'")
    box.until("SELECT COUNT(*) FROM pages WHERE agent='analyst-1'")
    assert box.value("SELECT json_extract(options, '$.role') FROM agents WHERE name='analyst-1'") == "analyst"
    assert "lower A" in box.run("idea", "list").stdout
    assert "nothing yet" in box.run("notebook", "what-failed").stdout
    box.until("SELECT state='searching' FROM campaigns")

    seat = box.ws / ".swarm" / "agents" / "worker" / "seat.json"
    tree = box.ws / "worktrees" / "worker"
    assert "is yours: lower A" in box.run("idea", "claim", "next", cwd=tree, SWARM_SEAT=str(seat)).stdout
    path = tree / "train.py"
    path.write_text(path.read_text().replace("A = 1.0", "A = 0.5"))
    said = box.run(
        "submit", "-m", "A down", "--expect", "-0.4", "--p", "0.9", "--idea", "1", cwd=tree, SWARM_SEAT=str(seat)
    )
    assert "e0002 is queued" in said.stdout
    box.until("SELECT state='done' FROM ideas WHERE id=1", patience=180)
    assert box.query("SELECT experiment, outcome FROM ideas") == [("e0002", "keep")]
    status = json.loads(box.run("status", "--json").stdout)
    assert status["calibration"]["worker"]["n"] == status["calibration"]["worker"]["np"] == 1
    assert status["ideas"] == {"done": 1}
    assert "a change of −0.4" in box.run("show", "e0002").stdout
    assert "idea 1, done as e0002: keep" in box.run("recall", "lower").stdout
    box.until("SELECT COUNT(*)=0 FROM experiments WHERE agent='analyst-1'")
    from tests.e2e.box import until

    until(done.exists, say=box.log)  # the analyst's submission was refused


def test_spawn_with_roles(box: Box) -> None:
    steps = box.folder / "steps.json"
    steps.write_text("[]")
    refused = box.run(
        "spawn", "--device", "cpu", "--gpus", "1", "--agents", "tuner", "--hours", "1", "--roles", "analyst", code=2
    )
    assert "no tuner can" in refused.stderr and "--agents claude" in refused.stderr
    said = box.run(
        "spawn", "--device", "cpu", "--gpus", "2", "--agents", "scripted", "--command", str(steps), "--hours", "1",
        "--roles", "verifier,analyst",
    ).stdout  # fmt: skip
    assert "1 verifier, 1 analyst without a GPU" in said
    rows = box.query(
        "SELECT name, program, json_extract(options, '$.role') FROM agents WHERE kind='scripted' ORDER BY name"
    )
    assert rows == [
        ("analyst-1", "roles/analyst", "analyst"), ("cpu0-scripted", rows[1][1], None), ("cpu1-scripted", rows[2][1], None),
        ("verifier-1", "roles/verifier", "verifier"),
    ]  # fmt: skip
    brief = box.ws / ".swarm" / "agents" / "analyst-1" / "brief.md"
    assert brief.read_text() == (PROJECT / "programs" / "roles" / "analyst.md").read_text()
