"""What this machine has: system programs, sandboxes, interpreters and what is installed in them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = {"git": "git", "tmux": "tmux", "bwrap": "bubblewrap"}  # program → Debian package
ASK = (
    "import json,sys\n"
    "from importlib.metadata import version,PackageNotFoundError\n"
    "out={'python':'.'.join(map(str,sys.version_info[:3]))}\n"
    "for name in sys.argv[1:]:\n"
    " try: out[name]=version(name)\n"
    " except PackageNotFoundError: pass\n"
    "print(json.dumps(out))"
)


def absent(programs: Sequence[str] = tuple(PACKAGES)) -> list[str]:
    """Those of these programs that are not on the PATH."""
    return [p for p in programs if shutil.which(p) is None]


def apt(programs: Sequence[str]) -> str:
    """The command that installs them on Debian and Ubuntu."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y {' '.join(PACKAGES.get(p, p) for p in programs)}"


@dataclass(frozen=True)
class Interpreter:
    """A Python, its version and the versions of the packages asked for (absent: not installed)."""

    path: str
    version: str
    packages: dict[str, str]


def interpreter(python: str | None, packages: Sequence[str] = ("torch",)) -> Interpreter | None:
    """Look at a Python without importing anything heavy in it; None when it does not start. Default: our own."""
    if python is None:
        return Interpreter(sys.executable, platform.python_version(), _own(packages))
    try:
        done = subprocess.run(
            [python, "-c", ASK, *packages], capture_output=True, text=True, timeout=60, check=True, env=plain_env()
        )
        found = dict(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(python, str(found.pop("python")), found)


def _own(packages: Sequence[str]) -> dict[str, str]:
    """What is installed for this very Python, which need not be started again; PYTHONPATH is not a run's to see."""
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [folder for folder in sys.path if folder not in added]
    found = {name: next(iter(metadata.distributions(name=name, path=path)), None) for name in packages}
    return {name: package.version for name, package in found.items() if package is not None}


def plain_env() -> dict[str, str]:
    """Our environment without what git or Python would take from the shell that called us."""
    odd = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
    return {k: v for k, v in os.environ.items() if not k.startswith("GIT_") and k not in odd}


def git(*arguments: str, cwd: Path | None = None) -> str | None:
    """The output of a git command in a person's own repository; None when it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=True, env=plain_env()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
