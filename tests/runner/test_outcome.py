"""How a command ended and what it printed make a result."""

from __future__ import annotations

import json

import pytest

from swarm.runner.outcome import TAIL, Ending, conclude
from swarm.runner.spec import RunSpec

SPEC = RunSpec(1, 2, "/f", "/f/work", ["python", "train.py"])
GOOD = "---\nval_bpb: 1.5\n"


@pytest.mark.parametrize(
    ("ending", "text", "outcome", "reason"),
    [
        (Ending("", 0, False), GOOD, "finished", ""),
        (Ending("", 0, False), "a MemoryError was caught\n" + GOOD, "finished", ""),
        (Ending("timeout", -15, False), GOOD, "crashed", "timeout"),
        (Ending("cancelled", -15, False), GOOD, "lost", "cancelled"),
        (Ending("cancelled", None, False), "", "lost", "cancelled"),
        (Ending("", 1, False), "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "crashed", "oom"),
        (Ending("", 1, False), "loss is bad\nFAIL\n", "crashed", "nan"),
        (Ending("", -11, False), "", "crashed", "signal SIGSEGV"),
        (Ending("", 139, True), "", "crashed", "signal SIGSEGV"),
        (Ending("", 139, False), "", "crashed", "exit 139"),
        (Ending("", 137, True), "", "crashed", "oom"),
        (Ending("", -99, False), "", "crashed", "signal 99"),
        (Ending("", 1, True), "bwrap: execvp python: No such file or directory\n", "crashed", "start"),
        (Ending("", 1, True), "bwrap: Can't mkdir /x: Read-only file system\n", "crashed", "sandbox"),
        (Ending("", 1, False), "bwrap: a word of the run\n", "crashed", "exit 1"),
    ],
)
def test_outcomes(ending: Ending, text: str, outcome: str, reason: str) -> None:
    result = conclude(SPEC, ending, text)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert (result.score is not None) == (outcome == "finished")
    assert (result.run, result.attempt) == (1, 2)


def test_the_tail_is_short_and_harmless_on_a_terminal() -> None:
    tail = conclude(SPEC, Ending("", 1, False), "x" * 9000 + "\n\x1b[31mred\x1b[0m \x1b]0;title\x07\x00\x9b ünï\n").tail
    assert len(tail) <= TAIL
    assert tail.endswith("\nred ]0;title ünï")
    assert json.loads(json.dumps(tail)) == tail
