"""The task of a workspace, and whether everything it needs is there."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from swarm.cli import machine, packaged
from swarm.config import Config, Task, task_of
from swarm.errors import SwarmError, UsageError
from swarm.workspace import Workspace, is_checkout, is_task


def the_task(workspace: Workspace, config: Config, device: str) -> Task:
    """What this workspace optimises; `path` is a folder of this machine (a URL is fetched once, into the hidden state).

    Raises SwarmError when it is not there or cannot be fetched.
    """
    named = config.task
    if named is not None and is_url(named.path):
        folder = fetched(named.path, workspace.hidden / "tasks", named.rev)
        local = Task(**{**named.model_dump(exclude_unset=True), "path": str(folder), "rev": None})
        config = config.model_copy(update={"task": local})
    return task_of(workspace, config, device, packaged.templates())


def is_url(text: str) -> bool:
    """Whether git would fetch it from somewhere."""
    return "://" in text or text.startswith("git@")


def fetched(url: str, into: Path, rev: str | None = None) -> Path:
    """A clone of `url`, made once. Raises SwarmError with what git said."""
    if machine.absent(["git"]):
        raise SwarmError("git is not installed.", f"Install it: {machine.apt(['git'])}")
    folder = into / hashlib.sha256(f"{url} {rev or ''}".encode()).hexdigest()[:12]
    if (folder / ".git").exists():
        return folder
    into.mkdir(parents=True, exist_ok=True)
    half = folder.with_name(folder.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    _git("clone", "--quiet", "--", url, str(half), why=f"cannot fetch the task from {url}")
    if rev:
        _git("-C", str(half), "checkout", "--quiet", "--detach", rev, why=f"{url} has no {rev}")
    half.rename(folder)
    return folder


def _git(*arguments: str, why: str) -> None:
    env = {**machine.plain_env(), "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise SwarmError(f"{why}: {said}", "Is the address right, and can you reach it? git ls-remote URL")


def python_of(task: Task) -> str | None:
    """The interpreter of the runs; None: the one swarm runs in."""
    return str(Path(task.python).expanduser()) if task.python else None


def command(line: str, python: str) -> list[str]:
    """A command line of the task as arguments, `python` meaning the task's interpreter."""
    words = shlex.split(line)
    return [python if word in ("python", "python3") and i == 0 else word for i, word in enumerate(words)]


def check(task: Task) -> machine.Interpreter:
    """What costs nothing to find out before anything is started: interpreter, torch, data, editable files.

    Raises SwarmError for the first thing that is missing, with the command that mends it.
    """
    source = Path(task.path)
    for name in task.edit:
        if not (source / name).is_file():
            raise SwarmError(
                f"the task has no file {name}: {source / name}",
                "Name its editable files in swarm.yaml: task: {edit: […]}",
            )
    found = machine.interpreter(python_of(task))
    if found is None:
        raise SwarmError(
            f"the task's Python does not start: {task.python}", "Name another: swarm.yaml, task: {python: …}"
        )
    if needs_torch(task) and "torch" not in found.packages:
        raise SwarmError(f"the task imports torch, and {found.path} has none.", install_torch(task, found.path))
    if task.prepare and (gone := missing_caches(task)):
        raise SwarmError(
            f"the task's data is not prepared yet: {gone[0]} is not there.", "Prepare it, once: swarm prepare"
        )
    return found


def missing_caches(task: Task) -> list[str]:
    """The declared caches that are absent or empty, as they are written in the task."""
    return [c for c in task.caches if not _filled(Path(c).expanduser())]


def _filled(folder: Path) -> bool:
    try:
        return folder.is_file() or any(folder.iterdir())
    except OSError:
        return False


def needs_torch(task: Task) -> bool:
    """Whether an editable file imports torch."""
    texts = [(Path(task.path) / name).read_text(errors="replace") for name in task.edit if name.endswith(".py")]
    return any(re.search(r"^\s*(import|from) torch\b", text, re.M) for text in texts)


def install_torch(task: Task, python: str) -> str:
    """What to type so that the task has a torch."""
    if (Path(task.path) / "uv.lock").is_file():
        return f"Set the task's own environment up: cd {task.path} && uv sync"
    return f"Install it there: {python} -m pip install 'swarm-research[train]'   (or name another: task: {{python: …}})"


def exclude(workspace: Workspace) -> list[str]:
    """Inside a person's own clone of the task: hide what swarm makes from their git. Returns the lines added."""
    root = workspace.root
    if is_checkout(root) or not is_task(root):
        return []
    said = machine.git("rev-parse", "--git-path", "info/exclude", cwd=root)
    inside = machine.git("rev-parse", "--show-prefix", cwd=root)
    if said is None or inside is None:
        return []
    path = root / said
    wanted = [f"/{inside}{name}" for name in ("worktrees/", "results.db", ".swarm/")]
    text = path.read_text() if path.is_file() else ""
    new = [line for line in wanted if line not in text.splitlines()]
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
        gap = "" if not text or text.endswith("\n") else "\n"
        with path.open("a") as file:
            file.write(gap + "\n".join(new) + "\n")
    return new


def programs(workspace: Workspace, task: Task) -> list[str]:
    """The programs agents are dealt, by name. A workspace without any, and a task without its own, gets swarm's."""
    if not any(workspace.programs.glob("*.md")) and not (workspace.root / task.program).is_file():
        workspace.programs.mkdir(exist_ok=True)
        for source in first_programs(Path(task.path), task.program):
            shutil.copy(source, workspace.programs / source.name)
    return _named(workspace.programs)


def chosen(workspace: Workspace, task: Task, wanted: str | Sequence[str]) -> list[str]:
    """The programs that a person names, in that order; one of swarm's that is not in programs/ is copied there.

    Raises UsageError for one that is not there at all, with the list of those that are.
    """
    words = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = [word.strip().removeprefix("programs/").removesuffix(".md") for word in words if word.strip()]
    there, ours = programs(workspace, task), _named(packaged.programs())
    gone = [name for name in names if name not in there and name not in ours]
    if gone or not names:
        raise UsageError(
            f"there is no program {', '.join(gone) or repr(wanted)}.",
            f"There are: {', '.join(dict.fromkeys([*there, *ours]))}. Write your own: {workspace.programs}/NAME.md",
        )
    for name in names:
        if name not in there:
            workspace.programs.mkdir(exist_ok=True)
            shutil.copy(packaged.programs() / f"{name}.md", workspace.programs / f"{name}.md")
    return names


def _named(folder: Path) -> list[str]:
    """The programs of a folder, the general one first."""
    found = sorted(p.stem for p in folder.glob("*.md") if p.stem.upper() != "README")
    return sorted(found, key=lambda name: name != "default")


def first_programs(source: Path, name: str = "program.md") -> list[Path]:
    """What `programs/` of a new workspace begins with: the task's own program; for the template, swarm's."""
    own = [source / name] if (source / name).is_file() else []
    ours = sorted(p for p in packaged.programs().glob("*.md") if p.stem.upper() != "README")
    if source == packaged.templates():
        return ours or own
    return own or ours
