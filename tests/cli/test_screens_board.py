"""Leaderboard, show, diff, log, export: what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.cli import diff, export, leaderboard, log, show
from swarm.errors import SwarmError
from swarm.workspace import Workspace
from tests.cli.test_screens_words import HOSTILE
from tests.ledger.made import Night, made

KEYS = [
    "rank", "experiment", "commit", "agent", "score", "estimate", "stderr", "runs", "state", "verdict", "p_better", "kind",
    "lines", "hardware", "peak_vram_mb", "measured_by", "description", "p_real",
]  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def night(workspace: Workspace) -> Night:
    return made(workspace.ledger, 60)


def harmless(text: str, width: int = 100) -> list[str]:
    """The lines of a screen, none with escape codes, none too wide."""
    assert not any(c in text for c in "\x1b\x07\u202e\x9b\x00")
    assert all(len(line) <= width for line in text.splitlines()), max(text.splitlines(), key=len)
    return text.splitlines()


def test_the_board_is_a_hundred_wide_and_says_what_it_shows(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    leaderboard.run(workspace)
    lines = harmless(capsys.readouterr().out)
    assert (
        lines[0] == '  val_bpb on H100 · est. shrunk towards "no effect" · raw mean of n · P(a gain) · lower is better'
    )
    assert lines[1].split() == [
        "#",
        "exp",
        "commit",
        "est.",
        "±",
        "raw",
        "n",
        "P",
        "state",
        "agent",
        "kind",
        "lines",
        "what",
    ]
    assert any("★ best" in line and night.best in line for line in lines)
    assert any("baseline" in line and "e0001" in line and "0.9981" in line for line in lines)
    assert lines[-1].startswith(
        "  60 experiments; top 10 shown (-n 50, --json, --tsv, --raw sorts by raw).  Why: swarm show e0"
    )
    assert "improvement" not in "\n".join(lines)


def test_json_has_the_keys_that_programs_rely_on(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    leaderboard.run(workspace, 3, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [list(r) for r in rows] == [KEYS] * 3
    assert [r["rank"] for r in rows] == [1, 2, 3]
    assert len(rows[0]["commit"]) == 40


def test_tsv_is_a_header_and_a_line_each(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    night.db.execute("UPDATE experiments SET description='a\tb\nc'")
    leaderboard.run(workspace, 4, tsv=True)
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.split("\t")) for line in lines] == [len(KEYS)] * 5
    assert lines[0].split("\t") == KEYS


def test_raw_sorts_by_raw(night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    leaderboard.run(workspace, 9, as_json=True, raw=True)
    scores = [r["score"] for r in json.loads(capsys.readouterr().out)]
    assert scores == sorted(scores)
    leaderboard.run(workspace, raw=True)
    assert "sorted by raw" in capsys.readouterr().out


def test_before_the_baseline_the_board_says_so(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    night = made(workspace.ledger, 0)
    night.db.execute("UPDATE experiments SET estimate=NULL")
    leaderboard.run(workspace)
    assert "swarm status" in capsys.readouterr().out
    leaderboard.run(workspace, as_json=True)
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_agents_cannot_paint_on_a_screen(workspace: Workspace, capsys: pytest.CaptureFixture[str], better: str) -> None:
    night = made(workspace.ledger, 20, better=better)
    night.db.execute("UPDATE experiments SET description=?, hypothesis=?, patch=?", (HOSTILE * 9, HOSTILE, HOSTILE))
    night.db.execute("UPDATE experiments SET reason=? WHERE verdict IS NOT NULL", (f"why\n{HOSTILE}\n{HOSTILE}",))
    leaderboard.run(workspace)
    show.run(workspace, "best")
    show.run(workspace, "e0002")
    log.run(workspace, "e0002", 50)
    assert harmless(capsys.readouterr().out)
    diff.run(workspace, "e0002")
    assert harmless(capsys.readouterr().out, 1000)
    leaderboard.run(workspace, tsv=True)
    assert harmless(capsys.readouterr().out, 10_000)


def test_show_tells_the_verdict_and_why(night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    night.db.execute(
        "UPDATE experiments SET hypothesis='because of the norm', expect=0.98, reason='val_bpb .99 against 1.0' WHERE id=?",
        (night.best,),
    )
    show.run(workspace, "best")
    lines = harmless(capsys.readouterr().out)
    text = "\n".join(lines)
    assert lines[0].startswith(f"  {night.best} ")
    assert "★ best" in lines[0]
    for part in (
        "because of the norm",
        "keep: val_bpb .99 against 1.0 · P(better) 0.",
        "confirming",
        "a change of +0.9800",
        f"swarm log {night.best}",
    ):
        assert part in text
    show.run(workspace, "best", as_json=True)
    card = json.loads(capsys.readouterr().out)
    assert card["experiment"] == night.best
    assert len(card["measurements"]) == card["runs"] == 2
    assert card["patch"].startswith("--- a/train.py")


def test_show_of_a_crash_has_its_last_lines(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    ident = night.db.execute("SELECT id FROM experiments WHERE verdict='crash'").fetchone()[0]
    show.run(workspace, ident)
    text = capsys.readouterr().out
    assert "crash: oom" in text
    assert "CUDA out of memory" in text


@pytest.mark.parametrize("command", [show.run, diff.run, log.run])
def test_unknown_experiments_are_said(night: Night, workspace: Workspace, command: object) -> None:
    with pytest.raises(SwarmError, match="no experiment, commit or branch 'deadbee'"):
        command(workspace, "deadbee")  # type: ignore[operator]


def test_diff_says_what_is_compared(night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    diff.run(workspace, "e0002")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("# e0002 ")
    assert "against e0001" in lines[0]
    assert lines[1:3] == ["--- a/train.py", "+++ b/train.py"]
    assert lines[-1] == "+MATRIX_LR = 0.028"
    with pytest.raises(SwarmError, match="is the baseline"):
        diff.run(workspace, "e0001")


def test_log_shows_the_end_of_the_last_run(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = night.db.execute("SELECT MAX(id) FROM runs WHERE experiment='e0002'").fetchone()[0]
    folder = workspace.run_folder(run, 1)
    folder.mkdir(parents=True)
    steps = "\r".join(f"step {n}" for n in range(100))
    (folder / "log.txt").write_text(
        "loading\n" + steps + "\n" + "".join(f"line {n}\n" for n in range(500)) + "---\nval_bpb: 1\n"
    )
    log.run(workspace, "e0002", 20)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("# e0002 ")
    assert lines[1:3] == ["loading", "step 99"]
    assert lines[-2:] == ["---", "val_bpb: 1"]
    assert any("lines between" in line for line in lines)
    assert len(lines) == 1 + log.HEAD + 1 + 20


def test_a_long_log_is_read_from_its_ends(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = night.db.execute("SELECT MAX(id) FROM runs WHERE experiment='e0002'").fetchone()[0]
    folder = workspace.run_folder(run, 1)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("first\n" + "x" * 79 + "\n" * 1 + ("y" * 79 + "\n") * 10_000 + "last\n")
    log.run(workspace, "e0002", 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "first"
    assert lines[-1] == "last"


def test_a_log_that_is_gone_leaves_what_the_ledger_kept(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    ident = night.db.execute("SELECT id FROM experiments WHERE verdict='crash'").fetchone()[0]
    log.run(workspace, ident, 20)
    assert "CUDA out of memory" in capsys.readouterr().out
    log.run(workspace, "e0001", 20)
    assert "log is gone" in capsys.readouterr().out


def test_export_writes_results_and_spares_other_peoples(
    night: Night, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    export.run(workspace)
    path = workspace.root / "results.tsv"
    assert len(path.read_text().splitlines()) == 62
    export.run(workspace)
    path.write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n0123abc\t0.99\t44.0\tkeep\tmine\n")
    with pytest.raises(SwarmError, match="not of this swarm"):
        export.run(workspace)
    assert "mine" in path.read_text()
    export.run(workspace, "all.csv", workspace.root / "all.csv")
    export.run(workspace, "all.jsonl", workspace.root / "all.jsonl")
    assert len((workspace.root / "all.csv").read_text().splitlines()) == 62
    capsys.readouterr()
    export.run(workspace, "results.tsv", Path("-"))
    assert len(capsys.readouterr().out.splitlines()) == 62
