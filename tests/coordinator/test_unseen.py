"""What a person promotes without a measurement: it may crash for ever, and nobody else pays for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from swarm.errors import Refused
from tests.coordinator.play import TRAIN, Play

BROKEN = TRAIN.replace("A = 1.0", "A = 77.0")


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """The person's repository has `broken`, which always crashes, and `better`."""
    made = Play(tmp_path)
    made.begin()
    git = ["git", "-C", str(made.task_folder), "-c", "user.name=p", "-c", "user.email=p@localhost"]
    for words in (["init", "-q", "-b", "mine"], ["add", "."], ["commit", "-q", "-m", "as given"]):
        subprocess.run([*git, *words], check=True)
    for tag, text in {"broken": BROKEN, "better": TRAIN.replace("A = 1.0", "A = 0.3")}.items():
        (made.task_folder / "train.py").write_text(text)
        for words in (["commit", "-q", "-a", "-m", tag], ["tag", tag]):
            subprocess.run([*git, *words], check=True)
    made.crashing = lambda source: "oom" if "A = 77" in source else None
    return made


def runs(play: Play, ident: str) -> list[str]:
    return [s for (s,) in play.ledger.rows("SELECT status FROM runs WHERE experiment=?", ident)]


def later(play: Play) -> None:
    """Long enough for idle slots to look for something to do, again and again."""
    for _ in range(60):
        play.step(30)


def test_a_best_that_only_crashes_is_withdrawn_and_not_measured_for_ever(play: Play) -> None:
    broken = str(play.story.promote("broken", force=True)["experiment"])
    assert play.world.campaign.best == broken
    later(play)
    assert runs(play, broken) == ["crashed", "crashed"]
    assert play.world.campaign.best == "e0001"
    assert play.hub.refs()["refs/heads/best"] == play.e("e0001").commit
    mine = play.measured("a0", B=1.5)
    assert (mine.verdict, play.world.campaign.best) == ("keep", mine.id)


def test_held_all_the_same_it_stays_and_everybody_goes_on(play: Play) -> None:
    broken = str(play.story.promote("broken", force=True, hold=True)["experiment"])
    later(play)
    assert runs(play, broken) == ["crashed", "crashed"]
    assert play.world.campaign.best == broken
    tried = str(play.story.try_file({"train.py": TRAIN.replace("B = 2.0", "B = 1.0")}, "by hand")["experiment"])
    later(play)
    assert (play.e(tried).verdict, play.e(tried).parent) == ("keep", broken)
    assert "against e0001's" in (play.e(tried).reason or "")
    for agent in ("a0", "a1"):
        play.story.contact(agent, final=True)  # moved onto best or not: it works on
        ident = play.submit(agent, C=2.0)
        later(play)
        assert play.e(ident).verdict is not None


def test_unseen_upon_unseen_is_judged_by_what_was_measured_last(play: Play) -> None:
    broken = str(play.story.promote("broken", force=True)["experiment"])
    better = str(play.story.promote("better", force=True)["experiment"])
    later(play)
    e = play.e(better)
    assert (e.parent, e.verdict, play.world.campaign.best) == (broken, "keep", better)
    assert "against e0001's" in (e.reason or "")


def test_what_conflicted_was_never_measured_and_is_said_so(play: Play) -> None:
    """Not that one should wait for it: nothing comes."""
    path = play.workspace.worktree("a0") / "train.py"
    first = path.read_text().replace("return A", "return 1 * A").replace("A = 1.0", "A = 0.2")
    path.write_text(first)
    kept = str(play.story.submit("a0", "kept")["experiment"])
    path.write_text(first.replace("return 1 * A", "return 2 * A").replace("A = 0.2", "A = 1.0"))
    late = str(play.story.submit("a0", "too late", on="baseline")["experiment"])
    play.settle()
    assert (play.e(kept).verdict, play.e(late).verdict) == ("keep", "conflict")
    for force in (False, True):
        with pytest.raises(Refused, match=f"{late} was never measured: train.py") as refused:
            play.story.promote(late, force=force)
        assert "swarm try" in refused.value.hint
