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


def ratio(pairs: Sequence[tuple[float, float]], times: float = 1.0) -> str:
    """Sum of the first over sum of the second, ± 95 % (the ratio estimator: Cochran, Sampling Techniques, 3rd ed., ch. 6)."""
    below = math.fsum(b for _, b in pairs)
    if below <= 0:
        return "–"
    r = math.fsum(a for a, _ in pairs) / below
    half = mean(a - r * b for a, b in pairs).half * len(pairs) / below
    return f"{r * times:.0f} ± {half * times:.0f}" if times > 1 else f"{r:.2f} ± {half:.2f}"


def median(times: Sequence[float]) -> tuple[float, float, float]:
    """The median and its interval of at least 95 %; infinite where too many never came there.

    The interval is that of the order statistics, from the binomial distribution alone (Conover, Practical Nonparametric
    Statistics, 3rd ed., 3.2): all are watched equally long, so whoever did not come there is simply later than the rest.
    """
    n, below, rank = len(times), 0.0, 0
    ordered = sorted(times)
    while (below := below + math.comb(n, rank) / 2**n) <= 0.025:
        rank += 1
    middle = ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2
    return middle, ordered[rank - 1] if rank else 0.0, ordered[n - rank] if rank else math.inf


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
