"""The wall around a client that may do everything (`permissions: open`): it can write its worktree and a HOME of its own.

It keeps the network (its model, swarm's door), so nothing else of the person may be within its reach: no HOME, no login
file, no variables but those named here, no other agent's worktree, no token but its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.agents import found
from swarm.errors import SwarmError
from swarm.ports import Seat
from swarm.runner import sandbox

GUARDED, OPEN, UNWALLED = "guarded", "open", "unwalled"
MODES = (GUARDED, OPEN, UNWALLED)
CARRIED = ("ANTHROPIC_", "CLAUDE_CODE_", "OPENAI_", "CODEX_API_", "LC_", "DISABLE_")  # variables that begin so
NAMED = (
    "PATH", "LANG", "TERM", "COLORTERM", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
    "no_proxy", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
FILES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")  # of those, the ones that name a file


def mode(options: Mapping[str, object]) -> str:
    """What an agent may do. Raises SwarmError for a word that is none of `MODES`."""
    wanted = str(options.get("permissions") or GUARDED)
    if wanted not in MODES:
        raise SwarmError(f"permissions cannot be {wanted}.", "guarded (the default) or open")
    return wanted


def check(options: Mapping[str, object], login: str, by_variable: bool) -> None:
    """Raises SwarmError when a client cannot run in this mode here.

    `login`: how it is logged in, in words. Behind the wall only a login by a variable is of use: a stored one would have to
    be writable by an agent with a shell, and the person's own next session would read what it wrote there.
    """
    if mode(options) != OPEN:
        return
    if why := sandbox.trouble():
        raise SwarmError(
            f"open agents run behind bubblewrap, which does not work here: {why}.",
            f"{sandbox.INSTALL.partition(', or set')[0]}. Or let them do all that you can do: --yes-really",
        )
    if not by_variable:
        raise SwarmError(
            f"open agents need a login by a variable, and this one is {login}: an agent with a shell could change a stored one.",
            "Claude: claude setup-token, then export CLAUDE_CODE_OAUTH_TOKEN=…, or export ANTHROPIC_API_KEY=…. "
            "Codex: export CODEX_API_KEY=…. Or without a wall: --yes-really",
        )


def env(environ: Mapping[str, str], token: str, seat: Seat, more: Sequence[str] = ()) -> dict[str, str]:
    """The environment behind the wall: the client's own variables and those in `more`, HOME and the agent's token."""
    no = found.others(seat.kind)
    kept = {n: v for n, v in environ.items() if n in (*NAMED, *more) or (n.startswith(CARRIED) and n not in no)}
    return {**kept, "HOME": str(home(seat)), "TMPDIR": "/tmp", "IS_SANDBOX": "1", found.TOKEN: token}


def home(seat: Seat) -> Path:
    """HOME behind the wall; what a client keeps of its sessions stays here from turn to turn."""
    return seat.folder / "home"


def wrap(seat: Seat, argv: Sequence[str], environ: Mapping[str, str], readable: Sequence[str] = ()) -> list[str]:
    """`argv` behind the wall. `readable`: files of the person's that it needs (a certificate, a catalog of models)."""
    home(seat).mkdir(mode=0o700, exist_ok=True)
    workspace = seat.worktree.parent.parent
    hidden = sandbox.hidden_folders([os.path.expanduser("~"), str(workspace)])
    words = [*sandbox.isolation(), "--share-net"]
    words += sandbox.covers(hidden, [*programs(argv[0]), *programs(_node())])
    wanted = [*(environ[name] for name in FILES if environ.get(name)), *readable, os.path.realpath("/etc/resolv.conf")]
    for path in wanted:
        if os.path.exists(path) and sandbox.under(os.path.realpath(path), hidden):
            words += ["--ro-bind", path, path]
    for kept in (workspace / ".swarm" / ".git", seat.folder):
        words += ["--ro-bind-try", str(kept), os.path.realpath(kept)]
    for own in (home(seat), seat.worktree):
        words += ["--bind", str(own), os.path.realpath(own)]
    return [*words, "--chdir", os.path.realpath(seat.worktree), "--", *argv]


def programs(path: str) -> list[str]:
    """The folders that a program of npm or of an installer needs: where it lies, and the packages around it."""
    if not path:
        return []
    real = Path(os.path.realpath(path))
    packages = [str(folder) for folder in real.parents if folder.name == "node_modules"]
    return [*(packages[-1:] or sandbox.interpreter(path)), *([os.path.dirname(path)] if packages else [])]


def _node() -> str:
    return shutil.which("node") or ""
