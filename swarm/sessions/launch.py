"""The small file that starts an agent: no argument list is too long for it, and it shows in no process list."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from swarm.ports import Launch

MARK = "SWARM_SESSION"  # in the environment of everything that a session starts, however it detaches
GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
COMMON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TMUX_TMPDIR", MARK)  # no secret
SHELLS = (  # what a terminal or a shell sets by itself; the latter refuses to be told some of them
    "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "PWD", "OLDPWD", "SHLVL", "_",
    "UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO",
)  # fmt: skip
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def write(path: Path, launch: Launch, cwd: Path, mark: str, given: Mapping[str, str] | None = None) -> None:
    """Write the file: go to `cwd`, set the environment, become the agent. `mark` names the session in it.

    `given`: what the agent's process has of our environment, when it does not inherit it. It may hold keys: it lies in a
    file of its own (0600), which is gone as soon as it was read.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = handed(path)
    lines = ["#!/bin/sh"]
    if given is not None:
        _put(beside, _exports({n: v for n, v in given.items() if n not in SHELLS and NAME.fullmatch(n)}))
        quoted = shlex.quote(str(beside.absolute()))
        lines.append(f"if [ -f {quoted} ]; then . {quoted}; rm -f -- {quoted}; fi")
    lines += [
        f"unset {' '.join(GIT)}",
        *_exports({**launch.env, MARK: mark}),
        f"cd -- {shlex.quote(str(cwd))} || exit 127",
        f"exec {shlex.join(launch.argv)}",
    ]
    _put(path, lines)


def handed(path: Path) -> Path:
    """Where the environment lies until the launch file `path` has read it."""
    return path.with_name("environment")


def common(environ: Mapping[str, str]) -> dict[str, str]:
    """What a server of sessions may know of our environment: everybody who reaches it can ask it for that."""
    return {n: v for n, v in environ.items() if n in COMMON or n.startswith("LC_")}


def _exports(env: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in env.items()]


def _put(path: Path, lines: list[str]) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", errors="surrogateescape") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(fresh, path)
