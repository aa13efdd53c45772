"""Where a command runs: a fresh HOME and TMPDIR with the task's caches in place, and an environment of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from swarm.runner.spec import RunSpec

# What a run may know of our own environment; the loader's path because that is where containers keep the GPU driver.
INHERITED = ("LANG", "LC_ALL", "TERM", "LD_LIBRARY_PATH")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def home(spec: RunSpec) -> Path:
    """The run's own HOME."""
    return Path(spec.folder) / "home"


def scratch(spec: RunSpec) -> Path:
    """The run's own TMPDIR."""
    return Path(spec.folder) / "tmp"


def prepare(spec: RunSpec, sandboxed: bool) -> None:
    """Make HOME and TMPDIR anew. Outside a sandbox caches are links, inside it they are bound read-only."""
    for folder in (home(spec), scratch(spec)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
    if sandboxed:
        return
    for cache in spec.caches:
        target = home(spec) / cache.place
        if cache.place and not os.path.isabs(cache.place) and os.path.exists(cache.source):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(cache.source)


def command(spec: RunSpec) -> list[str]:
    """The command, with the task's interpreter for a leading `python`."""
    python = spec.env.get("SWARM_PYTHON")
    if python and spec.command[0] in ("python", "python3"):
        return [python, *spec.command[1:]]
    return list(spec.command)


def environment(spec: RunSpec, sandboxed: bool) -> dict[str, str]:
    """All that the command finds in its environment."""
    python = spec.env.get("SWARM_PYTHON")
    path = os.environ.get("PATH", SYSTEM_PATH)
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= {
        "PATH": f"{os.path.dirname(python)}:{path}" if python else path,
        "HOME": os.path.realpath(home(spec)),
        "TMPDIR": os.path.realpath(scratch(spec)),
        "PYTHONUNBUFFERED": "1",  # the log shows progress while it happens, and the last words before a kill
        "SWARM_RUN": spec.folder,  # by which left-over processes are known
    }
    if sandboxed:
        env["HF_HUB_OFFLINE"] = "1"  # no network: look in the caches and do not wait for an answer
    if spec.seed_mode != "none":
        env |= {"SWARM_SEED": str(spec.seed), "PYTHONHASHSEED": str(spec.seed % 2**32)}
    if spec.budget:
        env["SWARM_BUDGET"] = spec.budget
    return env | {name: value for name, value in spec.env.items() if name != "SWARM_PYTHON"}
