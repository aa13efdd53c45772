"""plateau: when best has gained less than the noise for long, agents are given other programs, and everybody hears of it."""

from __future__ import annotations

import json

from swarm.coordinator import program
from swarm.coordinator.world import LIVE, World
from swarm.research import control, plateau
from swarm.research.experiment import NO_WORKERS, Agent, Promotion

EVERY = 30.0  # seconds between looks
JUDGED = "json_extract(data, '$.verdict') IN ('keep','discard','crash')"


def look(w: World) -> bool:
    """Returns whether it is one, for the first time since it was said last or since as many experiments."""
    if w.campaign.state != "searching" or w.now < w.timers.get("plateau", 0.0):
        return False
    w.timers["plateau"] = w.now + EVERY
    agents = [a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS and not w.idles(a)]
    many = plateau.window(w.policy.plateau, len(agents))
    since = _judged_ago(w, many) if many else None
    if since is None or w.campaign.baseline is None:
        return False
    history = [
        control.Promoted(p.experiment, p.at, p.withdrawn)
        for p in w.ledger.all(Promotion, "WHERE campaign=? ORDER BY id", w.campaign.id)
    ]
    then = w.beliefs.of(control.best_at(history, since, w.campaign.baseline), w.home)
    now, sd = w.beliefs.of(w.campaign.best, w.home), w.beliefs.noise(w.home).sd
    if then is None or now is None or not plateau.flat(plateau.gained(then, now), sd):
        return False
    _say(w, agents, many, plateau.gained(then, now), sd)
    return True


def _judged_ago(w: World, many: int) -> float | None:
    """When the last but so many experiment was judged, of those since a plateau was said last; None: not so many yet."""
    last = w.ledger.value("SELECT MAX(seq) FROM events WHERE campaign=? AND kind='plateau'", w.campaign.id) or 0
    at = w.ledger.value(
        f"SELECT at FROM events WHERE campaign=? AND kind='judged' AND seq>? AND {JUDGED} ORDER BY seq DESC LIMIT 1 OFFSET ?",
        w.campaign.id, last, many - 1,
    )  # fmt: skip
    return None if at is None else float(at)


def _say(w: World, agents: list[Agent], many: int, gain: float, sd: float) -> None:
    """In one transaction: the programs, the news, the figure. An agent gets its new program with its next answer."""
    others = {a.name: other for a in agents if (other := _other(w, a)) is not None}
    with w.ledger.tx():
        w.say("plateau", None, w.campaign.best, experiments=many, gain=gain, sd=sd, switched=others)
        for agent in agents:
            if agent.name in others:
                w.set_agent(agent.name, program=others[agent.name])
                w.say("switched", agent.name, None, was=agent.program, to=others[agent.name])
        figure = {"at": w.now, "experiments": many, "gain": gain, "sd": sd, "switched": others}
        w.ledger.set_figure(w.campaign.id, "plateau", figure, w.now)


def _other(w: World, agent: Agent) -> str | None:
    """Another program for an agent that was dealt one of several; None where a person chose the one, or there is no other."""
    there = [name for name in choices(w, agent.name) if name == agent.program or program.there(w, name)]
    return plateau.next_program(there, agent.program) if agent.program in there else None


def choices(w: World, name: str) -> list[str]:
    """The programs that an agent's own was dealt from; none where a person named it."""
    path = f'$.programs."{name}"'
    text = w.ledger.value(
        "SELECT json_extract(data, ?) FROM events WHERE campaign=? AND kind IN ('spawned','replaced') "
        "AND json_extract(data, ?) IS NOT NULL ORDER BY seq DESC LIMIT 1", path, w.campaign.id, path
    )  # fmt: skip
    return [str(x) for x in json.loads(text)] if text else []
