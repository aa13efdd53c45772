"""The bubblewrap command line around a run: no network, a read-only root, and nothing of the person to be seen.

Training code is written by agents, so a run is where an agent without a shell would have one after all.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from swarm.runner import place
from swarm.runner.spec import RunSpec

INSTALL = "Install it (Debian, Ubuntu: apt-get install -y bubblewrap) and allow user namespaces, or set `sandbox: auto` or `off`."
ALWAYS_HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp")
HOPS = 16  # links between the name of an interpreter and the interpreter


def isolation() -> list[str]:
    """The part that is the same for every run.

    Root in a user namespace still owns the files of /proc/sys (core_pattern runs a program outside), hence the bind.
    """
    return [
        shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--ro-bind", "/", "/", "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys",
        "--dev", "/dev", "--tmpfs", "/dev/shm",
    ]  # fmt: skip


def trouble() -> str:
    """Empty when a sandbox can be made on this machine, else why not (one trial, 25 ms)."""
    program = shutil.which("bwrap")
    return _trial(program) if program else "not installed"


@functools.cache
def _trial(program: str) -> str:
    """What `program`, a bubblewrap, says to it."""
    try:
        words = [program, *isolation()[1:], "true"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it does not start"])[-1]


def wrap(spec: RunSpec, command: list[str]) -> list[str]:
    """`command` in a sandbox of its own. HOME, TMPDIR and the checkout keep their (real) paths inside."""
    argv = isolation()
    for node in spec.devices:
        if os.path.exists(node):
            argv += ["--dev-bind", node, node]
    hidden = hidden_folders(spec.hide)
    argv += covers(hidden, [*spec.prefixes, *interpreter(command[0])])
    for folder in (spec.work, str(place.home(spec)), str(place.scratch(spec))):
        argv += ["--bind", folder, os.path.realpath(folder)]
    argv += caches(spec, hidden)
    return [*argv, "--chdir", os.path.realpath(spec.work), "--", *command]


def hidden_folders(hide: list[str]) -> list[str]:
    """Real paths of what is covered with an empty folder. A HOME of `/` cannot be."""
    real = {os.path.realpath(path) for path in (*ALWAYS_HIDDEN, *hide)}
    return sorted(path for path in real if path != "/" and os.path.isdir(path))


def covers(hidden: list[str], prefixes: list[str]) -> list[str]:
    """Cover what is hidden and uncover the interpreter's prefixes, outer folders first, so that the inner one decides."""
    layers = {path: ["--tmpfs", path] for path in hidden}
    links: dict[str, str] = {}
    for prefix in prefixes:
        real = os.path.realpath(prefix)
        if under(real, hidden) and real not in layers and os.path.isdir(real):
            layers[real] = ["--ro-bind", real, real]
        if prefix != real and under(prefix, hidden):
            links[prefix] = real
    argv = [word for path in sorted(layers, key=_depth) for word in layers[path]]
    for name in sorted(links, key=_depth):
        if not under(name, [p for p in layers if p not in hidden]) and not under(name, [n for n in links if n != name]):
            argv += ["--symlink", links[name], name]
    return argv


def caches(spec: RunSpec, hidden: list[str]) -> list[str]:
    """Read-only inputs at the places where the task looks for them."""
    argv: list[str] = []
    for cache in sorted(spec.caches, key=lambda c: _depth(c.place)):
        if not cache.place or not os.path.exists(cache.source):
            continue  # the task's own words about a missing input are better than ours
        target = os.path.join(os.path.realpath(place.home(spec)), cache.place)
        if not os.path.isabs(cache.place) or os.path.exists(target) or under(target, hidden):
            argv += ["--ro-bind", cache.source, target]
    return argv


def interpreter(program: str) -> list[str]:
    """The folders that an interpreter needs: its own tree, and of those its chain of links goes through the links.

    A link in ~/.local/bin is no reason to show all of ~/.local.
    """
    found: list[str] = []
    path = Path(program)
    for _ in range(HOPS):
        if not path.is_absolute() or not path.exists():
            break
        tree = path.parent.parent
        venv = (tree / "pyvenv.cfg").is_file()
        found.append(str(tree if venv or not path.is_symlink() else path.parent))
        found += _base(tree / "pyvenv.cfg")
        if not path.is_symlink():
            break
        path = Path(os.path.normpath(path.parent / os.readlink(path)))
    return found


def _base(config: Path) -> list[str]:
    """The prefix behind a virtual environment (which may hold a copy of the interpreter instead of a link)."""
    try:
        lines = config.read_text().splitlines()
    except (OSError, ValueError):
        return []
    homes = [value.strip() for key, _, value in (line.partition("=") for line in lines) if key.strip() == "home"]
    return [os.path.dirname(home) for home in homes if os.path.isabs(home)]


def under(path: str, folders: list[str]) -> bool:
    """Whether one of the folders holds `path` (deeper than itself)."""
    return any(path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path
