"""predict: what agents expected against what was measured, kept as running sums with each verdict (figures: calibration)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from swarm.coordinator.world import World
from swarm.research.calibration import Calibration, believed, clause
from swarm.research.experiment import Experiment

NAME = "calibration"


def known(w: World) -> dict[str, dict[str, Any]]:
    """The sums of all agents of this campaign, by name."""
    text = w.ledger.value("SELECT value FROM figures WHERE campaign=? AND name=?", w.campaign.id, NAME)
    return dict(json.loads(text)) if text else {}


def of(w: World, agent: str) -> Calibration:
    """An agent's calibration; empty where it never foretold anything."""
    return Calibration(**known(w).get(agent, {}))


def judged(w: World, e: Experiment) -> None:
    """Take a judged prediction into its author's sums. A verdict falls once, and so does this. Inside a transaction."""
    if e.agent is None or (e.expect is None and e.expect_p is None) or e.verdict not in ("keep", "discard", "crash"):
        return
    all_ = known(w)
    mine = Calibration(**all_.get(e.agent, {}))
    effect = effect_of(e)
    if e.expect is not None and effect is not None:
        mine = mine.of_change(e.expect, effect)
    if e.expect_p is not None:
        mine = mine.of_chance(e.expect_p, e.verdict == "keep")
    all_[e.agent] = asdict(mine)
    where = {"campaign": w.campaign.id, "name": NAME}
    value = json.dumps(all_, ensure_ascii=False)
    if not w.ledger.change("figures", where, value=value, at=w.now):
        w.ledger.add("figures", **where, value=value, at=w.now)


def effect_of(e: Experiment) -> float | None:
    """The shrunk change of the score against the parent's, as believed when it was judged; None without a measurement."""
    if e.estimate is None or e.parent_m is None or e.verdict == "crash":
        return None
    return e.estimate - e.parent_m


def told(w: World, e: Experiment) -> str:
    """What its author hears of its prediction with the result; empty where it made none."""
    return clause(e.expect, effect_of(e), of(w, e.agent)) if e.agent and e.expect is not None else ""


def first(w: World, queued: Sequence[Experiment]) -> Experiment:
    """What of an agent's queue is measured first: what most is to be expected of, as far as its author's forecasts have come
    true; in order where nothing is known."""
    if len(queued) == 1 or not any(e.expect for e in queued):
        return queued[0]
    mine = of(w, queued[0].agent or "")
    return min(queued, key=lambda e: w.sign * believed(e.expect, mine)[0] if e.expect else 0.0)
