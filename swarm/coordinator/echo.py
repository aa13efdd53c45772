"""echo: what is known already of a change that was just submitted. Told before a run is spent, never a reason to refuse."""

from __future__ import annotations

from swarm.coordinator.world import World
from swarm.ledger import echoes, search

SIMILAR = 3
FOUND_OUT = 2  # notes, pages and ideas that speak of the same constants


def notes(w: World, ident: str) -> list[str]:
    """Which earlier experiments the change repeats or undoes, which are like it, and what was written about it."""
    if w.beside:
        return []  # the control knows of nobody
    better = w.campaign.better
    found = echoes.of(w.ledger, ident)
    said = [f"it {word} {search.told(f, better)}" for word, f in found]
    named = {f.experiment for _, f in found}
    alike = [f for f in search.similar(w.ledger, ident, SIMILAR + len(named)) if f.experiment not in named][:SIMILAR]
    said += [f"similar: {search.told(f, better)}" for f in alike]
    return said + [search.told(f, better) for f in search.written(w.ledger, ident, FOUND_OUT)]
