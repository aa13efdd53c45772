"""What best gained over the baseline, and whose doing it was: changes of constants or of code, and which kind of agent's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from swarm.ledger.reader import Reader
from swarm.research import effects, seeds
from swarm.research.experiment import Campaign, Experiment
from swarm.research.judging import Belief, measured, p_less

LINKS = 2000  # of a lineage


@dataclass(frozen=True)
class Gains:
    """In the units of the score, as estimated (shrunk); a gain is above 0 whichever way is better. Parts add up to `total`."""

    total: float
    const: float
    code: float
    agents: dict[str, float]  # by their kind; `person` is yours


def gains(reader: Reader, campaign: Campaign) -> Gains | None:
    """Of best's lineage, link by link; None while best is the baseline."""
    if campaign.best is None or campaign.best == campaign.baseline:
        return None
    sql = """
        WITH RECURSIVE up(n, id, parent, estimate, klass, kind, agent) AS (
            SELECT 0, id, parent, estimate, klass, kind, agent FROM experiments WHERE id=?
            UNION ALL
            SELECT n+1, e.id, e.parent, e.estimate, e.klass, e.kind, e.agent FROM up JOIN experiments e ON e.id=up.parent
            WHERE n<?)
        SELECT up.estimate, up.klass, up.kind, COALESCE(a.kind, 'given') FROM up
        LEFT JOIN agents a ON a.name=up.agent AND a.campaign=? ORDER BY n DESC"""
    rows = reader.rows(sql, campaign.best, LINKS, campaign.id)
    home = rows[-1][1]
    measured = [
        row for row in rows if row[0] is not None and row[1] == home
    ]  # another link's gain goes to the next one
    if len(measured) < 2:
        return None
    sign = 1.0 if campaign.better == "lower" else -1.0
    kinds: dict[str, float] = {"const": 0.0, "code": 0.0}
    agents: dict[str, float] = {}
    for (before, *_), (after, _, kind, agent) in pairwise(measured):
        won = sign * (before - after)
        kinds[kind] += won
        agents[agent] = agents.get(agent, 0.0) + won
    return Gains(sign * (measured[0][0] - measured[-1][0]), kinds["const"], kinds["code"], agents)


class Sure:
    """What is believed of experiments' own changes and of noise, from what the coordinator computed last."""

    def __init__(self, reader: Reader, campaign: Campaign) -> None:
        self.reader, self.sign = reader, 1.0 if campaign.better == "lower" else -1.0
        told = reader.figure(campaign.id, "effects") or {}
        self.real: float | None = told.get("real")
        self.priors = {kind: prior for kind, some in told.items() if (prior := effects.read(some)) is not None}
        noise = reader.figure(campaign.id, "noise") or {}
        self.noise: dict[int, dict[str, Any]] = {int(klass): one for klass, one in noise.items()}

    def better(self, e: Experiment) -> float | None:
        """P(its change is a gain), by all its runs so far: under the fitted prior, where there is one.

        None for what was not measured, has no parent in its class, or where nothing is noisy.
        """
        noise = self.noise.get(e.klass) if e.klass is not None else None
        parent = self.reader.experiment(e.parent) if e.parent else None
        if noise is None or noise.get("exact") or parent is None or parent.estimate is None or parent.klass != e.klass:
            return None
        runs = [
            (r.seed, self.sign * r.score) for r in self.reader.runs(e.id) if r.score is not None and r.klass == e.klass
        ]
        if not runs:
            return None
        mine = measured(runs, float(noise["sd"]), seeds.read(noise.get("alike")))
        d, v = mine.m - self.sign * parent.estimate, mine.v + (parent.stderr or 0.0) ** 2
        prior = self.priors.get(e.kind) or self.priors.get("all")
        if prior is not None and v > 0.0:
            return effects.believe(prior, d, v).gain
        return p_less(Belief(d, v), Belief(0.0, 0.0))
