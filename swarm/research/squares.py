"""Weighted least squares by their normal equations, for a few hundred columns at most. Pure, and plain: no numpy at run time.

Elimination by Gauss and Jordan (Golub & Van Loan, Matrix Computations, ch. 3-4); rows are sparse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

Row: TypeAlias = dict[int, float]  # a line of the design matrix: column → value, zeros left out
SMALL = 1e-9  # of a pivot, against what stood there before


def gram(rows: Sequence[Row], weights: Sequence[float], size: int) -> list[list[float]]:
    """Xᵀ W X of rows of X and their weights."""
    found = [[0.0] * size for _ in range(size)]
    for row, weight in zip(rows, weights, strict=True):
        for (i, x), (j, y) in itertools.product(row.items(), repeat=2):
            found[i][j] += weight * x * y
    return found


def independent(normal: Sequence[Sequence[float]]) -> list[int]:
    """Columns that no earlier ones make up, found by elimination in their order."""
    left = [list(line) for line in normal]
    kept = []
    for k in range(len(left)):
        pivot = left[k][k]
        if pivot <= SMALL * max(1.0, normal[k][k]):
            continue
        kept.append(k)
        for i in range(k + 1, len(left)):
            share = left[i][k] / pivot
            if share:
                left[i] = [x - share * y for x, y in zip(left[i], left[k], strict=True)]
    return kept


def inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Of a positive definite matrix, by Gauss and Jordan: no pivoting is needed."""
    size = len(matrix)
    wide = [[*line, *(1.0 if i == j else 0.0 for j in range(size))] for i, line in enumerate(matrix)]
    for k in range(size):
        wide[k] = [x / wide[k][k] for x in wide[k]]
        for i in range(size):
            share = wide[i][k]
            if i != k and share:
                wide[i] = [x - share * y for x, y in zip(wide[i], wide[k], strict=True)]
    return [line[size:] for line in wide]


def quadratic(c: Sequence[float], matrix: Sequence[Sequence[float]]) -> float:
    """cᵀ M c."""
    return math.fsum(x * y * matrix[i][j] for i, x in enumerate(c) if x for j, y in enumerate(c) if y)
