"""A real training that prints its progress: its curve is recorded, and where the policy says so a hopeless one is ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.daemon.start import ensure
from swarm.workspace import Workspace
from tests.e2e.box import PROJECT, TRAIN, Box, have, until
from tests.e2e.test_kills import of
from tests.e2e.test_main_job import scripted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PROGRESS = """
for n in range(21):
    told = f"step {n:05d} ({5 * n:.1f}%) | loss: {A + B + C + 2 - n / 10:.6f} | lrm: 1.00 | dt: 5ms"
    print(told, end="\\r", flush=True)
    time.sleep(300 if A > 5 and n == 8 else 0.02)
print()
print("---")
"""
POLICY = {"idle_after": 600, "baseline_runs": 5, "early": "parent", "early_by": 6}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    have("git", "tmux", "bwrap")
    made = Box(tmp_path / "a box", train=TRAIN.replace('\nprint("---")\n', PROGRESS))
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    yield made
    made.close()


def test_a_curve_is_recorded_and_a_hopeless_run_is_ended(box: Box) -> None:
    steps: list[dict[str, object]] = [{"set": {"A": "9"}}, {"wait": True}, {"set": {"A": "0.9"}}, {"wait": True}]
    workspace = Workspace(box.ws)
    workspace.make()
    ensure(workspace).post(
        "spawn", task={"path": str(box.task), "run": "python train.py", "budget": "wall:200"}, stop={"hours": 1},
        agents=[scripted(box, "first", "0", steps)], policy=POLICY, name=None, force=False,
        slots=[{"id": "0", "devices": "cpu:0", "accelerator": "core", "torch": "", "device_nodes": []}],
    )  # fmt: skip
    box.until("SELECT COUNT(*)=1 FROM experiments WHERE origin='submit' AND verdict='keep'", patience=240)
    bad, good = (e for (e,) in box.query("SELECT id FROM experiments WHERE origin='submit' ORDER BY id"))
    verdict, reason, runs = box.query("SELECT verdict, reason, runs FROM experiments WHERE id=?", bad)[0]
    assert (verdict, runs) == ("discard", 0)
    assert reason == "ended at 30 % of its budget: loss 15.4 where its parent had 7.4"
    run, attempt = box.query("SELECT id, attempt FROM runs WHERE experiment=?", bad)[0]
    folder = workspace.run_folder(run, attempt)
    until(lambda: not of(folder, str(folder)), say=lambda: f"left: {of(folder, str(folder))}")
    assert json.loads((folder / "result.json").read_text())["outcome"] == "lost"
    assert box.value("SELECT COUNT(*) FROM curves WHERE run=?", run) in (7, 8)
    shown = box.run("show", good).stdout
    assert "loss      5 % 7.8000 · " in shown
    assert "100 % 5.9000" in shown
    told = json.loads(box.run("show", good, "--json").stdout)["measurements"][0]["curve"]
    assert told[9] == [0.5, 6.9]
    assert "ended at 30 %" in box.run("show", bad).stdout
    assert "ended at 30 %" in box.run("recall", "A", "9").stdout
