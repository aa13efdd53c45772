"""What the coordinator asks of the outside: only where two real implementations exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from swarm.runner.curve import Point
from swarm.runner.spec import RunResult, RunSpec

Argv: TypeAlias = list[str]  # inside Sessions, `list` is a method


@dataclass(frozen=True)
class Job:
    """An attempt to be started. `spec.work` is already checked out."""

    spec: RunSpec
    run_lock: Path
    slot_lock: Path


@dataclass(frozen=True)
class Ticket:
    """An attempt that was started, perhaps by a coordinator that is dead now."""

    run: int
    attempt: int
    folder: Path
    run_lock: Path


@dataclass(frozen=True)
class Outcome:
    """An attempt that is over. `result` is None when it ended without a word (lost).

    `began` is False only where nothing was ever started: whoever was to start it died before, which is no fault of the run.
    """

    run: int
    attempt: int
    result: RunResult | None
    began: bool = field(default=True, compare=False)


class Executor(Protocol):
    """Carries runs. One contract suite (tests/contracts) runs on every implementation."""

    def start(self, job: Job) -> None:
        """Start an attempt and return at once.

        Raises SlotBusy when the slot's or the run's lock is held by a living process.
        """

    def poll(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        """The attempts among `tickets` that are over. Never blocks."""

    def curve(self, ticket: Ticket) -> list[Point]:
        """How the training of an attempt that runs goes, as far as it was printed: share of the budget, loss. Never blocks."""

    def cancel(self, ticket: Ticket) -> None:
        """End an attempt with all its children. Silent if it is over."""


class SlotBusy(Exception):
    """A living process still holds the lock."""


@dataclass(frozen=True)
class Launch:
    """How to start an agent's process. Nothing secret is in `argv` or `env`: tokens are files."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seat:
    """Where an agent works."""

    agent: str
    kind: str
    worktree: Path
    folder: Path  # its own folder in .swarm/agents
    door: Path  # file with the door's address (JSON, "url")
    token: Path  # file with its bearer token
    brief: Path  # what it is told at the start
    edit: tuple[str, ...]  # the files it may change
    devices: str  # CUDA_VISIBLE_DEVICES, empty on CPU
    options: Mapping[str, object] = field(default_factory=dict)
    since: float = 0.0  # when it was spawned; what an earlier agent of this name left in the folder is older


class AgentKind(Protocol):
    """An agent kind. One contract suite runs on every implementation."""

    name: str

    def check(self, options: Mapping[str, object]) -> None:
        """Raises SwarmError when agents of this kind cannot run here."""

    def launch(self, seat: Seat) -> Launch:
        """How to start one."""


@dataclass(frozen=True)
class Pane:
    """What a session's process does. `exit` is its exit status when dead, negative for a signal."""

    name: str
    dead: bool
    exit: int | None


class Sessions(Protocol):
    """Where agents' processes live: tmux, or plain processes where tmux is absent."""

    def start(self, name: str, launch: Launch, cwd: Path, log: Path) -> None:
        """Start a session; one of this name that lives is ended first."""

    def start_many(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        """The same for many at once (cheaper)."""

    def list(self) -> dict[str, Pane]:
        """All sessions, dead ones too. Empty when the server is gone."""

    def stop(self, name: str) -> None:
        """End a session with all its processes. Silent when there is none."""

    def capture(self, name: str, lines: int = 50) -> str:
        """The end of what its screen shows, as plain text."""

    def attach_argv(self, name: str) -> Argv:
        """The command that shows it to a person."""

    def close(self) -> None:
        """End all sessions and the server."""
