"""`swarm clean`: remove what ended campaigns left lying, unless it is recorded nowhere else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm import procs
from swarm.cli.places import newest, rest, rows
from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from swarm.repo import Worktrees

RUBBISH = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}


@dataclass(frozen=True)
class Place:
    """An agent's worktree and the commit it stands on."""

    agent: str
    commit: str


def run(workspace: Workspace, dry: bool = False) -> None:
    """Clean, or with `dry` only say what would go. Raises SwarmError while a campaign goes on."""
    campaign = newest(workspace)
    if campaign is None:
        print("  nothing to clean: nothing was spawned here.")
        return
    if campaign["state"] != "ended":
        raise SwarmError(f"campaign {campaign['name']} goes on: its worktrees are in use.", "End it first: swarm stop")
    with alone(workspace):
        trees = _worktrees(workspace, json.loads(campaign["task"])["task"]["edit"], dry)
        if not _runs(workspace, dry) + trees:
            print("  clean already.")


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """Be the one who may write in this workspace; a coordinator that has nothing left to do is sent home.

    Raises SwarmError when one does not go.
    """
    rest(workspace)
    lock = procs.take(workspace.lock)
    if lock is None:
        raise SwarmError("a coordinator still runs here.", "swarm status says what it does.")
    try:
        yield
    finally:
        os.close(lock)


def _worktrees(workspace: Workspace, edit: list[str], dry: bool) -> int:
    """Returns how many there were."""
    from swarm.repo import Hub, Worktrees

    hub = Hub(workspace.hidden)
    trees = Worktrees(hub, workspace.worktrees, edit)
    known = {p.agent: p for p in _places(workspace)}
    held = {
        str(r["commit"]) for r in rows(workspace, 'SELECT "commit" FROM refs UNION SELECT "commit" FROM experiments')
    }
    there = sorted(workspace.worktrees.iterdir()) if workspace.worktrees.is_dir() else []
    for folder in there:
        place = known.get(folder.name)
        why = "not made by swarm" if place is None else why_kept(trees, folder, place, edit, held)
        if why:
            print(f"  kept     worktrees/{folder.name}: {why}")
            continue
        if not dry:
            trees.remove(folder.name)
        print(f"  {'would go' if dry else 'removed '} worktrees/{folder.name}")
    return len(there)


def _places(workspace: Workspace) -> list[Place]:
    """Every agent there was; of one name the newest."""
    found = rows(
        workspace,
        'SELECT a.name, e."commit" FROM agents a JOIN experiments e ON e.id=a.base WHERE e."commit" IS NOT NULL '
        "ORDER BY ABS(a.campaign)",  # a control's has a minus
    )
    return [Place(str(r["name"]), str(r["commit"])) for r in found]


def why_kept(trees: Worktrees, folder: Path, place: Place, edit: list[str], held: set[str]) -> str:
    """What in this worktree is recorded nowhere else, in a few words; empty when nothing is. `held`: the commits that are."""
    hub = trees.hub
    try:
        files = trees.editable(place.agent)
        changed = [name for name in edit if files[name] != hub.read(place.commit, name)]
        changed += trees.meddled(place.agent, place.commit)
    except (Refused, KeyError) as error:
        return str(error)
    if changed:
        return f"{', '.join(changed[:3])} was changed and not submitted"
    own = _untracked(folder, set(hub.paths(place.commit)))
    if own:
        return f"files of its own: {', '.join(own[:3])}"
    head = trees.head(place.agent)
    if head and head not in held:
        return f"a commit of its own that nothing else holds: {head[:7]}"
    return ""


def _untracked(folder: Path, tracked: set[str]) -> list[str]:
    found = []
    for parent, names, files in os.walk(folder):
        names[:] = [n for n in names if n not in RUBBISH and n != ".git"]
        inside = [str((Path(parent) / f).relative_to(folder)) for f in files]
        found += [f for f in inside if f not in tracked and f != ".git"]
    return sorted(found)


def _runs(workspace: Workspace, dry: bool) -> int:
    """Checkouts and homes of runs go; their logs and results stay, `swarm log` reads them. Returns how many."""
    gone = [d for run in _folders(workspace.runs) for d in _folders(run)]
    size = sum(f.lstat().st_size for d in gone for f in d.rglob("*") if not f.is_dir())
    if not dry:
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
    if gone:
        verb = "would go" if dry else "removed "
        print(f"  {verb} {len(gone)} folders of runs, {size / 1e6:.1f} MB. Logs and results stay: swarm log e0001")
    return len(gone)


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.is_symlink()) if path.is_dir() else []
