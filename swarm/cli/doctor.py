"""`swarm doctor`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm.agents.clients import recipes
from swarm.cli import machine, tasks
from swarm.cli.places import here, newest
from swarm.config import Task, load
from swarm.errors import SwarmError
from swarm.runner import sandbox
from swarm.workspace import Workspace


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do where it is not well."""

    what: str
    state: str  # ok | ! (works less well) | missing
    text: str
    todo: str = ""


def run() -> None:
    """Print the table. Raises SwarmError (exit 1) when something without which nothing works is missing."""
    findings = list(look())
    width = max(len(f.what) for f in findings)
    for f in findings:
        print(f"  {f.what:<{width}}  {f.state:<7}  {f.text}".rstrip())
        if f.todo:
            print(f"  {'':<{width}}  {'':<7}  → {f.todo}")
    bad = [f.what for f in findings if f.state == "missing"]
    if bad:
        raise SwarmError(f"not ready: {', '.join(bad)}.", "The arrows above say what to do.")


def look() -> Iterator[Finding]:
    """Everything there is to know, the machine first, then this workspace."""
    yield Finding("python", "ok", f"{platform.python_version()}  {sys.executable}")
    yield from _programs()
    yield _gpus()
    yield from _clients()
    try:
        workspace = here()
    except SwarmError as error:
        yield Finding("workspace", "missing", error.message, error.hint)
        return
    yield Finding("workspace", "ok", str(workspace.root))
    yield from _task(workspace)
    ledger = _ledger(workspace)
    yield ledger
    if ledger.state == "ok":
        yield _coordinator(workspace)


def _programs() -> Iterator[Finding]:
    git = machine.git("--version")
    yield (
        Finding("git", "ok", git.removeprefix("git version "))
        if git
        else Finding("git", "missing", "not installed", machine.apt(["git"]))
    )
    if machine.absent(["tmux"]):
        yield Finding("tmux", "!", "not installed: agents run without a terminal to look into", machine.apt(["tmux"]))
    else:
        yield Finding("tmux", "ok", "")
    why = sandbox.trouble()
    if not why:
        yield Finding("bubblewrap", "ok", "works: runs have no network and see no files of yours")
    else:
        todo = (
            machine.apt(["bwrap"]) if why == "not installed" else "allow unprivileged user namespaces on this machine"
        )
        yield Finding("bubblewrap", "!", f"{why}: runs are not sandboxed, and clients cannot be open", todo)


def _clients() -> Iterator[Finding]:
    """The coding agents that people bring: none is needed for a swarm of tuners."""
    from swarm.cli import clients

    for name in sorted(clients.CLIENTS):
        client = clients.look(name)
        if client.trouble:
            said = f"{client.version}, {client.trouble}: it will not run here" if client.version else client.trouble
            yield Finding(name, "!", said, client.todo)
            continue
        users = f", {n} of it running now" if (n := clients.running(name)) else ""
        text = f"{client.version}, logged in ({client.login}){users}; runs unattended, guarded"
        if client.lone:
            todo = f"more than one needs a key: export {_key()}=…"
            yield Finding(name, "ok", f"{text}, one agent at a time", todo)
        else:
            yield Finding(name, "ok", f"{text}, as many agents as you like")
    yield _others()


def _key() -> str:
    from swarm.agents import codex

    return codex.KEY


def _others() -> Finding:
    """The clients of clients.toml, without starting any."""
    there = [name for name, recipe in recipes().items() if shutil.which(recipe.program)]
    gone = [name for name in recipes() if name not in there]
    text = [f"found: {', '.join(there)}"] if there else []
    text += [f"not installed: {', '.join(gone)}"] if gone else []
    return Finding("others", "ok" if there else "!", "; ".join(text), "" if there else recipes()[gone[0]].install)


def _gpus() -> Finding:
    from swarm import slots

    try:
        found = slots.gpus()
        if not found:
            raise slots.no_gpus()
    except SwarmError as error:
        return Finding("gpus", "!", error.message, error.hint)
    busy = [f"GPU {gpu.id}: {gpu.busy}" for gpu in found if gpu.busy]
    names = ", ".join(f"{gpu.id} {gpu.name}" for gpu in found)
    return Finding("gpus", "!" if busy else "ok", names, "in use by somebody else: " + "; ".join(busy) if busy else "")


def _task(workspace: Workspace) -> Iterator[Finding]:
    try:
        config = load(workspace)
        task = tasks.the_task(workspace, config, config.device)
    except SwarmError as error:
        yield Finding("task", "missing", error.message, error.hint)
        return
    gone = [name for name in task.edit if not (Path(task.path) / name).is_file()]
    if gone:
        yield Finding("task", "missing", f"{task.path} has no {', '.join(gone)}", "swarm.yaml: task: {edit: […]}")
        return
    yield Finding("task", "ok", f"{task.path} · edits {', '.join(task.edit)}")
    yield _torch(task)
    yield _data(task)


def _torch(task: Task) -> Finding:
    found = machine.interpreter(tasks.python_of(task))
    if found is None:
        return Finding(
            "torch", "missing", f"the task's Python does not start: {task.python}", "swarm.yaml: task: {python: …}"
        )
    if "torch" in found.packages:
        return Finding("torch", "ok", f"{found.packages['torch']} in {found.path}")
    if not tasks.needs_torch(task):
        return Finding("torch", "ok", "this task does not import it")
    return Finding("torch", "missing", f"not in {found.path}", tasks.install_torch(task, found.path))


def _data(task: Task) -> Finding:
    gone = tasks.missing_caches(task)
    if not gone:
        return Finding("data", "ok", ", ".join(task.caches) or "the task names none")
    return Finding("data", "missing", f"{', '.join(gone)} is not there", "swarm prepare")


def _ledger(workspace: Workspace) -> Finding:
    try:
        campaign = newest(workspace)
    except SwarmError as error:
        return Finding("ledger", "missing", error.message, error.hint)
    except OSError as error:
        return Finding("ledger", "missing", f"{workspace.ledger}: {error.strerror}", f"ls -ld {workspace.hidden}")
    if campaign is None:
        return Finding("ledger", "ok", "nothing recorded yet")
    return Finding("ledger", "ok", f"campaign {campaign['name']}: {campaign['state']}")


def _coordinator(workspace: Workspace) -> Finding:
    from swarm.client import Client

    campaign = newest(workspace)
    if Client.at(workspace).alive():
        return Finding("coordinator", "ok", "answers")
    if campaign is None or campaign["state"] == "ended":
        return Finding("coordinator", "ok", "none runs, none is needed")
    return Finding(
        "coordinator", "!", "does not answer, though the campaign goes on", f"swarm resume   (log: {workspace.log})"
    )
