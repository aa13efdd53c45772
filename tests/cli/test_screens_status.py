"""Status, watch, news and the picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm import clock, procs
from swarm.cli import control, news, plot, screen, show, status, watch
from swarm.cli.picture import AXES, picture_of
from swarm.errors import SwarmError, UsageError
from swarm.ledger.reader import Reader
from swarm.research.experiment import Event
from swarm.views import snapshot
from swarm.workspace import Workspace
from tests.cli.test_screens_board import harmless
from tests.cli.test_screens_words import HOSTILE
from tests.ledger.made import Night, add, made

HEAVY = ("pydantic", "git", "libtmux", "fastapi", "matplotlib", "yaml", "optuna", "swarm.repo", "swarm.config")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def night(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Night:
    night = made(workspace.ledger, 60)
    monkeypatch.setattr(clock, "now", lambda: night.now + 30)
    return night


@pytest.fixture
def coordinator(workspace: Workspace) -> Iterator[None]:
    workspace.make()
    fd = procs.take(workspace.lock)
    assert fd is not None
    workspace.door.write_text(json.dumps({"url": "http://127.0.0.1:1", "host": "node7"}))
    yield
    os.close(fd)


@pytest.mark.usefixtures("coordinator")
def test_status_says_all_in_a_few_lines(night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    status.run(workspace)
    lines = harmless(capsys.readouterr().out)
    text = "\n".join(lines)
    assert lines[0].startswith("  campaign nov20 · running 1 h ")
    assert "or at $60" in lines[0]
    assert lines[0].endswith("coordinator ok on node7")
    assert night.best in lines[1]
    assert "confirmed" in lines[1]
    assert "baseline 0.9981" in lines[1] + lines[2]
    assert "one run against one run tells 0.00" in text
    assert "60 experiments + " in text
    assert "kept (about " in text
    assert "of them real)" in text
    assert "improvement" not in text
    assert sum("gpu" in line and ("yes" in line or "behind" in line) for line in lines) == 4


@pytest.mark.usefixtures("coordinator")
def test_status_tells_what_agents_and_their_gpus_do(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    add(night.db, "experiments", id="e0700", campaign=1, agent="gpu0-claude", origin="submit", kind="code", description="x", stage="bound",
        created=night.now)  # fmt: skip
    night.run("e0700", "screen", None, "0", status="running", ended=None, started=night.now - 160)
    night.run("e0003", "confirm", None, "1", status="running", ended=None)
    night.db.execute("UPDATE agents SET state='limited', until=? WHERE name='gpu1-codex'", (night.now + 1800,))
    night.db.execute("UPDATE agents SET state='crashed', until=? WHERE name='gpu2-claude'", (night.now + 90,))
    night.db.execute("UPDATE agents SET state='stopped' WHERE name='gpu3-codex'")
    status.run(workspace)
    lines = {
        line.split()[0]: line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("  gpu") and "-" in line
    }
    assert "training e0700 3:10 · writing the next" in lines["gpu0-claude"]
    assert "rate limit until " in lines["gpu1-codex"]
    assert "! its process ended" in lines["gpu2-claude"]
    assert "stopped" in lines["gpu3-codex"]


@pytest.mark.usefixtures("coordinator")
def test_status_tells_who_is_stuck_and_what_it_costs(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    night.say("stuck", "gpu0-claude", None, turns=4, why="", fresh=True)
    night.experiment("e0800", "e0001", "after all", agent="gpu0-claude")
    night.say("submitted", "gpu0-claude", "e0800")
    night.say("stuck", "gpu1-codex", None, turns=3, why="", fresh=False)
    night.say("stuck", "gpu2-claude", None, turns=4, why="", fresh=True)
    for agent, usd in (("gpu1-codex", 17.0), ("gpu3-codex", 0.4), ("gpu0-claude", None)):
        add(night.db, "costs", campaign=1, agent=agent, experiment="e0800", tokens=1000, usd=usd, at=night.now)
    night.db.execute("UPDATE agents SET options='{\"login\": \"plan\"}' WHERE kind='claude'")
    night.db.execute("UPDATE campaigns SET task=json_set(task, '$.policy.gpu_price', 2.0)")
    add(night.db, "agents", name="tuner", campaign=1, kind="tuner", state="thinking", base="e0001", tip="e0001", created=1.0,
        options=json.dumps({"device": "cuda", "idle": True}))  # fmt: skip
    status.run(workspace)
    lines = harmless(capsys.readouterr().out)
    rows = {line.split()[0]: line for line in lines if line.strip() and line.startswith("  ")}
    assert "! 3 turns without a submission, told " in rows["gpu1-codex"]
    assert "! 4 turns without a submission, began" in rows["gpu2-claude"]
    assert "without a submission" not in rows["gpu0-claude"]
    assert " idle " in rows["tuner"] and "waits for an idle GPU" in rows["tuner"]
    money = rows["money"]
    assert "$17.40 API of $60 · claude on a plan · " in money
    assert " GPU-h × $2.00 = $" in money
    status.run(workspace, as_json=True)
    found = {a["name"]: a for a in json.loads(capsys.readouterr().out)["agents"]}
    assert (found["gpu1-codex"]["usd"], found["gpu1-codex"]["tokens"]) == (17.0, 1000)
    show.run(workspace, "e0800")
    assert "3,000 tokens · $17.40" in capsys.readouterr().out


def test_status_without_a_coordinator_says_so_and_what_to_type(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    status.run(workspace)
    text = capsys.readouterr().out
    harmless(text)
    assert "no coordinator" in text
    assert "swarm resume" in text
    night.db.execute("UPDATE campaigns SET state='ended', ended=?, why_ended='stop.hours'", (night.now,))
    status.run(workspace)
    text = capsys.readouterr().out
    assert "after 1 h" in text
    assert "stop.hours" in text
    assert "no coordinator" not in text
    assert "swarm export" in text


@pytest.mark.usefixtures("coordinator")
@pytest.mark.parametrize("state", ["baseline", "searching", "ending"])
def test_status_from_the_first_second_on(workspace: Workspace, capsys: pytest.CaptureFixture[str], state: str) -> None:
    night = made(workspace.ledger, 0, device="cpu")
    night.db.execute("UPDATE experiments SET estimate=NULL, raw=NULL, runs=0")
    night.db.execute("UPDATE campaigns SET state=?, stop='{}'", (state,))
    status.run(workspace)
    watch.run(workspace)
    text = capsys.readouterr().out
    harmless(text)
    assert "  cores " in text


def test_status_for_programs(night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    status.run(workspace, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["campaign"]["best"] == night.best
    assert found["campaign"]["stop"]["rule"]["usd"] == 60.0
    assert len(found["agents"]) == 4
    assert found["alive"] is False


def test_nothing_recorded_says_how_to_begin(workspace: Workspace) -> None:
    for command in (status.run, watch.run, plot.run):
        with pytest.raises(SwarmError, match="nothing recorded") as error:
            command(workspace)
        assert "swarm spawn" in error.value.hint


def test_watch_without_a_terminal_draws_once(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    night.say("told", "gpu0-claude", None, text=HOSTILE)
    night.say("machine", None, None, text=HOSTILE)
    watch.run(workspace)
    text = "\n".join(harmless(capsys.readouterr().out))
    assert "campaign nov20" in text
    assert "★ best" in text
    assert "told gpu0-claude" in text


@pytest.mark.parametrize("height", [3, 12, 24, 50])
def test_watch_fits_any_terminal(night: Night, workspace: Workspace, height: int) -> None:
    from rich.console import Console

    console = Console(width=80, height=height, highlight=False, markup=False)
    with console.capture() as drawn:
        console.print(watch.draw(workspace, 80, height, console))
    lines = drawn.get().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert height < 24 or len(lines) <= height


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("spawned", {"agents": ["a"], "slots": ["0"]}), ("baseline", {"score": 0.99, "sd": 0.001, "runs": 3}),
        ("submitted", {"description": "x"}), ("judged", {"verdict": "keep", "p": 0.9, "delta": -0.001, "reason": ""}),
        ("judged", {"verdict": "crash", "reason": "oom\ntail"}), ("lost", {"run": 1, "attempt": 1, "why": "x"}),
        ("not-held", {"p": 0.1, "n": 2}), ("promoted", {"previous": "e1", "by": "person", "p": None}),
        ("withdrawn", {"to": "e1"}), ("rebased", {"was": "e1", "stack": None, "kept": []}),
        ("rebased", {"was": "e1", "stack": "e9", "kept": ["e2"]}), ("stacked", {"stack": "e9", "members": ["e2", "e3"]}),
        ("told", {"text": "hi", "from": "you"}), ("program", {"hash": "x"}), ("agent", {"state": "crashed", "why": "it ended"}),
        ("paused", {}), ("resumed", {}), ("ended", {"why": "stop.hours"}), ("machine", {"text": "slow"}),
        ("grid", {"answer": {"wave": 3, "on": "e0001", "runs": 5}}), ("grid", {"stopped": 3}), ("wave", {"wave": 3, "text": "wave 3"}),
        ("unstacked", {"members": ["e2"], "text": "e2 does not help"}), ("blank", {"p": 0.6, "n": 2}),
    ],
)  # fmt: skip
def test_every_event_has_a_sentence(kind: str, data: dict[str, object]) -> None:
    line = news.line(Event(1, 1, 1000.0, kind, "gpu0", "e0009", json.dumps(data)), 1000.0)
    assert line is not None
    assert "None" not in line.plain
    assert "\n" not in line.plain
    assert news.line(Event(1, 1, 1000.0, kind, None, None, "{}"), 1000.0) is not None or kind in (
        "machine",
        "wave",
        "unstacked",
    )
    assert news.line(Event(1, 1, 1000.0, "unknown kind", None, None, "not json"), 1000.0) is None


@pytest.mark.parametrize("by", AXES)
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_picture_is_drawn(workspace: Workspace, capsys: pytest.CaptureFixture[str], by: str, better: str) -> None:
    night = made(workspace.ledger, 40, better=better)
    night.db.execute("UPDATE experiments SET description='costs $5 and $x^{ \\frac'")
    night.db.execute("UPDATE promotions SET withdrawn=at+60 WHERE id=(SELECT MAX(id) FROM promotions)")
    night.say("rebased", "gpu0-claude", night.best, was="e0002", stack=None, kept=[])
    out = workspace.root / "p.svg"
    plot.run(workspace, out, by)
    text = out.read_text()
    assert "<svg" in text
    with Reader(workspace.ledger) as reader:
        picture = picture_of(reader, by)
    assert len(picture.dots) == 40
    xs = [d.x for d in picture.dots]
    assert xs == sorted(xs)
    assert picture.steps[0].experiment == "e0001"
    assert picture.steps[-1].back
    assert len(picture.rebases) == 1


def test_the_picture_is_png_and_svg_beside_the_ledger(night: Night, workspace: Workspace) -> None:
    plot.run(workspace)
    assert (workspace.root / "progress.png").read_bytes().startswith(b"\x89PNG")
    assert (workspace.root / "progress.svg").stat().st_size > 1000
    with pytest.raises(UsageError):
        plot.run(workspace, Path("x.jpg"))
    with pytest.raises(UsageError):
        plot.run(workspace, None, "weeks")
    with pytest.raises(SwarmError, match="cannot write"):
        plot.run(workspace, workspace.root / "no" / "where.png")


def test_only_a_baseline_makes_a_picture_too(workspace: Workspace) -> None:
    night = made(workspace.ledger, 0)
    plot.run(workspace, workspace.root / "a.png")
    night.db.execute("UPDATE experiments SET estimate=NULL")
    with pytest.raises(SwarmError, match="baseline comes first"):
        plot.run(workspace, workspace.root / "a.png")


def test_reading_screens_start_without_heavy_packages() -> None:
    """A person asks for the status many times a day: no pydantic, git, tmux, web server or plotting is loaded for it."""
    code = (
        "import sys; from swarm.cli import leaderboard, status, show, diff, log, plot, watch, export; "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_big_numbers_are_shown_whole(night: Night, workspace: Workspace) -> None:
    with Reader(workspace.ledger) as reader:
        found = snapshot(reader, night.now, True)
    busy = [replace(a, experiments=12500, kept=3492, behind=1859, on_best=False) for a in found.agents]
    drawn = screen.console(100)
    with drawn.capture() as shown:
        drawn.print(status.draw(replace(found, agents=tuple(busy))))
    lines = harmless(shown.get())
    assert sum("12500  3492" in line and "no, 1859 behind" in line for line in lines) == len(busy)


FOUND = {
    "share": 0.1, "state": "waiting", "seconds": 28800.0, "equal": 28800.0, "p": 0.68, "ahead": "none",
    "control": {"experiment": "e0040", "estimate": 0.9869, "stderr": 0.0012, "runs": 2},
    "swarm": {"experiment": "e0012", "estimate": 0.9861, "stderr": 0.0012, "runs": 3},
}  # fmt: skip


def test_the_control_is_one_sentence(night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    status.run(workspace)
    assert "TPE alone" not in capsys.readouterr().out
    add(night.db, "figures", campaign=1, name="control", value=json.dumps(FOUND), at=night.now)
    status.run(workspace)
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "control TPE alone, 8.0 GPU-h: 0.9869 ± .0012. The swarm after its first 8.0 GPU-h: 0.9861 ± .0012. "
        "No difference that early (P 0.68)." in text
    )
    status.run(workspace, as_json=True)
    assert json.loads(capsys.readouterr().out)["control"] == FOUND


@pytest.mark.parametrize(
    ("p", "ahead", "said"), [(0.97, "swarm", "The swarm is ahead"), (0.01, "control", "TPE alone is ahead")]
)
def test_the_control_is_told_flattering_or_not(p: float, ahead: str, said: str) -> None:
    assert said in control.line({**FOUND, "p": p, "ahead": ahead}, 4)
    assert "nothing to compare yet" in control.line({"seconds": 0.0, "state": "waiting"}, 4)
    assert "has stopped" in control.line({**FOUND, "state": "stopped"}, 4, goes_on=True)
    assert "has stopped" not in control.line({**FOUND, "state": "stopped"}, 4)
