"""What a seed does to every commit alike, and what is left of the noise when that is taken off.

A seed sets start values and the order of the data, so it may help or harm all versions of a script together. Where it does,
runs on the same seeds are compared with less noise (common random numbers: Law, Simulation Modeling and Analysis, ch. 11).
Commits and seeds are crossed: the seeds' shared variance is Henderson's method 3 (Biometrics 9, 1953), each seed's offset its
best linear unbiased prediction. Nothing is taken as shared before an F test says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST_SEEDS = 12  # looked at: those used by most commits
MOST_COMMITS = 200  # the newest
LEFT = 4  # degrees of freedom that must be left before anything is believed
CLEAR = 2.33  # normal deviate of the F test: one chance in a hundred
Runs = Mapping[int, Sequence[float]]  # of a commit: its scores by seed


@dataclass(frozen=True)
class Seeds:
    """`shared`: variance that a seed brings to all commits; `own`: what a run has besides. `clear`: there is such a thing.

    `offset`: by how much a seed is worse than another (so much is taken off); `doubt`: variance of that, about the mean of all.
    """

    shared: float
    own: float
    df: float
    clear: bool
    offset: Mapping[int, float] = field(default_factory=dict)
    doubt: Mapping[int, float] = field(default_factory=dict)

    @property
    def correlation(self) -> float:
        """Of two commits' scores over the same seeds."""
        whole = self.shared + self.own
        return self.shared / whole if whole > 0 else 0.0

    def corrected(self, seed: int, loss: float) -> tuple[float, float]:
        """A run's loss without its seed's part, and the variance that it then has."""
        unknown = self.shared * (1 + 1 / max(1, len(self.offset)))
        return loss - self.offset.get(seed, 0.0), self.own + self.doubt.get(seed, unknown)


def plain(seeds: Seeds | None) -> dict[str, object] | None:
    """For the ledger."""
    if seeds is None:
        return None
    return {"correlation": seeds.correlation, "shared": seeds.shared, "own": seeds.own, "df": seeds.df, "clear": seeds.clear,
            "offset": {str(s): x for s, x in seeds.offset.items()}, "doubt": {str(s): x for s, x in seeds.doubt.items()}}  # fmt: skip


def read(told: object) -> Seeds | None:
    """What `plain` wrote, where it is clear; None for anything else."""
    if not isinstance(told, dict) or not told.get("clear"):
        return None
    offset, doubt = ({int(s): float(x) for s, x in told[name].items()} for name in ("offset", "doubt"))
    return Seeds(float(told["shared"]), float(told["own"]), float(told["df"]), True, offset, doubt)


def compare(commits: Sequence[Runs], trust: bool = False) -> Seeds | None:
    """None where no two commits were measured on the same two seeds. `trust`: believe it without any test."""
    used = Counter(seed for runs in commits[-MOST_COMMITS:] for seed in runs if len(runs) > 1)
    names = [seed for seed, n in sorted(used.items(), key=lambda pair: (-pair[1], pair[0])) if n > 1][:MOST_SEEDS]
    place = {seed: i for i, seed in enumerate(names)}
    some = [{s: g for s, g in runs.items() if s in place and g} for runs in commits[-MOST_COMMITS:]]
    some = [runs for runs in some if len(runs) > 1]
    if len(some) < 2:
        return None
    matrix, right, whole, total, size = _equations(some, place)
    reduction, rank = _reduction(matrix, right)
    left = total - len(some) - rank
    if left < 1 or rank < 1:
        return None
    error = max(0.0, whole - reduction)
    error = 0.0 if error < 1e-12 * whole else error
    own = error / left
    shared = max(0.0, (reduction - rank * own) / size)
    tested = left >= LEFT and (own == 0.0 or deviate(reduction / rank / own, rank, left) > CLEAR)
    clear = shared > 0.0 and (trust or tested)
    if not clear:
        return Seeds(shared, own, left, False)
    # where a seed explains everything there is no error left to divide by: a millionth of what it explains stands for it
    own = max(own, 1e-6 * shared)
    ridge = own / shared
    inverse = _inverse([[x + (ridge if i == j else 0.0) for j, x in enumerate(row)] for i, row in enumerate(matrix)])
    offsets = {s: math.fsum(a * b for a, b in zip(inverse[i], right, strict=True)) for s, i in place.items()}
    return Seeds(
        shared, own, left, True, offsets, {s: own * x for s, x in zip(place, _contrasts(inverse), strict=True)}
    )


def _contrasts(inverse: Sequence[Sequence[float]]) -> list[float]:
    """Variances of the offsets about their mean: what all seeds have in common is in every score, and compares with nothing."""
    n = len(inverse)
    rows = [math.fsum(row) / n for row in inverse]
    grand = math.fsum(rows) / n
    return [max(0.0, row[i] - 2 * rows[i] + grand) for i, row in enumerate(inverse)]


def _equations(
    some: Sequence[Runs], place: Mapping[int, int]
) -> tuple[list[list[float]], list[float], float, int, float]:
    """Normal equations of the seeds within commits; squares within commits, runs, and what the shared variance counts for."""
    count = len(place)
    matrix, right = [[0.0] * count for _ in range(count)], [0.0] * count
    whole, total, size = 0.0, 0, 0.0
    for runs in some:
        n = sum(len(g) for g in runs.values())
        mean = math.fsum(x for g in runs.values() for x in g) / n
        for seed, group in runs.items():
            i = place[seed]
            right[i] += math.fsum(x - mean for x in group)
            matrix[i][i] += len(group)
            for other, more in runs.items():
                matrix[i][place[other]] -= len(group) * len(more) / n
        whole += math.fsum((x - mean) ** 2 for g in runs.values() for x in g)
        total += n
        size += n - math.fsum(len(g) ** 2 for g in runs.values()) / n
    return matrix, right, whole, total, size


def _reduction(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> tuple[float, int]:
    """Squares that the seeds explain, and the rank: elimination of the symmetric equations, the largest pivot first."""
    a, b = [list(row) for row in matrix], list(right)
    left, explained, rank = set(range(len(b))), 0.0, 0
    most = max((a[i][i] for i in left), default=0.0)
    while left:
        k = max(left, key=lambda i: a[i][i])
        if a[k][k] <= 1e-9 * most:
            break
        left.discard(k)
        rank += 1
        explained += b[k] * b[k] / a[k][k]
        for i in left:
            share = a[i][k] / a[k][k]
            b[i] -= share * b[k]
            for j in left:
                a[i][j] -= share * a[k][j]
    return explained, rank


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Of a positive definite matrix, by Gauss and Jordan."""
    n = len(matrix)
    a = [[*row, *(1.0 if i == j else 0.0 for j in range(n))] for i, row in enumerate(matrix)]
    for k in range(n):
        pivot = a[k][k]
        a[k] = [x / pivot for x in a[k]]
        for i in range(n):
            if i != k and a[i][k] != 0.0:
                share = a[i][k]
                a[i] = [x - share * y for x, y in zip(a[i], a[k], strict=True)]
    return [row[n:] for row in a]


def deviate(f: float, above: float, below: float) -> float:
    """The normal deviate of an F ratio (Paulson, Annals of Mathematical Statistics 13, 1942)."""
    root = math.pow(f, 1 / 3)
    a, b = 2 / (9 * above), 2 / (9 * below)
    return ((1 - b) * root - (1 - a)) / math.sqrt(b * root * root + a)
