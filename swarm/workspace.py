"""Every path of a workspace, in one place."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import SwarmError

CONTROL = "control"  # the agent that nobody sees and that sees nobody
TASK_FILES = ("train.py", "prepare.py", "program.md")


@dataclass(frozen=True)
class Workspace:
    """The folder with `swarm.yaml` (optional), `results.db`, `worktrees/`, `programs/` and the hidden state."""

    root: Path

    @property
    def yaml(self) -> Path:
        return self.root / "swarm.yaml"

    @property
    def hidden(self) -> Path:
        return self.root / ".swarm"

    @property
    def git(self) -> Path:
        return self.hidden / ".git"

    @property
    def ledger(self) -> Path:
        return self.hidden / "results.db"

    @property
    def results(self) -> Path:
        """The link people see at the top level."""
        return self.root / "results.db"

    @property
    def worktrees(self) -> Path:
        return self.root / "worktrees"

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def runs(self) -> Path:
        return self.hidden / "runs"

    @property
    def locks(self) -> Path:
        return self.hidden / "locks"

    @property
    def tokens(self) -> Path:
        return self.hidden / "tokens"

    @property
    def agents(self) -> Path:
        """A folder per agent: brief, logs, kept files."""
        return self.hidden / "agents"

    @property
    def door(self) -> Path:
        """JSON {"url", "pid", "host", "boot_id"} of the coordinator that answers now."""
        return self.hidden / "door.json"

    @property
    def owner(self) -> Path:
        """JSON of the coordinator that owns the ledger: host, pid, boot_id, heartbeat."""
        return self.hidden / "owner.json"

    @property
    def lock(self) -> Path:
        """Held by the one coordinator of this workspace for as long as it lives."""
        return self.locks / "coordinator.lock"

    @property
    def keeper(self) -> Path:
        """Held by the keeper that brings a dead coordinator back; the file holds the keeper's pid."""
        return self.locks / "keeper.lock"

    @property
    def log(self) -> Path:
        return self.hidden / "coordinator.log"

    @property
    def session_name(self) -> str:
        """Name of the private tmux server (`tmux -L`): short, and another one for every workspace."""
        return "swarm-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:10]

    def worktree(self, agent: str) -> Path:
        return self.worktrees / agent

    def run_folder(self, run: int, attempt: int) -> Path:
        return self.runs / f"r{run:06d}-{attempt}"

    def token(self, who: str) -> Path:
        return self.tokens / who

    def make(self) -> None:
        """Make the folders (0700 where they hold secrets) and the link `results.db`. Safe to call twice or at once."""
        for path in (self.hidden, self.locks, self.tokens, self.agents, self.runs):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        self.worktrees.mkdir(exist_ok=True)
        try:
            os.symlink(Path(".swarm") / "results.db", self.results)
        except FileExistsError:
            pass


def is_workspace(folder: Path) -> bool:
    """Whether swarm was set up here."""
    return os.path.lexists(folder / "swarm.yaml") or (folder / ".swarm").is_dir()


def is_task(folder: Path) -> bool:
    """Whether this is a training task in the manner of karpathy/autoresearch."""
    return all((folder / name).is_file() for name in TASK_FILES)


def is_checkout(folder: Path) -> bool:
    """Whether this is swarm's own source tree, whose task is `templates/`."""
    return (folder / "templates" / "train.py").is_file() and (folder / "swarm" / "workspace.py").is_file()


def find(start: Path) -> Workspace:
    """The workspace around `start`.

    Raises SwarmError when there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if is_workspace(folder) or is_checkout(folder):
            return Workspace(folder)
        if is_task(folder) and not (is_checkout(folder.parent) or is_workspace(folder.parent)):
            return Workspace(folder)
    raise SwarmError(
        f"no swarm workspace in {start} or above it.",
        "Make one: swarm init my-swarm && cd my-swarm   (or go into your clone of autoresearch)",
    )
