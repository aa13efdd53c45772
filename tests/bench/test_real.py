"""The check with real trainings: what it reads off a campaign, its table, and that it ends nothing but its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import real
from bench.sim.campaign import Campaign, Setting
from bench.sim.landscape import Assumptions, values_of
from bench.sim.outcome import file_of


def row(pair: int, way: str, true: float) -> dict[str, Any]:
    return {"pair": pair, "way": way, "experiments": 40, "promotions": 2, "claimed": 0.05, "true": true, "scores": []}


def test_what_a_finished_campaign_says_of_itself(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "c", Assumptions(), Setting(slots=2, hours=1.5, real_git=True), 1)
    outcome = campaign.run()
    told = real._told(campaign.workspace.root)
    best = campaign.ledger.campaign()
    assert best is not None and best.best != best.baseline
    assert values_of(told["source"]) == file_of(campaign.ledger, campaign.story.world.hub, str(best.best)) != {}
    assert (told["claimed"], told["score"]) == (outcome.claimed, outcome.score)
    assert outcome.experiments == sum(outcome.verdicts.get(word, 0) for word in ("keep", "discard", "crash"))
    assert told["promotions"] == len(outcome.records) > 0
    assert told["experiments"] == outcome.experiments


def test_the_difference_is_taken_pair_by_pair() -> None:
    rows = [
        row(0, "isolated", 0.020),
        row(0, "pollinated", 0.030),
        row(1, "pollinated", 0.050),
        row(1, "isolated", 0.041),
    ]
    text = real.told(rows, "a setting")
    assert text.startswith("a setting\n")
    assert "| 2    | isolated   | 40          | 2          | 50.0           | 41.0        |" in text
    assert "pollinated − isolated, pair by pair: 9.50 ±" in text
    assert "(n=2)" in text
    assert "pair by pair" not in real.told(rows[:2], "a setting")


@pytest.fixture
def bystander(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    process = sleeper(folder)
    yield process
    process.kill()
    process.wait()


def sleeper(folder: Path) -> subprocess.Popen[bytes]:
    """One that is there: it has said so."""
    words = [sys.executable, "-c", "print('here', flush=True); import time; time.sleep(600)"]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    return process


def test_what_lives_in_its_folder_is_ended_and_nothing_else(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    (tmp_path / "place" / "ws").mkdir(parents=True)
    inside = sleeper(tmp_path / "place" / "ws")
    real.Place(tmp_path / "place", "steps:3").close()
    assert inside.wait(timeout=60) == -9
    assert bystander.poll() is None
    assert not (tmp_path / "place").exists()
    assert (tmp_path / "elsewhere").exists()


def test_its_commands_see_no_home_but_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_TOKEN_FILE", "somebody's")
    env = real.Place(tmp_path, "steps:3").env
    assert env["HOME"] == str(tmp_path / "home")
    assert not [name for name in env if name.startswith(("SWARM", "TMUX", "GIT"))]
