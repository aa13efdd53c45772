"""Figures of repeated campaigns: means with their 95 % intervals, and a table that can be pasted into a page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Mean(NamedTuple):
    """A mean and half the width of its 95 % interval (Student's; the quantile within 2 % from ten values on)."""

    value: float
    half: float
    n: int

    def __str__(self) -> str:
        digits = 3 if self.value < 1.5 else 2
        return f"{self.value:.{digits}f} ± {self.half:.{digits}f}"


def mean(values: Iterable[float]) -> Mean:
    """Of at least two values."""
    found = list(values)
    n = len(found)
    return Mean(statistics.fmean(found), (1.96 + 2.4 / (n - 1)) * statistics.stdev(found) / math.sqrt(n), n)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown, columns aligned."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    out = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([out[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *out[1:]])


def everywhere(work: Callable[..., T], tasks: Sequence[tuple[object, ...]], jobs: int) -> list[T]:
    """`work(*task)` for each task, in `jobs` processes; the answers in order."""
    if jobs == 1:
        return [work(*task) for task in tasks]
    with ProcessPoolExecutor(jobs) as pool:
        return [future.result() for future in [pool.submit(work, *task) for task in tasks]]
