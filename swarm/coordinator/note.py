"""note: what somebody found out, kept where everybody's recall finds it."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import rights
from swarm.coordinator.world import World
from swarm.errors import Refused

LONGEST = 4000  # characters of a note
AT_ONCE = 20  # notes of an agent between two submissions: notes are no substitute for experiments


def note(w: World, name: str | None, text: str) -> dict[str, Any]:
    """Keep a note of an agent (None: of a person). The same text again is the same note.

    Raises Refused for an empty one, and for one more than AT_ONCE since the agent's last submission.
    """
    agent = None if name is None else w.agent(name)
    kept = text.strip()[:LONGEST]
    if not kept:
        raise Refused("a note without a word.", "Write what you found out, in a sentence or two.", 422)
    there = w.ledger.value(
        "SELECT id FROM notes WHERE campaign=? AND agent IS ? AND text=?", w.campaign.id, name, kept
    )  # fmt: skip
    if there is not None:
        return {"note": int(there)}
    if agent is not None and rights.written(w, agent, "noted") >= AT_ONCE:
        raise Refused(
            f"{AT_ONCE} notes since your last experiment.", "Try one of them: edit, then submit. Then note on.", 409
        )
    with w.ledger.tx():
        ident = int(w.ledger.value("SELECT COALESCE(MAX(id), 0) + 1 FROM notes"))
        w.ledger.add("notes", id=ident, campaign=w.campaign.id, agent=name, text=kept, at=w.now)
        w.say("noted", name, None, note=ident)
    return {"note": ident}
