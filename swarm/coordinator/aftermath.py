"""aftermath: what follows for ideas and predictions when a verdict falls, in the transaction in which it does."""

from __future__ import annotations

from swarm.coordinator import idea, predict
from swarm.coordinator.world import World


def judged(w: World, ident: str) -> None:
    """The experiment has a verdict from now on. Inside the transaction that wrote it."""
    e = w.ledger.experiment(ident)
    idea.judged(w, ident, e.verdict or "")
    predict.judged(w, e)
