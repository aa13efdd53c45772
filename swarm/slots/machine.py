"""CPU cores, the processor's name, and the torch that an interpreter has."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path


def cores() -> list[int]:
    """The CPU cores this process may use; as many as a container's quota pays for, at least one."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return mine[: max(1, int(quota) // int(period))]
    except (OSError, ValueError):  # none, or "max"
        return mine


def cpu_model() -> str:
    """What /proc/cpuinfo calls the processor, else its architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return " ".join(found[1].split()) if found else platform.machine() or "CPU"


def torch_version(python: str | None = None) -> str:
    """The torch installed for an interpreter (None: ours), without importing it; `none` where there is none."""
    if python is None:
        from importlib import metadata

        try:
            return metadata.version("torch")
        except metadata.PackageNotFoundError:
            return "none"
    for folder in Path(python).parent.parent.glob("lib/python3*/site-packages/torch-*.dist-info"):
        return folder.name.removeprefix("torch-").removesuffix(".dist-info")
    ask = "from importlib.metadata import version; print(version('torch'))"
    try:
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip() or "none"
