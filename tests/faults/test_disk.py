"""A full disk at any point of any verb: it is said, nothing is left by halves, and with room again all goes on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import swarm
from swarm.errors import SwarmError
from swarm.ledger.ledger import Ledger
from tests.faults.checker import Checker
from tests.faults.effects import Effects, clear, full
from tests.faults.scenes import SCENES, Scene
from tests.faults.stage import Stage
from tests.faults.theatre import Theatre, finish

SAMPLE = ("submit", "contact", "resume after the end")
NO_FILES = ("recover",)  # a coordinator that cannot start is started again by its keeper: that is a kill


def full_at(theatre: Theatre, at: int, mode: str, times: int = 2) -> None:
    """The disk is full for `times` effects from the `at`-th on (of one checkout git tries twice). The coordinator lives on."""
    stage = theatre.stage()
    theatre.effects.arm(at, mode, times)
    said: list[Exception] = []
    for _ in range(times + 1):
        try:
            theatre.scene.act(stage)
        except (SwarmError, OSError, sqlite3.Error) as error:
            said.append(error)
        else:
            break
    try:
        if not said:  # what the ledger has is done; refs, and the worktree of who submitted, follow when there is room
            assert theatre.effects.hit == "refs" or theatre.scene.name.startswith("submit"), "nothing was said"
        else:
            assert clear(said[0]), said[0]
        theatre.effects.arm(0, "before")
        finish(theatre.scene, stage)
    except Exception as error:
        raise AssertionError(f"{theatre.scene.name}: full {mode} effect {at} ({theatre.effects.hit})") from error


@pytest.mark.parametrize("scene", [s for s in SCENES if s.name in SAMPLE], ids=lambda s: s.name)
def test_a_full_disk_is_said_and_leaves_nothing_by_halves(scene: Scene, tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, scene, Effects(full))
    assert scene.daily is not None
    full_at(theatre, *scene.daily)


@pytest.mark.e2e
@pytest.mark.timeout(400)
@pytest.mark.parametrize("scene", [s for s in SCENES if s.name not in NO_FILES], ids=lambda s: s.name)
def test_a_full_disk_at_every_second_point(scene: Scene, tmp_path: Path) -> None:
    """Each time for two effects, so that the points between are met too; of long scenes fewer."""
    theatre = Theatre(tmp_path, scene, Effects(full))
    theatre.everywhere(lambda at, mode: full_at(theatre, at, mode), 0, 2 * scene.parts)


def test_what_was_done_is_said_though_its_refs_find_no_room(tmp_path: Path) -> None:
    """Nobody hears that nothing was changed, and asks for it a second time."""
    stage = Stage(tmp_path / "stage")
    stage.open()
    stage.spawn(1)
    stage.settle()
    ident = stage.submit("a0", A=0.5)
    stage.settle()
    move = stage.hub.set_refs

    def no_room(refs: object) -> None:
        raise full("update-ref")

    stage.hub.set_refs = no_room  # type: ignore[method-assign,assignment]
    assert stage.story.promote("e0001")["moved"]
    assert stage.world.campaign.best == "e0001"
    stage.hub.set_refs = move  # type: ignore[method-assign]
    stage.settle()
    assert stage.hub.refs() == stage.ledger.refs()
    assert ident in stage.promised


def test_a_submission_is_acknowledged_though_its_worktree_finds_no_room(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage", Effects(full))
    stage.open()
    stage.spawn(1)
    stage.settle()
    stage.effects.arm(0, "before")
    put = stage.world.worktrees.hub.git

    def no_room(*args: str, **more: object) -> bytes:
        if "read-tree" in args:
            raise full("read-tree")
        return put(*args, **more)  # type: ignore[arg-type]

    stage.hub.git = no_room  # type: ignore[method-assign,assignment]
    ident = stage.submit("a0", A=0.5)
    stage.hub.git = put  # type: ignore[method-assign]
    assert stage.story.contact("a0", final=True)["base"] == "e0001"
    assert "A = 1.0" in (stage.workspace.worktree("a0") / "train.py").read_text()
    stage.settle()
    assert stage.e(ident).verdict == "keep"
    following = stage.submit("a0", B=1.0)
    stage.settle()
    assert stage.e(following).verdict == "keep"
    stage.close()
    Checker(stage.workspace.root).check(stage.promised)


def test_a_disk_that_stays_full_costs_no_experiment_its_verdict(tmp_path: Path) -> None:
    """Ten starts of a run fail: that is nothing the run has done."""
    stage = Stage(tmp_path / "stage", Effects(full))
    stage.open()
    stage.spawn(1)
    stage.settle()
    ident = stage.submit("a0", A=0.5)
    start = stage.executor.start

    def no_room(job: object) -> None:
        raise full("executor")

    stage.executor.start = no_room  # type: ignore[method-assign,assignment]
    for _ in range(10):
        with pytest.raises(OSError, match="No space left"):
            stage.step()
    assert stage.e(ident).verdict is None
    stage.executor.start = start  # type: ignore[method-assign]
    stage.settle()
    assert stage.e(ident).verdict == "keep"


@pytest.mark.parametrize("readonly", ["the file", "the disk"])
def test_a_read_only_ledger_is_refused_at_the_start(tmp_path: Path, readonly: str) -> None:
    """Really read-only, also for root: bound so by bubblewrap."""
    path = tmp_path / "results.db"
    Ledger(path).close()
    bound = path if readonly == "the file" else tmp_path
    code = "import sys; from pathlib import Path; from swarm.ledger.ledger import Ledger; Ledger(Path(sys.argv[1]))"
    words = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--ro-bind", str(bound), str(bound)]
    done = subprocess.run(
        [*words, sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=100,
        cwd=Path(swarm.__file__).parent.parent,
    )  # fmt: skip
    assert "SwarmError: cannot write the ledger" in done.stderr


def test_a_ledger_that_may_not_be_written_is_said_and_nothing_changes(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    stage.open()
    stage.spawn(2)
    stage.settle()
    stage.edit("a0", A=0.5)
    before = stage.hub.refs(), list(stage.ledger.db.iterdump())
    stage.ledger.db.execute("PRAGMA query_only=1")
    for verb in (
        lambda: stage.story.submit("a0", "x"), lambda: stage.story.tell("a0", "x"),
        lambda: stage.story.stop(), lambda: stage.story.pause(),
    ):  # fmt: skip
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            verb()
    assert (stage.hub.refs(), list(stage.ledger.db.iterdump())) == before
    assert "A = 0.5" in (stage.workspace.worktree("a0") / "train.py").read_text()
    stage.ledger.db.execute("PRAGMA query_only=0")
    ident = stage.submit("a0")
    stage.settle()
    assert stage.e(ident).verdict == "keep"
