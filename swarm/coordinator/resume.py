"""A pause, and going on after it or after the end."""

from __future__ import annotations

from typing import Any

from swarm.config import Stop
from swarm.coordinator import baseline
from swarm.coordinator.ending import stop_text
from swarm.coordinator.planting import plant
from swarm.coordinator.watch import start_agents
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.research.experiment import NO_WORKERS, Agent


def pause(w: World) -> dict[str, Any]:
    """Nothing new starts; agents are told. What runs goes on."""
    _must_live(w)
    with w.ledger.tx():
        w.set_campaign(paused=1)
        w.say("paused")
    return {"paused": True, "running": len(w.ledger.open_runs("running"))}


def resume(w: World, stop: dict[str, Any] | None = None) -> dict[str, Any]:
    """After a pause, or after the end with a new rule; agents that had stopped are started again.

    Raises Refused when the campaign ended and no rule says when it stops next.
    """
    rule = Stop.model_validate(stop or {})
    if w.campaign.state in ("baseline", "searching"):
        with w.ledger.tx():
            w.set_campaign(paused=0, **({} if rule.empty else {"stop": stop_text(w, rule)}))
            w.say("resumed")
        return {"resumed": True, "restarted": []}
    if rule.empty:
        raise Refused("the campaign has ended.", "Say how long it goes on: swarm resume --hours 2")
    if w.ledger.value("SELECT verdict FROM experiments WHERE id=?", w.campaign.baseline) == "crash":
        raise Refused("the baseline crashed: there is nothing to go on with.", "Mend the task, then swarm spawn again.")
    return _go_on(w, rule)


def _go_on(w: World, rule: Stop) -> dict[str, Any]:
    searching = w.campaign.searching is not None
    with w.ledger.tx():
        w.set_campaign(
            state="searching" if searching else "baseline",
            paused=0,
            ended=None,
            why_ended=None,
            stop=stop_text(w, rule),
        )
        w.both(_awake)
        if not searching and not w.ledger.open_runs("queued", "running"):
            baseline.queue_runs(w)
        w.ledger.change("slots", {"campaign": w.campaign.id}, state="open")
        w.say("resumed")
    w.timers.clear()
    return {"resumed": True, "restarted": [name for side in w.both(_start) for name in side]}


def _awake(w: World) -> None:
    for agent in w.agents("stopped", "crashed"):
        if agent.kind not in NO_WORKERS and not _replaced(w, agent):
            anew = {"created": w.now} if '"stop"' in agent.options else {}  # its own hours and dollars begin again
            w.set_agent(agent.name, state="starting", ended=None, restarts=0, until=None, **anew)


def _start(w: World) -> list[str]:
    names = [a.name for a in w.agents("starting")]
    plant(w, names)
    start_agents(w, names)
    return names


def _replaced(w: World, agent: Agent) -> bool:
    """Whether another agent has its place."""
    sql = "SELECT 1 FROM events WHERE agent=? AND campaign=? AND kind='replaced' AND at>=?"
    return w.ledger.value(sql, agent.name, w.campaign.id, agent.created) is not None


def _must_live(w: World) -> None:
    if w.campaign.state not in ("baseline", "searching"):
        raise Refused("the campaign has ended.", "swarm resume --hours 2 goes on with it.")
