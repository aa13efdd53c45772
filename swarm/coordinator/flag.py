"""flag: somebody who read an experiment's change has doubts. Shown to the person; a verdict it never touches."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import promote, rights
from swarm.coordinator.world import World
from swarm.errors import Refused

WHY = 500
AT_ONCE = 10  # flags of an agent between two submissions (or verdicts)


def flag(w: World, name: str, experiment: str, why: str) -> dict[str, Any]:
    """Keep the doubt as an event. The same agent's next word on the same experiment is the same flag.

    Raises Refused without a reason, for the agent's own experiment and for too many; KeyError for what is nothing here.
    """
    agent = rights.check(w, name, "flag")
    e = promote.find(w, experiment)
    if e is None:
        raise KeyError(experiment)
    said = " ".join(why.split())[:WHY]
    if not said:
        raise Refused("a flag without a reason.", "Say in a sentence what is wrong with it.", 422)
    if e.agent == name:
        raise Refused(f"{e.id} is your own.", "Note what you found out, or submit what mends it.", 409)
    before = w.ledger.value("SELECT seq FROM events WHERE agent=? AND campaign=? AND kind='flagged' AND experiment=?",
                            name, w.campaign.id, e.id)  # fmt: skip
    if before is not None:
        return {"experiment": e.id, "flag": int(before)}
    if rights.written(w, agent, "flagged") >= AT_ONCE:
        raise Refused(f"{AT_ONCE} flags at once.", "Let the person look at these first.", 409)
    with w.ledger.tx():
        seq = w.say("flagged", name, e.id, why=said)
    return {"experiment": e.id, "flag": seq}
