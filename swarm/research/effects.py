"""How large the effects of changes are in this campaign: a prior fitted to what was measured. Losses: below 0 is a gain.

Empirical Bayes with a mixture of a point at nothing and of half-normals of given widths on either side, whose shares alone
are fitted (EM; the likelihood is convex in them, so there is one answer): M. Stephens, "False discovery rates: a new
deal", Biostatistics 18 (2017). Gains and harms have widths of their own, so that a few ruinous changes do not make small
gains believable. Chance finds among changes without effect are shrunk away; a find of many standard errors is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 20  # judged changes before anything is fitted
MOST = 300  # the newest so many: what is still to be gained gets less
WIDTHS = (0.5, 1.0, 2.0, 4.0, 12.0)  # of the half-normals, in median standard errors
NOTHING, GAINS = (
    5.0,
    3.0,
)  # changes that are taken as seen: doubt goes to "no effect", and small gains are never ruled out
ROUNDS, STILL = 100, 3e-4  # of EM, and the share by which nothing moves any more
Seen = tuple[float, float]  # a measured effect (change minus parent) and its variance


@dataclass(frozen=True)
class Part:
    """Of all effects the share that is half-normal of this `width`; side -1: gains, +1: harms, 0: none at all."""

    share: float
    side: int
    width: float


@dataclass(frozen=True)
class Effects:
    """The fitted prior, from `n` changes."""

    parts: tuple[Part, ...]
    n: int

    @property
    def null(self) -> float:
        """The share of changes without any effect."""
        return sum(p.share for p in self.parts if p.side == 0)

    @property
    def mu(self) -> float:
        """The mean effect."""
        return math.fsum(p.share * p.side * p.width * math.sqrt(2 / math.pi) for p in self.parts)

    @property
    def tau(self) -> float:
        """The effects' standard deviation."""
        return math.sqrt(max(0.0, math.fsum(p.share * p.width**2 for p in self.parts) - self.mu**2))


@dataclass(frozen=True)
class Effect:
    """What is believed of one change: its mean effect and variance, P(gain), and P(no effect at all)."""

    m: float
    v: float
    gain: float
    null: float

    @property
    def better(self) -> float:
        """P(better), where no effect counts half: what stands for a coin's side is no sign of harm."""
        return self.gain + 0.5 * self.null


def fit(seen: Sequence[Seen]) -> Effects | None:
    """The prior that explains the measured effects best. None for fewer than ENOUGH, or where nothing is noisy."""
    some = [(d, v) for d, v in seen[-MOST:] if math.isfinite(d) and v > 0.0 and math.isfinite(v)]
    if len(some) < ENOUGH:
        return None
    unit = math.sqrt(sorted(v for _, v in some)[len(some) // 2])
    kinds = [(0, 0.0)] + [(side, unit * width) for width in WIDTHS for side in (-1, 1)]
    rows = []
    for d, v in some:
        logs = [_log_likelihood(d, v, side, width) for side, width in kinds]
        top = max(logs)
        rows.append([math.exp(x - top) for x in logs])
    narrow = math.fsum(unit / width for side, width in kinds if side < 0)
    before = [NOTHING if not side else GAINS * unit / width / narrow if side < 0 else 0.0 for side, width in kinds]
    parts = tuple(Part(s, *kind) for s, kind in zip(_shares(rows, before), kinds, strict=True) if s > 0.0)
    return Effects(parts, len(some))


def _shares(rows: Sequence[Sequence[float]], before: Sequence[float]) -> list[float]:
    """EM for the shares of a mixture; `before`: how many of each kind are taken as seen."""
    shares = [0.5] + [0.5 / (len(before) - 1)] * (len(before) - 1)
    for _ in range(ROUNDS):
        counts = list(before)
        for row in rows:
            joint = [s * x for s, x in zip(shares, row, strict=True)]
            whole = sum(joint)
            for k, x in enumerate(joint):
                counts[k] += x / whole
        whole = sum(counts)
        new = [c / whole for c in counts]
        moved = max(abs(a - b) for a, b in zip(shares, new, strict=True))
        shares = new
        if moved < STILL:
            break
    return shares


def believe(prior: Effects, d: float, v: float) -> Effect:
    """The posterior of an effect that was measured as `d` with variance `v` > 0."""
    logs = [_log_likelihood(d, v, p.side, p.width) + math.log(p.share) for p in prior.parts]
    top = max(logs)
    weights = [math.exp(x - top) for x in logs]
    whole = math.fsum(weights)
    mean = square = gain = null = 0.0
    for p, weight in zip(prior.parts, weights, strict=True):
        w = weight / whole
        m, s = _half(d, v, p)
        mean += w * m
        square += w * (s + m * m)
        gain += w if p.side < 0 else 0.0
        null += w if p.side == 0 else 0.0
    return Effect(mean, max(0.0, square - mean * mean), min(1.0, gain), min(1.0, null))


def _log_likelihood(d: float, v: float, side: int, width: float) -> float:
    """Of measuring `d`, up to a constant."""
    if side == 0:
        return -0.5 * d * d / v - 0.5 * math.log(v)
    whole = v + width * width
    at = side * d * width / math.sqrt(v * whole)  # standard errors that the posterior's centre lies on its side
    return -0.5 * d * d / whole - 0.5 * math.log(whole) + math.log(2.0) + _log_phi(at)


def _half(d: float, v: float, p: Part) -> tuple[float, float]:
    """Mean and variance of an effect of this part (a normal cut at nothing: Johnson, Kotz & Balakrishnan, ch. 13)."""
    if p.side == 0:
        return 0.0, 0.0
    whole = v + p.width * p.width
    centre, scale = p.side * d * p.width**2 / whole, math.sqrt(v / whole) * p.width
    at = centre / scale
    mills = math.exp(-0.5 * at * at - 0.5 * math.log(2 * math.pi) - _log_phi(at))
    mean = max(0.0, centre + scale * mills)
    variance = scale * scale * (1.0 - mills * (mills + at))
    return p.side * mean, min(scale * scale, max(0.0, variance))


def _log_phi(z: float) -> float:
    """The logarithm of the normal distribution function; far out by its asymptotic series."""
    if z > -30.0:
        return math.log(0.5 * math.erfc(-z / math.sqrt(2.0)))
    return -0.5 * z * z - math.log(-z) - 0.5 * math.log(2 * math.pi) + math.log1p(-1.0 / (z * z))


def plain(prior: Effects | None) -> dict[str, object] | None:
    """For the ledger."""
    if prior is None:
        return None
    return {"mu": prior.mu, "tau": prior.tau, "null": prior.null, "n": prior.n,
            "parts": [[p.share, p.side, p.width] for p in prior.parts]}  # fmt: skip


def read(told: object) -> Effects | None:
    """What `plain` wrote; None for anything else."""
    if not isinstance(told, dict) or not isinstance(told.get("parts"), list):
        return None
    parts = tuple(Part(float(share), int(side), float(width)) for share, side, width in told["parts"])
    return Effects(parts, int(told.get("n", 0))) if parts else None
