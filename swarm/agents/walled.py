"""The wall around a client that may do everything (`permissions: open`): it can write its worktree and a HOME of its own.

It keeps the network (its model, swarm's door), so nothing else of the person may be within its reach: no HOME, no login
file, no variables but those named here, no other agent's worktree, no token but its own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.agents import found, sockets
from swarm.errors import SwarmError
from swarm.ports import Seat
from swarm.runner import sandbox

GUARDED, OPEN, UNWALLED = "guarded", "open", "unwalled"
MODES = (GUARDED, OPEN, UNWALLED)
CARRIED = {  # variables that begin so, by client: what one logs in with is nothing for the other
    "claude": ("ANTHROPIC_", "CLAUDE_CODE_", "DISABLE_", "LC_"),
    "codex": ("OPENAI_", "CODEX_API_", "LC_"),
}
NAMED = (
    "PATH", "LANG", "TERM", "COLORTERM", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
    "no_proxy", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
FOLDERS = (  # variables that name folders in which a person may keep logins and sockets, besides HOME
    "CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR", "TMUX_TMPDIR", "TMPDIR", "GNUPGHOME", "DOCKER_CONFIG", "HF_HOME",
)  # fmt: skip
DRIVES = ("/mnt", "/media")  # disks of a person's; what an agent needs of them is shown all the same
UNSEEN = 'exec 9< "$0" && exec "$@"'  # bwrap takes its filter from an open file
FILES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")  # of those, the ones that name a file

TOLD = {  # what an agent is told of its rights
    GUARDED: "You have no shell and no web.",
    OPEN: "You have a shell and the web; only your worktree and your HOME can be written, and no process outlives a turn.",
    UNWALLED: "You have a shell and the web, with the rights of the person: change nothing outside your worktree.",
}


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
    begins = CARRIED.get(seat.kind, ())
    kept = {
        n: v for n, v in environ.items() if n in (*NAMED, *more) or (n.startswith(begins) and n not in found.INSIDE)
    }
    return {**kept, "HOME": str(home(seat)), "TMPDIR": "/tmp", "IS_SANDBOX": "1", found.TOKEN: token}


def home(seat: Seat) -> Path:
    """HOME behind the wall; what a client keeps of its sessions stays here from turn to turn."""
    return seat.folder / "home"


def wrap(seat: Seat, argv: Sequence[str], environ: Mapping[str, str], readable: Sequence[str] = ()) -> list[str]:
    """`argv` behind the wall. `readable`: files of the person's that it needs (a certificate, a catalog of models)."""
    home(seat).mkdir(mode=0o700, exist_ok=True)
    workspace = seat.worktree.parent.parent
    hidden = sandbox.hidden_folders([*_persons(), str(workspace)])
    words = [*_sealed(seat), *sandbox.isolation(), "--share-net"]
    words += ["--seccomp", "9"] if words[0] == "/bin/sh" else []
    words += sandbox.covers(hidden, [*programs(argv[0]), *programs(_node())])
    wanted = [*(environ[name] for name in FILES if environ.get(name)), *readable, os.path.realpath("/etc/resolv.conf")]
    for path in wanted:
        if os.path.exists(path) and sandbox.under(os.path.realpath(path), hidden):
            words += ["--ro-bind", path, path]
    for kept in (workspace / ".swarm" / ".git", seat.folder):
        words += ["--ro-bind-try", str(kept), os.path.realpath(kept)]
    for own in (home(seat), seat.worktree):
        words += ["--bind", str(own), os.path.realpath(own)]
    link = seat.worktree / ".git"
    if (
        link.is_file() and not link.is_symlink()
    ):  # else a git of the person's, run there, would obey the agent's configuration
        words += ["--ro-bind", str(link), os.path.realpath(link)]
    return [*words, "--chdir", os.path.realpath(seat.worktree), "--", *argv]


def programs(path: str) -> list[str]:
    """The folders that a program of npm or of an installer needs: where it lies, and the packages around it."""
    if not path:
        return []
    real = Path(os.path.realpath(path))
    packages = [str(folder) for folder in real.parents if folder.name == "node_modules"]
    if packages:
        return [packages[-1], os.path.dirname(path)]
    home = Path.home()  # a program that lies in ~/bin or ~/.local/bin is no reason to show what else is in there
    shared = {os.path.realpath(folder) for folder in (home, home / ".local")}
    trees = sandbox.interpreter(path)
    return [os.path.dirname(path) if os.path.realpath(tree) in shared else tree for tree in trees]


def _persons() -> list[str]:
    """Where a person's own things lie, as far as their variables tell."""
    named = [os.environ[name] for name in FOLDERS if os.path.isabs(os.environ.get(name, ""))]
    with contextlib.suppress(KeyError):  # a container's user without a name
        named.append(pwd.getpwuid(os.getuid()).pw_dir)
    theirs = [folder for folder in named if not sandbox.under(os.path.realpath(folder), ["/usr"])]  # user bin has /bin
    return [os.path.expanduser("~"), *theirs, *DRIVES]


def _sealed(seat: Seat) -> list[str]:
    """What gives bwrap the filter of sockets; empty on a machine for which there is none."""
    filtered = sockets.program()
    if not filtered:
        return []
    path = seat.folder / "wall.bpf"
    path.write_bytes(filtered)
    return ["/bin/sh", "-c", UNSEEN, str(path)]


def _node() -> str:
    return shutil.which("node") or ""
