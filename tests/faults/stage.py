"""A played coordinator that can be thrown away at any moment; its runs and sessions live on without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swarm.coordinator.story import Story
from swarm.errors import Refused
from swarm.ports import Job, Outcome, Pane, SlotBusy, Ticket
from swarm.runner import curve
from swarm.runner.curve import Point
from swarm.runner.spec import RunResult, RunSpec
from swarm.workspace import Workspace
from tests.coordinator.play import START, TRAIN, Kind, Play, total
from tests.faults.effects import CountedHub, CountedLedger, CountedSessions, CountedWorktrees, Effects, Killed

HELD = "held"  # a file in the attempt's folder: it goes on though somebody looks


class FileExecutor:
    """Runs that are files: alive from `started` on, over when somebody looks, lost when the machine was booted since."""

    def __init__(self, score: Callable[[RunSpec], RunResult], effects: Effects, boot: int, runs: Path) -> None:
        self._score, self._effects, self._boot, self._runs = score, effects, boot, runs

    def start(self, job: Job) -> None:
        for other in self._runs.glob("*/started"):
            if self._alive(other.parent) and json.loads(other.read_text())["slot"] == str(job.slot_lock):
                raise SlotBusy(job.slot_lock.name)

        def do() -> None:
            job.spec.write(Path(job.spec.folder) / "spec.json")
            note = {"slot": str(job.slot_lock), "boot": self._boot}
            (Path(job.spec.folder) / "started").write_text(json.dumps(note))

        self._effects("executor", do)

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        over = [t for t in tickets if not (self._alive(t.folder) and (t.folder / HELD).exists())]
        return [Outcome(t.run, t.attempt, self._result(t), (t.folder / "spec.json").exists()) for t in over]

    def curve(self, ticket: Ticket) -> list[Point]:
        return curve.read(ticket.folder)

    def cancel(self, ticket: Ticket) -> None:
        result = RunResult(ticket.run, ticket.attempt, "lost", "cancelled")
        self._effects("executor", lambda: self._write(ticket.folder, result) if self._alive(ticket.folder) else None)

    def _alive(self, folder: Path) -> bool:
        note = folder / "started"
        return note.exists() and not (folder / "result.json").exists() and self._booted(note)

    def _booted(self, note: Path) -> bool:
        return bool(json.loads(note.read_text())["boot"] == self._boot)

    def _result(self, ticket: Ticket) -> RunResult | None:
        if self._alive(ticket.folder):
            self._write(ticket.folder, self._score(RunSpec.read(ticket.folder / "spec.json")))
        try:
            return RunResult.read(ticket.folder / "result.json")
        except OSError:
            return None

    def _write(self, folder: Path, result: RunResult) -> None:
        (folder / "result.json").write_text(json.dumps(result.__dict__))


class Stage(Play):
    """`effects` is armed by a test; `promised` is what was acknowledged: experiment and text of its train.py."""

    def __init__(self, root: Path, effects: Effects | None = None) -> None:
        self.root = root
        self.task_folder = root / "a task"
        self.workspace = Workspace(root / "wörk space")
        self.noise, self.loss, self.now = 0.01, total, START
        self.scored: list[tuple[int, float]] = []
        self.crashing = lambda source: None
        self.effects = effects or Effects()
        self.tmux = CountedSessions(self.effects)
        self.promised: dict[str, str] = {}
        self.boot = 1
        self.lost = False  # of the scene that takes all away
        if not self.task_folder.exists():
            self.task_folder.mkdir(parents=True)
            (self.task_folder / "train.py").write_text(TRAIN)
            (self.task_folder / "prepare.py").write_text("FROZEN = 1\n")
            self.workspace.root.mkdir()
            self.workspace.make()

    def open(self) -> Story:
        """A new coordinator on what the last one left."""
        self.sessions = self.tmux
        self.executor = FileExecutor(self.score, self.effects, self.boot, self.workspace.runs)  # type: ignore[assignment]
        self.ledger = CountedLedger(self.workspace.ledger, self.effects)
        self.hub = CountedHub(self.workspace.hidden, self.effects)
        self.story = Story(
            self.workspace, self.ledger, self.hub,
            lambda edit: CountedWorktrees(self.hub, self.workspace.worktrees, edit, self.effects),
            self.executor, self.sessions, lambda kind: Kind(), lambda: self.now,
            awake=lambda: self.now - self.jumped,
        )  # fmt: skip
        self.world = self.story.world
        return self.story

    def close(self) -> None:
        self.ledger.db.close()

    def reopen(self) -> Story:
        """kill -9, and its keeper."""
        if hasattr(self, "ledger"):
            self.close()
        self.effects.arm(0, "before")
        return self.open()

    def reboot(self) -> None:
        """All processes are gone."""
        self.boot += 1
        self.tmux.panes.clear()
        self.reopen()

    def submit(self, agent: str, description: str = "", **values: float) -> str:
        """As an agent does it; what was answered is promised."""
        if values:
            self.edit(agent, **values)
        text = (self.workspace.worktree(agent) / "train.py").read_text()
        answer = self.story.submit(agent, description or str(values))
        self.promised[str(answer["experiment"])] = text
        return str(answer["experiment"])

    def may(self, verb: Callable[[], Any]) -> Any:
        """Ask; a refusal is an answer too."""
        try:
            return verb()
        except Refused as refused:
            return refused

    # --- many stages from one beginning -----------------------------------------------------------------------

    def snapshot(self, place: Path) -> dict[str, Any]:
        self.close()
        shutil.copytree(self.root, place, symlinks=True)
        return {"now": self.now, "panes": dict(self.tmux.panes), "promised": dict(self.promised), "place": place}

    @staticmethod
    def restored(root: Path, snapshot: dict[str, Any], effects: Effects) -> Stage:
        """The same again at the same place (worktrees know their paths)."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(snapshot["place"], root, symlinks=True)
        stage = Stage(root, effects)
        stage.now, stage.promised = snapshot["now"], dict(snapshot["promised"])
        stage.tmux.panes = {n: Pane(n, p.dead, p.exit) for n, p in snapshot["panes"].items()}
        stage.open()
        return stage


def killed(verb: Callable[[], Any]) -> bool:
    """Whether the coordinator died in it."""
    try:
        verb()
    except Killed:
        return True
    return False
