"""`swarm prepare`: the task's own prepare command, in its folder, with its interpreter, as the person."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from swarm.cli import machine, tasks
from swarm.config import load
from swarm.errors import SwarmError
from swarm.workspace import Workspace


def run(workspace: Workspace, device: str = "auto") -> None:
    """Run it and show what it says. Raises SwarmError when there is none, or it fails."""
    config = load(workspace)
    task = tasks.the_task(workspace, config, config.device if device == "auto" else device)
    if not task.prepare:
        print("  this task has nothing to prepare (swarm.yaml: task: {prepare: …}).")
        return
    python = tasks.python_of(task) or sys.executable
    if machine.interpreter(python) is None:
        raise SwarmError(f"the task's Python does not start: {python}", "Name another: swarm.yaml, task: {python: …}")
    argv = tasks.command(task.prepare, python)
    print(f"  {task.prepare}   (in {task.path})", flush=True)
    env = {**machine.plain_env(), **dict(task.env), "PYTHONUNBUFFERED": "1"}
    try:
        code = subprocess.run(argv, cwd=Path(task.path), env=env, check=False).returncode
    except OSError as error:
        raise SwarmError(f"cannot run {argv[0]}: {os.strerror(error.errno or 0)}") from None
    if code:
        raise SwarmError(
            f"prepare failed: {task.prepare} ended with {code}.",
            "Its own words are above; run it again when it is mended.",
        )
    if gone := tasks.missing_caches(task):
        raise SwarmError(
            f"prepare ended well, but {gone[0]} is not there.", "Is `caches:` of the task right? swarm.yaml"
        )
    print("  prepared. Next: swarm spawn")
