"""The one summary block of a run's output."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

PAIR = re.compile(r"\s*([A-Za-z_][\w.%/-]{0,63})\s*:\s*(\S.{0,199}?)\s*")
LINES = re.compile(r"\r\n|\n|\r")  # progress lines end with a bare \r
KEYS = 64
LONGEST = 400  # characters of a line that can be a pair


@dataclass(frozen=True)
class Summary:
    """What the output says. `problem` is empty, or why there is no score (words of RunResult.reason)."""

    score: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    kernel: str = ""
    problem: str = ""


def parse(text: str, metric: str) -> Summary:
    """Read exactly one summary.

    It is the `key: value` lines right behind a line `---`, the metric among them. Where the output has no line `---`
    at all, a single line `metric: value` will do.
    """
    lines = LINES.split(text)
    marks = [i for i, line in enumerate(lines) if line.strip() == "---"]
    blocks = [_pairs(lines, i + 1) for i in marks]
    if not marks:
        blocks = [[pair] for pair in map(_pair, lines) if pair is not None]
    found = [block for block in blocks if any(key == metric for key, _ in block)]
    kernel = _kernel(lines)
    if not found:
        return Summary(kernel=kernel, problem="no summary")
    if len(found) > 1 or sum(key == metric for key, _ in found[0]) > 1:
        return Summary(kernel=kernel, problem="two summaries")
    return _read(dict(found[0]), metric, kernel)


def _read(block: dict[str, str], metric: str, kernel: str) -> Summary:
    numbers = {key: number for key, text in block.items() if (number := _number(text)) is not None}
    values = {key: number for key, number in list(numbers.items())[:KEYS] if math.isfinite(number)}
    score = numbers.get(metric)
    if score is None:
        return Summary(values=values, kernel=kernel, problem="nan" if block[metric] == "FAIL" else "no summary")
    if not math.isfinite(score):
        return Summary(values=values, kernel=kernel, problem="nan")
    if score == 0.0 and metric == "val_bpb":
        # Upstream's results.tsv writes a crash as 0.000000, and it must never win a minimum.
        return Summary(values=values, kernel=kernel, problem="score 0 means crash")
    return Summary(score, values, kernel)


def _pairs(lines: list[str], start: int) -> list[tuple[str, str]]:
    """The `key: value` lines from `start` on, up to the first line that is none."""
    pairs: list[tuple[str, str]] = []
    for i in range(start, len(lines)):
        pair = _pair(lines[i])
        if pair is None:
            break
        pairs.append(pair)
    return pairs


def _pair(line: str) -> tuple[str, str] | None:
    match = PAIR.fullmatch(line) if len(line) <= LONGEST else None
    return (match[1], match[2]) if match else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _kernel(lines: list[str]) -> str:
    names = [pair[1] for pair in map(_pair, lines) if pair is not None and pair[0] == "kernel"]
    return re.sub(r"[^\x20-\x7e]", "", names[0])[:60] if names else ""
