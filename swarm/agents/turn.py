"""One turn of somebody's program: run in the worktree with a time limit, its output shown and its end kept."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from swarm.agents.seat import plain_env

PATIENCE = 5.0  # seconds between TERM and KILL
TAIL = 16_000  # bytes of output kept
CODES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


@dataclass(frozen=True)
class Turn:
    """How it ended. `code` None: it ran out of time. `commit`: the subject of a commit it made, else empty."""

    code: int | None
    output: str
    commit: str = ""

    @property
    def last_line(self) -> str:
        """The last line it printed that says anything; empty when there is none."""
        lines = [" ".join(line.split()) for line in self.output.replace("\r", "\n").splitlines()]
        return next((line for line in reversed(lines) if re.search(r"\w", line)), "")


def run(
    argv: Sequence[str], cwd: Path, limit: float, env: Mapping[str, str] | None = None, source: Path | None = None
) -> Turn:
    """Run it in a process group of its own, and end the whole group when it is over or `limit` seconds are.

    `source` is given to it on standard input. Raises OSError when it cannot be started.
    """
    before = _head(cwd)
    with Path(source or os.devnull).open("rb") as given:
        child = subprocess.Popen(
            argv, cwd=cwd, env={**plain_env(os.environ), **(env or {})}, stdin=given, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, process_group=0,
        )  # fmt: skip
    assert child.stdout is not None
    kept = bytearray()
    reader = threading.Thread(target=_show, args=(child.stdout, kept), daemon=True)
    reader.start()
    code: int | None = None
    try:
        code = child.wait(limit)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _end(child)
    reader.join(PATIENCE)  # a child that left the group may hold the pipe open
    after = _head(cwd)
    commit = _git(cwd, "log", "-1", "--format=%s") if after and after != before else ""
    return Turn(code, CODES.sub("", kept.decode(errors="replace")), commit)


def _show(stream: IO[bytes], kept: bytearray) -> None:
    out = getattr(sys.stdout, "buffer", None)
    with contextlib.suppress(OSError, ValueError):
        while chunk := stream.read1(65536):  # type: ignore[attr-defined]
            kept += chunk
            del kept[:-TAIL]
            if out is not None:
                out.write(chunk)
                out.flush()


def _end(child: subprocess.Popen[bytes]) -> None:
    """TERM, then KILL, to the group; what its leader left behind in it as well."""
    _signal(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE)
    _signal(child.pid, signal.SIGKILL)
    child.wait()


def _signal(group: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sign)


def _head(cwd: Path) -> str:
    return _git(cwd, "rev-parse", "HEAD")


def _git(cwd: Path, *words: str) -> str:
    """A question to the agent's own worktree, with the agent's own rights. Empty when there is no answer."""
    try:
        done = subprocess.run(["git", *words], cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
