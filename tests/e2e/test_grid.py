"""`swarm grid` with real processes: asked, measured by runs, killed on the way, answered."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.e2e.box import Box, have, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_a_wave_is_asked_measured_and_answered(box: Box) -> None:
    have("tmux", "bwrap")
    steps = box.folder / "steps.json"
    steps.write_text("[]")
    box.run("spawn", "--device", "cpu", "--gpus", "2", "--agents", "scripted", "--command", str(steps), "--hours", "1")
    said = box.run("grid", "A=1.0,0.5", "B=2.0,1.5").stdout
    assert "wave 1 on e0001: 4 cells (1 known already), 3 runs" in said
    assert "no constant" in box.run("grid", "NOPE=1,2", code=1).stderr
    box.until("SELECT COUNT(*) FROM cells")
    # the coordinator dies in the middle of it
    box.until("SELECT COUNT(*)>0 FROM runs r JOIN experiments e ON e.id=r.experiment WHERE e.origin='wave'")
    os.kill(box.door()["pid"], signal.SIGKILL)
    box.until("SELECT state='done' FROM waves WHERE id=1")
    found = json.loads(box.run("grid", "--show", "1", "--json").stdout)
    best = box.value("SELECT experiment FROM cells WHERE levels LIKE '%0.5%1.5%'")
    assert found["answer"]["best"] == best
    assert found["answer"]["main"][0]["change"]["value"] == pytest.approx(-0.5, abs=0.1)
    counted = box.query(
        "SELECT e.id, COUNT(*) FROM runs r JOIN experiments e ON e.id=r.experiment WHERE e.origin='wave' "
        "AND r.purpose='screen' AND r.status='finished' GROUP BY 1"
    )
    assert [n for _, n in counted] == [1, 1, 1]
    text = box.run("grid", "--show", "1").stdout
    assert f"best is {best} (A=0.5 B=1.5)" in text
    until(lambda: box.value("SELECT best FROM campaigns") == best, say=box.log)
    assert "wave 1 on e0001" in box.run("recall", "wave").stdout
    waited = box.run("grid", "C=3.0,2.5", "--wait").stdout
    assert "wave 2 on" in waited
    assert "best is" in waited
    assert box.run("grid").stdout.count("done") == 2
