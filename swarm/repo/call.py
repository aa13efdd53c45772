"""One git process: never with the caller's GIT_* variables, hooks, filters or, in our own repository, configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import SwarmError

try:
    import git
except ImportError as error:  # GitPython looks for the program when it is imported
    raise SwarmError(
        f"git cannot be used here: {str(error).strip().splitlines()[0]}",
        "Is it installed? Debian and Ubuntu: sudo apt-get install git",
    ) from None

IDENTITY = {
    "GIT_AUTHOR_NAME": "swarm", "GIT_AUTHOR_EMAIL": "swarm@localhost",
    "GIT_COMMITTER_NAME": "swarm", "GIT_COMMITTER_EMAIL": "swarm@localhost",
}  # fmt: skip
# the index of a worktree can be made anew: no need to wait for the disk
CONFIG = (
    "core.fsync=all,-index", "gc.auto=0", "maintenance.auto=false", "core.logAllRefUpdates=false", "core.quotePath=false",
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null", "core.autocrlf=false",
    "core.symlinks=true", "core.fileMode=true", "core.trustctime=true", "core.checkStat=default", "core.ignoreStat=false",
    "core.sparseCheckout=false", "protocol.version=2", "fetch.unpackLimit=1", "submodule.recurse=false",
    "advice.graftFileDeprecated=false",  # said of ALONE below, before git's real complaint
)  # fmt: skip
ALONE = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": "/dev/null",  # refs/replace is for everybody in the hub to write
}  # fmt: skip
ROAD = ("GIT_SSL_", "GIT_SSH", "GIT_HTTP_", "GIT_PROXY", "GIT_PYTHON_")  # how the network is reached from here
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "SSH_ASKPASS_REQUIRE": "never"}


class Failed(SwarmError):
    """git said no."""


@dataclass(frozen=True)
class Answer:
    """What a git process left behind."""

    code: int
    out: bytes
    error: str


def ask(
    args: Sequence[str],
    cwd: Path,
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
    theirs: bool = False,
) -> Answer:
    """Run `git ARGS` in `cwd`, whatever comes of it.

    `theirs`: in the person's own repository, where their configuration (line ends, filters, proxies) is right.
    """
    if not cwd.is_dir():
        return Answer(128, b"", f"{cwd} is no folder")
    config = [] if theirs else [word for setting in CONFIG for word in ("-c", setting)]
    ours = {**QUIET, **({} if theirs else ALONE), **IDENTITY, **(env or {})}
    try:
        process = git.Git(str(cwd)).execute(
            [*_without_strangers(ours), "git", "-c", "safe.directory=*", *config, *args],
            as_process=True, env=ours, istream=-1 if data is not None else None, shell=False,
        )  # fmt: skip
    except git.GitCommandNotFound:
        raise SwarmError("git is not installed.", "Debian and Ubuntu: sudo apt-get install git") from None
    out, said = process.communicate(data)
    return Answer(process.returncode, bytes(out), bytes(said).decode(errors="replace").strip())


def run(
    args: Sequence[str],
    cwd: Path,
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
    theirs: bool = False,
) -> bytes:
    """The output of `git ARGS` in `cwd`. Raises Failed with git's own words."""
    answer = ask(args, cwd, data, env, theirs)
    if answer.code:
        raise Failed(f"git {_verb(args)} failed: {answer.error[-1000:] or answer.code}")
    return answer.out


def _without_strangers(ours: Mapping[str, str]) -> list[str]:
    """GitPython hands our whole environment on: a GIT_DIR of the shell we were started from would send us elsewhere."""
    strangers = [n for n in os.environ if n.startswith("GIT_") and n not in ours and not n.startswith(ROAD)]
    return ["env", *(word for name in strangers for word in ("-u", name))] if strangers else []


def _verb(args: Sequence[str]) -> str:
    """The first word that is no option of git itself."""
    before = ["", *args]
    return next((a for last, a in zip(before, args, strict=False) if not a.startswith("-") and last != "-c"), "")
