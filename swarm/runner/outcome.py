"""What an attempt came to: pure, from how the command ended and what it printed."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from swarm.runner.spec import RunResult, RunSpec
from swarm.runner.summary import LINES, Summary, parse

TAIL = 4000  # characters
OUT_OF_MEMORY = re.compile(r"\bMemoryError\b|CUDA out of memory|OutOfMemoryError")
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\n\r\t\x20-\x7e\u00a0-\U0010ffff]")


@dataclass(frozen=True)
class Ending:
    """How the command ended. `stopped` is empty or why we ended it: timeout, cancelled. `exit` < 0 is a signal."""

    stopped: str
    exit: int | None
    sandboxed: bool


def conclude(spec: RunSpec, ending: Ending, text: str) -> RunResult:
    """The result, but for what was measured beside it."""
    summary = parse(text, spec.metric)
    tail = CONTROL.sub("", text[-TAIL:]).strip("\n")
    if ending.stopped == "cancelled":
        outcome, reason = "lost", "cancelled"
    else:
        reason = ending.stopped or _trouble(ending, tail) or summary.problem
        outcome = "crashed" if reason else "finished"
    score = summary.score if outcome == "finished" else None
    return RunResult(
        spec.run, spec.attempt, outcome, reason, score, _kept(summary, outcome), kernel=summary.kernel, tail=tail
    )


def _kept(summary: Summary, outcome: str) -> dict[str, float]:
    return summary.values if outcome == "finished" else {}


def _trouble(ending: Ending, tail: str) -> str:
    """Why an exit was no success; empty for exit 0."""
    if ending.exit == 0:
        return ""
    code = ending.exit if ending.exit is not None else 1
    last = next((line for line in reversed(LINES.split(tail)) if line.strip()), "")
    if ending.sandboxed and code == 1 and last.startswith("bwrap: "):
        return "start" if "execvp" in last else "sandbox"
    # Nobody but the kernel short of memory kills with -9: what we kill ourselves has been dealt with above.
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL) or OUT_OF_MEMORY.search(tail):
        return "oom"
    if last.strip() == "FAIL":
        return "nan"  # upstream's word for a loss that is NaN or above 100
    if ending.sandboxed and 128 < code < 193:
        code = 128 - code  # bubblewrap tells a signal like a shell does
    return f"signal {_name(-code)}" if code < 0 else f"exit {code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
