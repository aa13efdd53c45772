"""Which seed a run gets. Where seeds move all commits alike, comparing on the same ones is worth many runs.

What is new is screened on a few of the baseline's seeds, in turn. What is measured again gets one on which nothing of its
lineage was ever screened: luck with a seed must not confirm itself. Where pairing is off or was shown to be useless every
run has a seed of its own.
"""

from __future__ import annotations

from swarm.coordinator.world import World

AGAIN = 1_000_000  # seeds of confirmations: no run has such a number
USELESS = 12  # degrees of freedom after which what is not clear is taken for nothing


def paired(w: World, klass: int) -> bool:
    """Whether runs share seeds: while it is not known whether that helps, and where it does."""
    word = w.policy.paired
    if word == "off" or w.task.seed == "none":
        return False
    found = w.beliefs.classes[klass].seeds if klass in w.beliefs.classes else None
    return word == "on" or found is None or found.clear or found.df < USELESS


def screening(w: World, ident: str, klass: int) -> int | None:
    """The seed of a new change; None: one of its own."""
    seeds = few(w)
    return seeds[int(ident[1:]) % len(seeds)] if seeds and paired(w, klass) else None


def confirming(w: World, ident: str, klass: int) -> int | None:
    """The seed with which something is measured again; None: one of its own."""
    if not paired(w, klass):
        return None
    used = {r for (r,) in w.ledger.rows("SELECT seed FROM runs WHERE experiment=? AND klass=?", ident, klass)}
    if w.beliefs.seeds(klass) is None:
        seen = _screened(w, ident, klass)
        return next((s for s in few(w) if s not in used and s not in seen), None)
    return next(s for s in range(AGAIN, AGAIN + len(used) + 1) if s not in used)


def studying(w: World, ident: str, klass: int) -> int | None:
    """The seed for what everything is compared with: those that the others have first."""
    if not paired(w, klass):
        return None
    used = [r for (r,) in w.ledger.rows("SELECT seed FROM runs WHERE experiment=? AND klass=?", ident, klass)]
    shared = [*few(w), *range(AGAIN, AGAIN + w.policy.confirm_most)]
    return next((s for s in shared if s not in used), None)


def few(w: World) -> list[int]:
    """The seeds for screening: the baseline's first ones."""
    sql = "SELECT seed FROM runs WHERE experiment=? AND purpose='baseline' ORDER BY id LIMIT ?"
    return [int(s) for (s,) in w.ledger.rows(sql, w.campaign.baseline, w.policy.screen_seeds)]


def _screened(w: World, ident: str, klass: int) -> set[int]:
    """The seeds with which it and what it was built on were first measured; the baseline was nobody's choice."""
    found: set[int] = set()
    node = w.beliefs.nodes.get(ident)
    while node is not None and node.parent is not None:
        found |= {node.runs[klass][0][0]} if klass in node.runs else set()
        node = w.beliefs.nodes.get(node.parent)
    return found
