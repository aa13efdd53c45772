"""At every start: what the ledger says is made true again."""

from __future__ import annotations

from swarm.coordinator import early
from swarm.coordinator.planting import plant, refs_follow, torn
from swarm.coordinator.watch import start_agents
from swarm.coordinator.world import LIVE, World


def load(w: World) -> None:
    """Read the beliefs of the campaign from the ledger."""
    w.forget()
    said = w.ledger.refs()
    w.unmoved = {name: said[name] for name in w.unmoved if name in said}  # not what a transaction took back
    if not w.has_campaign:
        return
    w.beliefs.load(
        (ident, parent, bound or 0, klass, w.sign * score)
        for ident, parent, bound, klass, score in w.ledger.rows(
            "SELECT e.id, e.parent, e.bound, r.klass, r.score FROM runs r JOIN experiments e ON e.id=r.experiment "
            "WHERE e.campaign=? AND r.status='finished' ORDER BY e.bound, r.id", w.campaign.id
        )
    )  # fmt: skip


def recover(w: World) -> None:
    """Refs follow the ledger, worktrees and sessions of living agents are there. Runs are found by their locks."""
    load(w)
    if not w.has_campaign:
        return
    w.hub.create()
    w.hub.sweep(over=w.campaign.state == "ended")
    refs_follow(w)
    early.leftovers(w)
    names = [a.name for a in w.agents(*LIVE) if a.kind != "person"]
    missing = [n for n in names if torn(w, n) or not (w.workspace.worktree(n) / ".git").exists()]
    if missing:
        plant(w, missing)
    if w.campaign.state in ("baseline", "searching"):
        panes = w.sessions.list()
        start_agents(w, [n for n in names if n not in panes])
    elif w.campaign.state == "ended":
        w.sessions.close()  # it may have ended at the very last step
