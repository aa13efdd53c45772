"""sound: when git says no, is it because what everybody builds on is damaged? Then best goes back to what still is whole.

Objects are files, and disks and people lose files. Only what was looked at and does not hold what its name says is given
up, and only for something that was looked at and does: a git that cannot run at all moves nothing.
"""

from __future__ import annotations

from swarm.coordinator import promote
from swarm.coordinator.planting import branch
from swarm.coordinator.world import LIVE, World
from swarm.repo import Damaged, verify
from swarm.research.experiment import NO_WORKERS, Promotion

COPY = "Only a copy of .swarm/.git brings it back."


def look(w: World) -> bool:
    """Give up a damaged best and damaged tips. Returns whether anything moved, so that it is worth asking again."""
    if not w.has_campaign or w.campaign.best is None:
        return False
    moved = _best(w)
    best = w.campaign.best
    if best is None or _damage(w, best):
        return False
    for agent in w.agents(*LIVE):
        if agent.kind in NO_WORKERS or not (_damage(w, agent.tip) or _damage(w, agent.base)):
            continue
        with w.ledger.tx():
            w.set_agent(agent.name, tip=best if _damage(w, agent.tip) else agent.tip)
            w.ledger.drop_ref(branch(agent.name))  # its worktree is made anew before it is used
        moved = True
    return moved


def _best(w: World) -> bool:
    """The last best that stands and is whole, if today's is not."""
    best = w.campaign.best or ""
    why = _damage(w, best)
    if not why:
        return False
    gone: list[Promotion] = []
    at = best
    while _damage(w, at):
        last = w.ledger.one(
            Promotion, "WHERE campaign=? AND experiment=? AND withdrawn IS NULL ORDER BY id DESC", w.campaign.id, at
        )
        if last is None or last.previous is None:
            _say(
                w, best, f"{best} is damaged ({why}), and so is all before it. {COPY} Else: swarm stop, and begin anew"
            )
            return False
        gone.append(last)
        at = last.previous
    with w.ledger.tx():
        for promotion in gone:
            w.ledger.change("promotions", {"id": promotion.id}, withdrawn=w.now)
            w.set_experiment(promotion.experiment, dropped=1)
            w.say("withdrawn", None, promotion.experiment, to=at, why=why)
        promote.move_to(w, at)
        _say(w, best, f"{best} is damaged ({why}): best is {at} again. {COPY}")
    return True


def _say(w: World, ident: str, text: str) -> None:
    """Once."""
    there = "SELECT 1 FROM events WHERE campaign=? AND kind='machine' AND experiment=? AND data LIKE '%is damaged (%'"
    if w.ledger.value(there, w.campaign.id, ident) is None:
        w.say("machine", None, ident, text=text)


def _damage(w: World, ident: str) -> str:
    """What is wrong with an experiment's objects; empty when they are whole."""
    try:
        verify(w.hub, w.commit_of(ident))
    except Damaged as damage:
        return damage.message.rstrip(".")
    return ""
