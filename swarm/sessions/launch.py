"""The small file that starts an agent: no argument list is too long for it, and it shows in no process list."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from swarm.ports import Launch

MARK = "SWARM_SESSION"  # in the environment of everything that a session starts, however it detaches
GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")


def write(path: Path, launch: Launch, cwd: Path, mark: str) -> None:
    """Write the file: go to `cwd`, set the environment, become the agent. `mark` names the session in it."""
    env = {**launch.env, MARK: mark}
    lines = [
        "#!/bin/sh",
        f"unset {' '.join(GIT)}",
        *(f"export {name}={shlex.quote(value)}" for name, value in env.items()),
        f"cd -- {shlex.quote(str(cwd))} || exit 127",
        f"exec {shlex.join(launch.argv)}",
    ]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text("\n".join(lines) + "\n", errors="surrogateescape")
    fresh.chmod(0o600)
    os.replace(fresh, path)
