"""rights: what an agent may do by its role, and when one that submits nothing has something to look at."""

from __future__ import annotations

from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.research import roles
from swarm.research.experiment import Agent

AFTER = 8  # experiments judged since its last turn are worth another turn of who only reads


def check(w: World, name: str, tool: str) -> Agent:
    """The agent, if its role may call this tool. Raises Refused, saying why not, and KeyError for nobody."""
    agent = w.agent(name)
    why = roles.refusal(roles.role_of(agent.options), tool)
    if why:
        raise Refused(f"not with your role: {why}.", "Go on with the tools that you have.", 403)
    return agent


def measures(agent: Agent) -> bool:
    """Whether the agent submits experiments."""
    return roles.measures(roles.role_of(agent.options))


def room(w: World, agent: Agent) -> int:
    """1 when an agent that submits nothing has something to look at: at first, and then after every so many verdicts."""
    last = w.ledger.value(
        "SELECT seq FROM events WHERE agent=? AND campaign=? AND kind='turned' ORDER BY seq DESC LIMIT 1",
        agent.name, w.campaign.id,
    )  # fmt: skip
    if last is None:
        return 1
    sql = "SELECT COUNT(*) FROM (SELECT 1 FROM events WHERE campaign=? AND kind='judged' AND seq>? LIMIT ?)"
    return int(w.ledger.value(sql, w.campaign.id, last, AFTER) >= AFTER)


def last_word(w: World, agent: Agent) -> int:
    """Since which event what an agent writes is counted: its last submission; for one that submits nothing, anybody's
    last verdict. Writing is no substitute for experiments."""
    if measures(agent):
        sql = "SELECT COALESCE(MAX(seq), 0) FROM events WHERE agent=? AND campaign=? AND kind='submitted'"
        return int(w.ledger.value(sql, agent.name, w.campaign.id))
    sql = "SELECT COALESCE(MAX(seq), 0) FROM events WHERE campaign=? AND kind='judged'"
    return int(w.ledger.value(sql, w.campaign.id))


def written(w: World, agent: Agent, kind: str) -> int:
    """How many events of this kind the agent has made since then."""
    sql = "SELECT COUNT(*) FROM events WHERE agent=? AND campaign=? AND kind=? AND seq>?"
    return int(w.ledger.value(sql, agent.name, w.campaign.id, kind, last_word(w, agent)))
