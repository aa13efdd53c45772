"""A client as it is installed here: where, which version, and the environment it gets."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping

from swarm.agents.seat import VARIABLE, plain_env
from swarm.errors import SwarmError

TOKEN = "SWARM_AGENT_TOKEN"  # in the environment of the client's process only
INSIDE = ("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CODEX_THREAD_ID", "CODEX_SANDBOX")
LOGINS = {  # variables by which a client is logged in: no other client is told them
    "claude": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    "codex": ("CODEX_API_KEY", "OPENAI_API_KEY"),
}


def program(name: str, package: str) -> str:
    """The path of a client's program. Raises SwarmError when it is not on the PATH, with the command that installs it."""
    path = shutil.which(name)
    if path is None:
        raise SwarmError(f"{name} is not installed (not on the PATH).", f"npm install -g {package}")
    return path


def version(path: str, package: str) -> str:
    """Its version as a number. Raises SwarmError when it does not start. One that was installed anew is asked anew."""
    try:
        return _version(path, package, os.stat(path).st_mtime_ns)
    except OSError as error:
        raise SwarmError(f"{path} does not start: {error}", f"Install it again: npm install -g {package}") from None


@functools.lru_cache(maxsize=16)
def _version(path: str, package: str, _: int) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
        return re.search(r"\d+(\.\d+)+", done.stdout)[0]  # type: ignore[index]
    except (OSError, subprocess.SubprocessError, TypeError) as error:
        raise SwarmError(f"{path} does not start: {error}", f"Install it again: npm install -g {package}") from None


def env(environ: Mapping[str, str], token: str, client: str, needed: Collection[str] = ()) -> dict[str, str]:
    """The person's environment for a client, with this agent's token. What belongs to our process, to another client, or to
    one that swarm itself was started from, is not handed on, unless it is `needed`."""
    no = {VARIABLE, *INSIDE, *(others(client) - {*needed})}
    return {**{name: value for name, value in plain_env(environ).items() if name not in no}, TOKEN: token}


def others(client: str) -> set[str]:
    """The variables by which other clients than this one are logged in."""
    return {name for other, names in LOGINS.items() if other != client for name in names}


def words(options: Mapping[str, object], known: Mapping[str, type | tuple[type, ...]]) -> None:
    """Raises SwarmError for an option that these agents do not have, or one of another type."""
    for name, value in options.items():
        if name not in known:
            raise SwarmError(f"there is no option {name} for these agents.", f"There are: {', '.join(known)}")
        if not isinstance(value, known[name]) or isinstance(value, bool) != (known[name] is bool):
            raise SwarmError(f"the option {name} cannot be {value!r}.")


def home(variable: str, folder: str) -> str:
    """Where a client keeps its login and configuration: its own variable, else a folder in HOME."""
    return os.environ.get(variable) or os.path.join(os.path.expanduser("~"), folder)


def screen(options: Mapping[str, object]) -> None:
    """Raises SwarmError when a client cannot have a screen of its own here."""
    if not options.get("interactive"):
        return
    if options.get("permissions") not in (None, "", "guarded"):
        raise SwarmError("interactive agents are guarded.", "Leave out --interactive or --permissions.")
    if shutil.which("tmux") is None:
        raise SwarmError("interactive agents need tmux.", "Install tmux, or leave out --interactive.")
