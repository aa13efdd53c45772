"""What one run needs to know, as a JSON file. Standard library only: the runner also serves other machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Cache:
    """A read-only input: `source` on this machine, seen by the run at `place` (relative to its HOME, or absolute)."""

    source: str
    place: str


@dataclass(frozen=True)
class RunSpec:
    """One attempt of one run. All paths are absolute. Times are seconds."""

    run: int
    attempt: int
    folder: str  # gets result.json, log.txt; holds work/ home/ tmp/
    work: str  # the clean checkout the command runs in
    command: list[str]
    metric: str = "val_bpb"
    seed: int = 0
    seed_mode: str = "env"  # env: SWARM_SEED | literal: rewrite the argument of manual_seed in the run's copy | none
    edit: list[str] = field(default_factory=list)  # the agents' files (literal seeds are rewritten in these)
    budget: str = ""  # SWARM_BUDGET, e.g. wall:300
    kill_after: float = 3600.0  # wall seconds from start to the end of the whole tree
    env: dict[str, str] = field(default_factory=dict)
    caches: list[Cache] = field(default_factory=list)
    sandbox: str = "auto"  # auto | required | off
    hide: list[str] = field(default_factory=list)  # folders the run must not see (workspace, real HOME)
    prefixes: list[str] = field(default_factory=list)  # bound read-only though they may lie under hidden ones
    devices: list[str] = field(default_factory=list)  # device nodes bound into the sandbox
    head: int = 1 << 20  # bytes of output kept from the start
    tail: int = 1 << 20  # and from the end

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(path: Path) -> RunSpec:
        raw = json.loads(path.read_text())
        raw["caches"] = [Cache(**c) for c in raw["caches"]]
        return RunSpec(**raw)


@dataclass(frozen=True)
class RunResult:
    """What the runner writes to result.json when an attempt is over.

    outcome: finished (exactly one summary block, a finite score, exit 0) or crashed, with `reason` one of
    timeout | oom | nan | budget | no summary | two summaries | exit N | signal NAME | start (the command could not be
    started) | sandbox (required and not to be had). `lost`: the machine's fault, the run is to be repeated.
    """

    run: int
    attempt: int
    outcome: str  # finished | crashed | lost
    reason: str = ""
    score: float | None = None
    summary: dict[str, float] = field(default_factory=dict)
    exit: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    sandboxed: bool = False
    kernel: str = ""  # the line `kernel: NAME` of the run's output, if it prints one
    tail: str = ""  # the last lines of the output, at most 4,000 characters
    curve: list[tuple[float, float]] = field(default_factory=list)  # share of the budget, training loss (see curve.py)

    @staticmethod
    def read(path: Path) -> RunResult:
        """Raises OSError, ValueError or TypeError when the file is absent or not a result."""
        return RunResult(**json.loads(path.read_text()))
