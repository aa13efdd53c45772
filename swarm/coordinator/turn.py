"""turn: what an agent says of itself: what a turn cost, that a limit of its provider holds it up, that it is stuck."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from swarm.coordinator import rights
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.repo import plainly
from swarm.research.experiment import Agent

SESSION = "session.json"  # in an agent's folder: what it writes down between turns
MOST = 1000  # bills


def turn(
    w: World, name: str, state: str = "working", until: float | None = None, tokens: int = 0, usd: float | None = None,
    turn: int | None = None, experiments: Sequence[str] = (), plan: bool | None = None, blanks: int = 0, why: str = "",
    fresh: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Record costs (tokens, US dollars; of the numbered `turn` only once) and whether the agent is `limited` until a moment
    (seconds since 1970), or `stuck`: `blanks` turns brought no submission, it was told, or (`fresh`) begins afresh.

    A limit is no failure: nobody restarts the agent for it. `plan`: its login is not billed by the token.
    """
    agent = w.agent(name)
    with w.ledger.tx():
        if turn is None or turn > agent.turns:
            _book(w, name, tokens, usd, experiments)
            if turn is not None:
                w.set_agent(name, turns=turn)
                if not rights.measures(agent):
                    w.say("turned", name, turn=turn)
        if plan is not None:
            _login(w, agent, "plan" if plan else "key")
        if state == "limited":
            w.set_agent(name, state="limited", until=until)
            if agent.state != "limited":
                w.say("agent", name, None, state="limited", why="its provider's limit", until=until)
        elif agent.state == "limited" and state != "ended":
            w.set_agent(name, state="waiting", until=None)
        if state == "stuck":
            w.say("stuck", name, None, turns=blanks, why=why[:300], fresh=fresh)
    return {"stop": w.campaign.state in ("ending", "ended")}


def settle(w: World, name: str) -> None:
    """Book what an agent that was ended in the middle of a turn still owes: it wrote that down, and its door was shut.

    Said again by a later process of this agent it is not counted twice: turns are numbered.
    """
    agent = w.agent(name)
    try:
        said = json.loads(plainly.read(w.workspace.agents / name, SESSION))
        if float(said["since"]) != agent.created:
            return  # of an earlier agent of this name
        owed = [_bill(row) for row in said["owed"][:MOST]]
    except (Refused, OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for bill in sorted(owed, key=lambda bill: bill["turn"]):
        turn(w, name, state="ended", **bill)


def _bill(row: dict[str, Any]) -> dict[str, Any]:
    """What an agent owes for a turn. Raises ValueError, KeyError or TypeError for what cannot be that."""
    number, tokens, experiments = int(row["turn"]), int(row["tokens"]), [str(x) for x in row["experiments"]]
    usd = None if row["usd"] is None else float(row["usd"])
    if number < 1 or not 0 <= tokens <= 10**12 or not 0 <= (usd or 0.0) <= 1e6 or len(experiments) > 100:
        raise ValueError("no bill")
    return {"turn": number, "tokens": tokens, "usd": usd, "experiments": experiments}


def _book(w: World, name: str, tokens: int, usd: float | None, experiments: Sequence[str]) -> None:
    """One row for each experiment of the turn, in equal parts; one without an experiment when it brought none."""
    if not tokens and not usd:
        return
    marks = ", ".join("?" * len(experiments))
    own = w.ledger.rows(
        f"SELECT id FROM experiments WHERE campaign=? AND agent=? AND id IN ({marks}) ORDER BY id",
        w.campaign.id, name, *experiments,
    )  # fmt: skip
    parts: list[str | None] = [str(ident) for (ident,) in own] or [None]
    each, part = tokens // len(parts), None if usd is None else usd / len(parts)
    for n, ident in enumerate(parts):
        rest = tokens - each * (len(parts) - 1) if n == 0 else each
        w.ledger.add("costs", campaign=w.campaign.id, agent=name, experiment=ident, tokens=rest, usd=part, at=w.now)


def _login(w: World, agent: Agent, login: str) -> None:
    options = json.loads(agent.options)
    if options.get("login") != login:
        w.set_agent(agent.name, options=json.dumps({**options, "login": login}))
