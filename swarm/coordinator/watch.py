"""watch: agents whose process died are started again, with back-off; at last they are given up, and it is said."""

from __future__ import annotations

import json

from swarm.coordinator.ending import stop_agent
from swarm.coordinator.planting import mend
from swarm.coordinator.program import program_of
from swarm.coordinator.world import LIVE, World
from swarm.ports import Pane, Seat
from swarm.research.experiment import NO_WORKERS, Agent

EVERY = 1.0  # seconds between looks
KEPT = ("stop", "login", "idle", "control")  # options that the coordinator keeps to itself
GIVE_UP = 30  # restarts within HEALTHY of each other: some five hours
HEALTHY = 300.0  # seconds that an agent lived; what fell before is forgotten
LONGEST = 900.0  # seconds: an outage of a provider or of the network is sat out, not taken for the end


def watch(w: World) -> bool:
    """One look at all sessions. Two readings before anything is done. Returns whether anything was."""
    if w.now < w.timers.get("watch", 0.0):
        return False
    w.timers["watch"] = w.now + EVERY
    agents = [a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS]
    if not agents:
        return False
    panes = w.sessions.list()
    did = False
    for agent in agents:
        did = _look(w, agent, panes.get(agent.name)) or did
    return did


def _look(w: World, agent: Agent, pane: Pane | None) -> bool:
    seen = f"gone:{agent.name}"
    if pane is not None and not pane.dead:
        w.timers.pop(seen, None)
        return False
    if agent.state == "crashed":
        return _back(w, agent)
    if seen not in w.timers:
        w.timers[seen] = w.now
        return False
    w.timers.pop(seen)
    if pane is not None and pane.exit == 0 and w.campaign.state in ("ending", "ended"):
        stop_agent(w, agent.name, "done")
        return True
    return _fell(w, agent, pane)


def _fell(w: World, agent: Agent, pane: Pane | None) -> bool:
    """It ended though nobody asked it to: start it again after a while, or give up."""
    if w.campaign.state in ("ending", "ended"):
        stop_agent(w, agent.name, "ended")
        return True
    why = "its session is gone" if pane is None else f"it ended with {pane.exit}"
    quiet = agent.until is None or w.now - agent.until > HEALTHY
    restarts = 1 if quiet else agent.restarts + 1
    if restarts > GIVE_UP:
        stop_agent(w, agent.name, f"given up after {GIVE_UP} restarts: {why}")
        return True
    wait = 0.0 if restarts == 1 else min(LONGEST, 2.0 ** (restarts - 1))
    with w.ledger.tx():
        w.set_agent(agent.name, state="crashed", restarts=restarts, until=w.now + wait)
        w.say("agent", agent.name, None, state="crashed", why=why, again_in=wait)
    return True


def _back(w: World, agent: Agent) -> bool:
    until = agent.until or 0.0
    if until - w.now > LONGEST:  # the clock went back
        w.set_agent(agent.name, until=w.now + LONGEST)
        return False
    if w.now < until:
        return False
    mend(w, [agent.name])
    w.set_agent(agent.name, state="starting")
    start_agents(w, [agent.name])
    w.say("agent", agent.name, None, state="restarted", why="")
    return True


def start_agents(w: World, names: list[str]) -> None:
    """Start the sessions of these agents, all in one go. Their worktrees are there already."""
    if not names:
        return
    with w.ledger.tx():
        seats = [seat_of(w, w.agent(name)) for name in names]
    w.sessions.start_many([(s.agent, w.kinds(s.kind).launch(s), s.worktree, s.folder / "pane.log") for s in seats])


def seat_of(w: World, agent: Agent) -> Seat:
    """Where the agent works; its folder and brief are made here."""
    folder = w.workspace.agents / agent.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    brief = folder / "brief.md"
    text, digest = program_of(w, agent)
    brief.write_text(text or "Improve the metric by editing the editable files.\n")
    if digest != agent.program_hash:
        w.set_agent(agent.name, program_hash=digest)
    slots = [s for s in w.slots() if s.agent == agent.name]
    devices = ",".join(s.devices for s in slots if not s.devices.startswith("cpu"))
    return Seat(
        agent.name, agent.kind, w.workspace.worktree(agent.name), folder, w.workspace.door,
        w.workspace.token(f"agent.{agent.name}"), brief, w.task.edit, devices, own_options(agent), agent.created,
    )  # fmt: skip


def own_options(agent: Agent) -> dict[str, object]:
    """What the agent itself is to know of its options."""
    return {name: value for name, value in json.loads(agent.options).items() if name not in KEPT}
