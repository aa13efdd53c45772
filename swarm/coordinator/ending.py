"""The end of a campaign, a pause, and going on afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from swarm.config import Stop
from swarm.coordinator import control, hours, house, turn, waves
from swarm.coordinator.planting import refs_follow
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.ports import Ticket
from swarm.research.campaign import Ending, until_at, why_stop
from swarm.research.experiment import NO_WORKERS, Agent

GRACE = 20.0  # seconds an agent has to end by itself
EVERY = 1.0  # seconds between looks at the agents' own budgets


def ending_of(stop: Stop, now: float) -> Ending:
    """The rule with its time of day made a moment."""
    tz = datetime.now().astimezone().tzinfo
    return Ending(stop.hours, until_at(stop.until, now, tz) if stop.until else None, stop.experiments, stop.usd)


def review(w: World) -> bool:
    """End the campaign when its time has come; finish ending when nothing runs. Returns whether anything changed."""
    state = w.campaign.state
    if state in ("baseline", "searching"):
        did = budgets(w)
        why = _why(w) or (_nobody_left(w) if did else None)
        if why is None:
            return did
        end(w, why)
        return True
    if state == "ending":
        return _finish(w)
    return False


def _why(w: World) -> str | None:
    searched = hours.searched(w)
    rule = json.loads(w.campaign.stop)
    usd = w.ledger.value("SELECT SUM(usd) FROM costs WHERE campaign=?", w.campaign.id) or 0.0
    return why_stop(Ending(**rule["ending"]), searched, w.now, counted(w) - rule.get("done", 0), float(usd))


def budgets(w: World) -> bool:
    """End the agents whose own hours, experiments or dollars are over; their runs finish, their GPUs go on confirming."""
    if w.now < w.timers.get("budgets", 0.0):
        return False
    w.timers["budgets"] = w.now + EVERY
    did = False
    for agent in w.agents(*LIVE):
        rule = json.loads(agent.options).get("stop")
        if not rule:
            continue
        own = hours.searched(w) - rule.pop("from")
        why = why_stop(Ending(**rule), own, w.now, done_by(w, agent), usd_of(w, agent))
        if why:
            stop_agent(w, agent.name, f"its own end: {why}")
            _cancel_queue(w, agent.name)
            did = True
    return did


def _nobody_left(w: World) -> str | None:
    left = [a for a in w.agents(*LIVE) if w.works(a)]
    return None if left else "every agent has come to its own end"


def done_by(w: World, agent: Agent) -> int:
    """Experiments of an agent that were measured and judged since it was spawned."""
    return int(
        w.ledger.value(
            "SELECT COUNT(*) FROM experiments WHERE campaign=? AND agent=? AND stage='done' AND origin IN ('submit','stack') "
            "AND runs>0 AND created>=?", w.campaign.id, agent.name, agent.created,
        )
    )  # fmt: skip


def usd_of(w: World, agent: Agent) -> float:
    """What an agent cost since it was spawned."""
    sql = "SELECT SUM(usd) FROM costs WHERE campaign=? AND agent=? AND at>=?"
    return float(w.ledger.value(sql, w.campaign.id, agent.name, agent.created) or 0.0)


def end(w: World, why: str) -> None:
    """Agents stop, nothing new starts, what runs goes on to its end."""
    with w.ledger.tx():
        w.set_campaign(state="ending", why_ended=why)
        for run in w.ledger.open_runs("queued"):
            w.ledger.change("runs", {"id": run.id}, status="cancelled", ended=w.now)
        w.say("ended", why=why)
    w.timers["grace"] = w.now + GRACE


def _finish(w: World) -> bool:
    left = sum(w.both(_send_home))
    if w.ledger.open_runs("running") or left:
        return False
    refs_follow(w)  # the agents are gone: what they did to their branches last is put right
    w.hub.sweep(over=True)
    with w.ledger.tx():
        w.both(_empty)
        waves.close(w)
        control.look(w, now=True)
        w.set_campaign(state="ended", ended=w.now)
    w.changed += 1
    w.sessions.close()
    return True


def _send_home(w: World) -> int:
    """Agents that have not ended by themselves when their time is over are ended. Returns how many are left."""
    for agent in w.agents(*LIVE):
        if agent.kind not in NO_WORKERS and w.now >= w.timers.setdefault("grace", w.now + GRACE):
            stop_agent(w, agent.name, "the campaign ended")
    return len([a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS])


def _empty(w: World) -> None:
    """What nobody will measure any more. Inside a transaction."""
    rows = w.ledger.rows("SELECT id, agent FROM experiments WHERE campaign=? AND stage!='done'", w.campaign.id)
    for ident, author in rows:
        w.set_experiment(ident, stage="done", verdict="cancelled", reason="the campaign ended first", judged_at=w.now)
        w.say("judged", author, ident, verdict="cancelled", reason="the campaign ended first")


def stop_agent(w: World, name: str, why: str) -> None:
    """End one agent's session; its queue stays and its slot closes when nothing of it is left."""
    w.sessions.stop(name)
    with w.ledger.tx():
        turn.settle(w, name)
        w.set_agent(name, state="stopped", ended=w.now)
        w.say("agent", name, None, state="stopped", why=why)


def stop(w: World, agents: list[str] | None = None, now: bool = False) -> dict[str, Any]:
    """`swarm stop`: the whole campaign, or some agents. `now` also ends what runs (recorded as cancelled).

    Raises Refused for an unknown agent.
    """
    if agents:
        known = {a.name for side in w.both(lambda w: w.agents()) for a in side if a.kind not in NO_WORKERS}
        unknown = [a for a in agents if a not in known]
        if unknown:
            raise Refused(f"no agent {', '.join(unknown)} here.", f"There are: {', '.join(sorted(known))}", 404)
        for name in agents:
            with w.side_of_agent(name):
                stop_agent(w, name, "a person stopped it")
                _cancel_queue(w, name)
        _close_slots(w)
        return {"stopped": agents, "state": w.campaign.state}
    if w.campaign.state in ("baseline", "searching"):
        end(w, "a person stopped it")
    if now:
        w.both(_stop_all)
        cancel_running(w)
        _finish(w)
    running = len(w.ledger.open_runs("running"))
    return {"stopped": [], "state": w.campaign.state, "running": running}


def _stop_all(w: World) -> None:
    for agent in w.agents(*LIVE):
        if agent.kind not in NO_WORKERS:
            stop_agent(w, agent.name, "a person stopped it")


def _cancel_queue(w: World, name: str) -> None:
    with w.ledger.tx():
        drop_queue(w, name, "its agent was stopped")


def drop_queue(w: World, name: str, why: str) -> list[str]:
    """What waits in an agent's queue is not run. Returns which. To be called in a transaction."""
    dropped = [e.id for e in w.unfinished(name) if e.stage == "queued"]
    for ident in dropped:
        w.set_experiment(ident, stage="done", verdict="cancelled", reason=why, judged_at=w.now)
    return dropped


def _close_slots(w: World) -> None:
    """A stopped agent's GPUs are free for the next spawn."""
    gone = {a.name for a in w.agents() if a.state == "stopped"}
    for slot in w.slots():
        if slot.agent in gone and len([s for s in w.slots() if s.klass == w.home]) > 0:
            w.ledger.change("slots", {"campaign": w.campaign.id, "id": slot.id}, state="closed")


def cancel_running(w: World) -> None:
    """End every run of the ledger; the story is told that a person did it."""
    for run in w.ledger.open_runs("running"):
        lock = w.workspace.locks / f"run-{run.id}.lock"
        w.executor.cancel(Ticket(run.id, run.attempt, w.workspace.run_folder(run.id, run.attempt), lock))
        with w.ledger.tx():
            w.ledger.change(
                "attempts", {"run": run.id, "n": run.attempt}, ended=w.now, outcome="cancelled", why="stopped"
            )
            w.ledger.change("runs", {"id": run.id}, status="cancelled", reason="stopped by a person", ended=w.now)
            e = w.ledger.experiment(run.experiment)
            if e.stage != "done" and e.origin != "baseline":
                w.set_experiment(e.id, stage="done", verdict="cancelled", reason="stopped by a person", judged_at=w.now)
    w.used = None


def stop_text(w: World, rule: Stop) -> str:
    """The rule from now on, as the campaign's row holds it."""
    return rule_text(rule, w.now, counted(w))


def rule_text(rule: Stop, now: float, done: int) -> str:
    """`since`: from when it counts, `done`: experiments before; `booked`: seconds of search since, as of `at`."""
    ending = asdict(ending_of(rule, now))
    return json.dumps(
        {"rule": rule.model_dump(), "ending": ending, "since": now, "done": done, "booked": 0.0, "at": now}
    )


def counted(w: World) -> int:
    """Experiments that count towards `stop.experiments`: measured and judged, of agents and persons, not of whoever only
    uses idle slots, nor the swarm's own."""
    return int(
        w.ledger.value(
            "SELECT COUNT(*) FROM experiments e WHERE campaign=? AND stage='done' AND origin IN ('submit','stack','try') "
            "AND runs>0 AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.campaign=e.campaign AND a.name=e.agent "
            "AND json_extract(a.options, '$.idle')=1) AND agent IS NOT ?", w.campaign.id, house.NAME,
        )
    )  # fmt: skip
