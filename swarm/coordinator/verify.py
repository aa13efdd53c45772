"""verify: what a slot with nothing to do measures again. The built-in statistician and verifier; no model is asked.

First until the noise of the slot's hardware is known, then where one more run may change what is best, then what everything
is compared with.
"""

from __future__ import annotations

from swarm.coordinator import seeding
from swarm.coordinator.world import World
from swarm.research.allocation import Option, again
from swarm.research.experiment import Experiment, Slot

STUDY = 10  # degrees of freedom of the noise until which its study goes on
REPEATS = 2  # of them on a seed that was used already: what the same seed shows again
TOP = 24  # kept experiments looked at, the best estimates first
MOST = 12  # runs of one experiment


def choose(w: World, slot: Slot, busy: set[str]) -> tuple[str, int | None] | None:
    """An experiment and the seed to measure it with (None: one of its own); None: nothing is worth a run.

    `busy`: what is being measured already, or crashes whenever it is.
    """
    klass, noise = slot.klass, w.beliefs.noise(slot.klass)
    ground = [i for i in dict.fromkeys((w.campaign.baseline, w.campaign.best)) if i is not None and i not in busy]
    counted = sorted((len(w.beliefs.losses(i, klass)), i) for i in ground)
    least = counted[0][1] if counted and counted[0][0] < MOST else None
    if noise.exact or w.policy.verify == "least":
        return (least, seeding.studying(w, least, klass)) if least is not None and not noise.exact else None
    if noise.df < STUDY and least is not None:
        return least, _study(w, least, klass)
    if klass == w.home and (found := again(_options(w, klass, busy), MOST)) is not None:
        return found, seeding.confirming(w, found, klass)
    return (least, seeding.studying(w, least, klass)) if least is not None else None


def _study(w: World, ident: str, klass: int) -> int | None:
    """A seed for learning the noise: now and then one that this experiment had before."""
    runs = w.beliefs.nodes[ident].runs.get(klass, []) if ident in w.beliefs.nodes else []
    repeated = w.beliefs.classes[klass].squares.within_df if klass in w.beliefs.classes else 0
    if w.task.seed != "none" and len(runs) >= 3 and repeated < REPEATS:
        return runs[0][0]
    return seeding.studying(w, ident, klass)


def _options(w: World, klass: int, busy: set[str]) -> list[Option]:
    """Best and what may come near it."""
    order = "ASC" if w.campaign.better == "lower" else "DESC"
    where = f"WHERE campaign=? AND verdict='keep' AND dropped=0 AND klass=? AND estimate IS NOT NULL ORDER BY estimate {order} LIMIT ?"
    rows = w.once(("near best",), lambda: w.ledger.all(Experiment, where, w.campaign.id, klass, TOP))
    if w.campaign.best is not None and w.campaign.best not in {e.id for e in rows}:
        rows.append(w.ledger.experiment(w.campaign.best))
    error = w.beliefs.spread(klass) ** 2
    return [
        Option(e.id, b.m, b.v, error, MOST if e.id in busy else len(w.beliefs.losses(e.id, klass)),
               None if e.expect is None else w.sign * e.expect)
        for e in rows if (b := w.beliefs.of(e.id, klass)) is not None
    ]  # fmt: skip
