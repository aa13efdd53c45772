"""turn: what an agent says of itself: what a turn cost, and that a limit of its provider holds it up."""

from __future__ import annotations

from typing import Any

from swarm.coordinator.world import World


def turn(
    w: World, name: str, state: str = "working", until: float | None = None, tokens: int = 0, usd: float | None = None
) -> dict[str, Any]:
    """Record costs (tokens, US dollars) and whether the agent is `limited` until a moment (seconds since 1970).

    A limit is no failure: nobody restarts the agent for it.
    """
    agent = w.agent(name)
    with w.ledger.tx():
        if tokens or usd:
            w.ledger.add("costs", campaign=w.campaign.id, agent=name, tokens=tokens, usd=usd, at=w.now)
        if state == "limited":
            w.set_agent(name, state="limited", until=until)
            if agent.state != "limited":
                w.say("agent", name, None, state="limited", why="its provider's limit", until=until)
        elif agent.state == "limited":
            w.set_agent(name, state="waiting", until=None)
    return {"stop": w.campaign.state in ("ending", "ended")}
