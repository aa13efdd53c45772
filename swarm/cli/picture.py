"""What `swarm plot` draws: every experiment a dot, best so far as stairs, on one of three x axes."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from swarm.cli import screen
from swarm.errors import SwarmError
from swarm.ledger.reader import Reader
from swarm.research.experiment import Campaign, Experiment, Promotion

AXES = ("gpu-hours", "hours", "experiments")


@dataclass(frozen=True)
class Dot:
    x: float
    agent: str
    verdict: str
    score: float | None  # None: it crashed


@dataclass(frozen=True)
class Step:
    """Best from here on."""

    x: float
    experiment: str
    description: str
    score: float
    stderr: float
    back: bool  # a promotion was taken back


@dataclass(frozen=True)
class Picture:
    """What is drawn. `sign` is −1 where higher is better."""

    title: str
    metric: str
    sign: float
    axis: str
    dots: list[Dot]
    steps: list[Step]
    rebases: list[float]
    real: float  # how many of the kept are real, by their posteriors
    end: float


def picture_of(reader: Reader, by: str) -> Picture:
    """Read what is drawn. Raises SwarmError when the baseline is not measured yet."""
    with reader.moment():
        campaign = reader.campaign()
        home = reader.home(campaign.id)
        rows = reader.dots(campaign.id, home)
        ruler = Ruler(reader, campaign, [at for at, *_ in rows], by)
        dots = [Dot(ruler.at(at), agent or "", verdict or "", raw) for at, agent, verdict, raw in rows]
        steps = _steps(reader, campaign, ruler)
        real = reader.real(campaign.id)
        rebases = [ruler.at(e.at) for e in reader.events(campaign.id, ("rebased",), 10_000)]
    if not steps:
        raise SwarmError("nothing is measured yet: the baseline comes first.", "How it goes: swarm status")
    device = (
        "core" if reader.value("SELECT 1 FROM slots WHERE campaign=? AND devices LIKE 'cpu%'", campaign.id) else "GPU"
    )
    axis = {"gpu-hours": f"{device}-hours spent", "hours": "hours since the start", "experiments": "experiments"}[by]
    klass = reader.klass(home)
    title = f"{screen.clean(campaign.name)} · {screen.clean(campaign.metric)} on {screen.hardware(klass.accelerator if klass else None)}"
    end = max([ruler.end, *(d.x for d in dots), *(s.x for s in steps)])
    return Picture(
        title,
        screen.clean(campaign.metric),
        1.0 if campaign.better == "lower" else -1.0,
        axis,
        dots,
        steps,
        rebases,
        real,
        end,
    )


class Ruler:
    """Turns a moment into a place on the x axis."""

    def __init__(self, reader: Reader, campaign: Campaign, judged: Sequence[float], by: str) -> None:
        self.by = by
        self.start = campaign.created
        spent = reader.spent(campaign)
        self.times = list(judged) if by == "experiments" else [at for at, _ in spent]
        self.hours = [0.0]
        for _, seconds in spent:
            self.hours.append(self.hours[-1] + seconds / 3600)
        self.end = self.at(spent[-1][0]) if spent else 0.0

    def at(self, moment: float) -> float:
        if self.by == "hours":
            return (moment - self.start) / 3600
        count = bisect.bisect_right(self.times, moment)
        return float(count) if self.by == "experiments" else self.hours[count]


def _steps(reader: Reader, campaign: Campaign, ruler: Ruler) -> list[Step]:
    """Best from the baseline on: every promotion, and every one taken back."""
    moves: list[tuple[float, str | None, bool]] = [(campaign.searching or campaign.created, campaign.baseline, False)]
    for p in reader.promotions(campaign.id):
        moves += _moves(p)
    steps = []
    for at, ident, back in sorted(moves, key=lambda m: m[0]):
        e: Experiment | None = reader.experiment(ident) if ident else None
        if e is not None and e.estimate is not None:
            steps.append(Step(ruler.at(at), e.id, screen.clean(e.description), e.estimate, e.stderr or 0.0, back))
    return steps


def _moves(p: Promotion) -> list[tuple[float, str | None, bool]]:
    to: list[tuple[float, str | None, bool]] = [(p.at, p.experiment, False)]
    return to if p.withdrawn is None else [*to, (p.withdrawn, p.previous, True)]
