"""What NVML knows of this machine's GPUs. They are named by UUID wherever a program reads it: NVML and CUDA count differently."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarm.errors import SwarmError

IN_USE_MB = 2000  # memory in use without a process that we can see (another container's) that makes a GPU busy
COMMON_NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")
ON_CPU = "try it on CPU cores (a toy of 20 s per run):   swarm spawn --device cpu --gpus 2 --agents tuner"


@dataclass(frozen=True)
class Gpu:
    """`index` is nvidia-smi's. `foreign_pids` compute on it now; `used_mb` of its memory are taken."""

    index: int
    uuid: str
    name: str
    memory_mb: int
    foreign_pids: tuple[int, ...] = ()
    device_nodes: tuple[str, ...] = ()
    used_mb: int = 0
    split: bool = False  # by MIG

    @property
    def id(self) -> str:
        return str(self.index)

    @property
    def busy(self) -> str:
        """Who uses it, in a few words; empty when nobody does."""
        if self.foreign_pids:
            return f"pid {', '.join(map(str, self.foreign_pids))}"
        return f"{self.used_mb} MB of its memory in use" if self.used_mb > IN_USE_MB else ""


def gpus() -> list[Gpu]:
    """The NVIDIA GPUs that this process may use; none where there is no driver. GPUs split by MIG are left alone.

    Raises SwarmError when CUDA_VISIBLE_DEVICES numbers GPUs in an order that only CUDA knows.
    """
    found = _all()
    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    if mask is not None:
        if len({g.name for g in found}) > 1 and re.search(r"(^|,)\s*\d", mask) and _order() != "PCI_BUS_ID":
            raise SwarmError(
                f"CUDA_VISIBLE_DEVICES={mask} counts different kinds of GPUs in CUDA's own order.",
                "Name them by UUID (nvidia-smi -L), or set CUDA_DEVICE_ORDER=PCI_BUS_ID.",
            )
        found = [found[i] for i in visible(mask, [g.uuid for g in found])]
    return [g for g in found if not g.split]


def visible(mask: str, uuids: Sequence[str]) -> list[int]:
    """Positions that CUDA_VISIBLE_DEVICES leaves, in its order: numbers, or beginnings of UUIDs that fit one GPU.

    As CUDA does it: the first entry that names no GPU ends the list, and naming one twice leaves none.
    """
    left: list[int] = []
    for word in (w.strip() for w in mask.split(",")):
        if word.isdigit():
            fits = [int(word)] if int(word) < len(uuids) else []
        else:
            fits = [i for i, uuid in enumerate(uuids) if word.startswith("GPU-") and uuid.startswith(word)]
        if len(fits) != 1:
            break
        left += fits
    return left if len(set(left)) == len(left) else []


def strangers(runs: Path) -> dict[str, tuple[int, ...]]:
    """Pids that compute on each GPU, by UUID, and belong to no run below `runs`.

    A run carries SWARM_RUN in its environment. A pid that this machine's /proc does not show cannot be told and is left
    out: inside a container NVML names the pids of the host.
    """
    mark = f"SWARM_RUN={runs}/".encode()
    return {g.uuid: tuple(p for p in g.foreign_pids if _is_strange(p, mark)) for g in _all()}


def _is_strange(pid: int, mark: bytes) -> bool:
    try:
        return mark not in Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        return True  # another user's
    except OSError:
        return False


def no_gpus() -> SwarmError:
    """What to tell a person who wants GPUs where there are none."""
    return SwarmError(f"no NVIDIA or AMD GPU here ({_why_not()}).", ON_CPU)


def _all() -> list[Gpu]:
    """In NVML's order, which is that of the PCI bus; none at the first thing that is wrong."""
    try:
        import pynvml as nvml

        nvml.nvmlInit()
    except Exception:  # no package, no library, no driver: whatever it is, there is nothing to use
        return []
    try:
        return [_gpu(nvml, i) for i in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return []
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid, name = (_text(ask(handle)) for ask in (nvml.nvmlDeviceGetUUID, nvml.nvmlDeviceGetName))
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    gpu = Gpu(index, uuid, name, memory.total >> 20, used_mb=memory.used >> 20)
    if _asked(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0], 0):
        return replace(gpu, split=True)
    minor = _asked(nvml, lambda: nvml.nvmlDeviceGetMinorNumber(handle), index)
    running = _asked(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle), [])
    pids = tuple(sorted(p.pid for p in running if p.pid != os.getpid()))
    nodes = tuple(n for n in (f"/dev/nvidia{minor}", *COMMON_NODES) if os.path.exists(n))
    return replace(gpu, foreign_pids=pids, device_nodes=nodes)


def _asked(nvml: Any, question: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return question()
    except nvml.NVMLError:  # not supported here
        return otherwise


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _order() -> str:
    return os.environ.get("CUDA_DEVICE_ORDER", "")


def _why_not() -> str:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides them all"
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return "nvidia-smi: not found"
    try:
        done = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi: {error}"
    said = (done.stdout + done.stderr).strip().splitlines()
    return f"nvidia-smi: {said[0][:100] if said else 'shows none'}"
