"""At every start: what the ledger says is made true again."""

from __future__ import annotations

from swarm.coordinator import early
from swarm.coordinator.planting import plant, refs_follow, torn
from swarm.coordinator.watch import start_agents
from swarm.coordinator.world import LIVE, NO_CHANGE, World
from swarm.research.experiment import NO_WORKERS


def load(w: World) -> None:
    """Read the beliefs of the campaign from the ledger."""
    w.forget()
    said = w.ledger.refs()
    w.unmoved = {name: said[name] for name in w.unmoved if name in said}  # not what a transaction took back
    if not w.has_campaign:
        return
    w.beliefs.load(
        (ident, parent, bound or 0, klass, w.sign * score, seed, "" if origin in NO_CHANGE or side < 0 else kind)
        for ident, parent, bound, klass, score, seed, kind, origin, side in w.ledger.rows(
            "SELECT e.id, e.parent, e.bound, r.klass, r.score, r.seed, e.kind, e.origin, e.campaign "
            "FROM runs r JOIN experiments e ON e.id=r.experiment "
            "WHERE e.campaign IN (?, ?) AND r.status='finished' ORDER BY e.bound, r.id", w.ground, -w.ground
        )
    )  # fmt: skip
    w.beliefs.refit()


def recover(w: World) -> None:
    """Refs follow the ledger, worktrees and sessions of living agents are there. Runs are found by their locks."""
    load(w)
    if not w.has_campaign:
        return
    w.hub.create()
    w.hub.sweep(over=w.campaign.state == "ended")
    refs_follow(w)
    early.leftovers(w)
    w.both(_agents)
    if w.campaign.state == "ended":
        w.sessions.close()  # it may have ended at the very last step


def _agents(w: World) -> None:
    names = [a.name for a in w.agents(*LIVE) if a.kind not in NO_WORKERS]
    missing = [n for n in names if torn(w, n) or not (w.workspace.worktree(n) / ".git").exists()]
    if missing:
        plant(w, missing)
    if w.campaign.state in ("baseline", "searching"):
        panes = w.sessions.list()
        start_agents(w, [n for n in names if n not in panes])
