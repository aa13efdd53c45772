"""One git process: never with the caller's GIT_* variables, hooks, filters or configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import git

from swarm.errors import SwarmError

IDENTITY = {
    "GIT_AUTHOR_NAME": "swarm", "GIT_AUTHOR_EMAIL": "swarm@localhost",
    "GIT_COMMITTER_NAME": "swarm", "GIT_COMMITTER_EMAIL": "swarm@localhost",
}  # fmt: skip
CONFIG = (
    "core.fsync=all", "gc.auto=0", "core.autocrlf=false", "core.hooksPath=/dev/null", "core.fsmonitor=false",
    "core.attributesFile=/dev/null", "core.symlinks=true", "advice.detachedHead=false", "safe.directory=*",
    "core.quotePath=false", "core.logAllRefUpdates=false", "protocol.file.allow=always",
)  # fmt: skip
QUIET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}

# GitPython hands our whole environment on: a GIT_DIR of the shell we were started from would send us elsewhere
for _name in [n for n in os.environ if n.startswith("GIT_")]:
    del os.environ[_name]


class Failed(SwarmError):
    """git said no."""


def run(
    args: Sequence[str], cwd: Path, data: bytes | None = None, env: Mapping[str, str] | None = None, check: bool = True
) -> bytes:
    """The output of `git ARGS` in `cwd`. With `check` False a failure gives b''.

    Raises Failed with git's last words.
    """
    words = [w for setting in CONFIG for w in ("-c", setting)]
    process = git.Git(str(cwd)).execute(
        ["git", *words, *args], as_process=True, env={**QUIET, **IDENTITY, **(env or {})}, istream=-1 if data is not None else None
    )
    out, err = process.communicate(data)
    if process.returncode == 0:
        return bytes(out)
    if not check:
        return b""
    said = bytes(err).decode(errors="replace").strip().splitlines()
    raise Failed(f"git {args[0] if args else ''} failed: {said[-1] if said else process.returncode}")
