"""replace: an agent of another kind takes an agent's place: its GPUs, and what it builds on."""

from __future__ import annotations

import json
import re
from typing import Any

from swarm.coordinator import ending, plateau, spawn, turn
from swarm.coordinator.planting import plant, torn
from swarm.coordinator.watch import start_agents
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.research import roles
from swarm.research.experiment import NO_WORKERS, Agent

PLACE = re.compile(r"(?:gpu|cpu)([A-Za-z0-9._-]+)")


def successor(w: World, who: str, kind: str) -> dict[str, Any]:
    """The name of the agent that takes the place, or has taken it. Raises KeyError and Refused as `replace` does."""
    old = whom(w, who, kind)
    done = _successor_of(w, old)
    return {"name": done.name if done and done.kind == kind else _name(w, old, kind)}


def replace(
    w: World, who: str, kind: str, options: dict[str, Any] | None = None, program: str | None = None,
    source: str = "tip", stop: dict[str, Any] | None = None, name: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """End agent `who` (or the one on GPU `gpu3`) and start one of `kind` there, on its tip or (`source`) on best, or on a
    good one that nobody stands on (diverse).

    What it did is pinned, edits that it had not submitted too; what waited in its queue is not run, what runs finishes.
    Asked again it answers the same. Raises KeyError for nobody, Refused where nothing can be replaced.
    """
    old = whom(w, who, kind)
    done = _successor_of(w, old)
    if done is not None and done.kind == kind:
        _settle(w, done.name)
        return _answer(w, old, done.name)
    _may(w, old, done, kind)
    fresh = name or _name(w, old, kind)
    if w.ledger.agent(w.campaign.id, fresh) is not None:
        raise Refused(f"{fresh} is there already.", "Say it again.")
    wish: dict[str, Any] = {
        "name": fresh, "kind": kind, "options": options or {}, "program": program or old.program, "stop": stop,
        "role": roles.role_of(old.options),
    }  # fmt: skip
    wish["programs"] = [] if program else plateau.choices(w, old.name)
    together = len([a for a in w.agents(*LIVE) if a.kind == kind and a.name != old.name]) + 1
    w.kinds(kind).check({**wish["options"], **({"together": together} if together > 1 else {})})
    w.sessions.stop(old.name)  # first of all: two never work on one GPU
    _hand_over(w, old, wish, source)
    _settle(w, fresh)
    return _answer(w, old, fresh)


def whom(w: World, who: str, kind: str) -> Agent:
    """The agent of this name, or the one that has GPU `gpu3`. Raises KeyError; Refused when that is of `kind` already."""
    found = w.ledger.agent(w.campaign.id, who)
    if found is not None:
        return found
    place = PLACE.fullmatch(who)
    owner = place and w.ledger.value("SELECT agent FROM slots WHERE campaign=? AND id=?", w.campaign.id, place[1])
    if not owner:
        raise KeyError(who)
    agent = w.agent(str(owner))
    if agent.kind == kind and agent.state in LIVE:
        raise Refused(
            f"{who} has a {kind} already: {agent.name}.",
            f"Another one all the same: swarm replace {agent.name} --with {kind}",
        )
    return agent


def _may(w: World, old: Agent, done: Agent | None, kind: str) -> None:
    if w.campaign.state not in ("baseline", "searching"):
        raise Refused("the campaign is over: there is nobody to replace.", "swarm resume --hours 2 goes on with it.")
    if old.kind in NO_WORKERS or w.idles(old):
        raise Refused(f"{old.name} has no GPU of its own.", "swarm status shows who works where.")
    role = roles.role_of(old.options)
    if not roles.able(role, kind):
        raise Refused(f"{old.name} is a {role}, which a {kind} cannot be.", f"It can be: {', '.join(roles.ABLE)}")
    if done is not None:
        raise Refused(f"{old.name} was replaced by {done.name}.", f"That one then: swarm replace {done.name} --with …")


def _successor_of(w: World, old: Agent) -> Agent | None:
    """The living agent that took its place, if one has."""
    if old.state != "stopped":
        return None
    name = w.ledger.value(
        "SELECT json_extract(data, '$.by') FROM events WHERE agent=? AND campaign=? AND kind='replaced' AND at>=? "
        "ORDER BY seq DESC LIMIT 1", old.name, w.campaign.id, old.created,
    )  # fmt: skip
    found = w.ledger.agent(w.campaign.id, str(name)) if name else None
    return found if found is not None and found.state in LIVE else None


def _name(w: World, old: Agent, kind: str) -> str:
    """`gpu3-codex` becomes `gpu3-claude`, `codex-2` becomes `claude-1`; numbered where that was one already."""
    used = {a.name for a in w.agents()}
    place, dash, _ = old.name.partition("-")
    slot = w.ledger.value("SELECT id FROM slots WHERE campaign=? AND agent=?", w.campaign.id, old.name)
    if slot is None:
        return next(name for n in range(1, len(used) + 2) if (name := f"{kind}-{n}") not in used)
    first = f"{place if dash else old.name}-{kind}"
    return next(name for n in range(1, len(used) + 2) if (name := first if n == 1 else f"{first}-{n}") not in used)


def _hand_over(w: World, old: Agent, wish: dict[str, Any], source: str) -> None:
    """In one transaction: the old one is ended and pinned, the new one is there with its GPUs."""
    tip = _ground(w, old, source)
    edits = _edits(w, old)
    with w.ledger.tx():
        w.pin(f"refs/tips/{old.name}/{old.tip}", w.commit_of(old.tip))
        if edits:
            w.pin(f"refs/stray/{old.name}/{edits[:12]}", edits)
        turn.settle(w, old.name)
        w.set_agent(old.name, state="stopped", ended=w.now)
        w.say("agent", old.name, None, state="stopped", why=f"replaced by {wish['name']}")
        dropped = ending.drop_queue(w, old.name, "its agent was replaced")
        spawn.add_agent(w, wish)
        w.set_agent(wish["name"], tip=tip, base=tip)
        w.ledger.change("slots", {"campaign": w.campaign.id, "agent": old.name}, agent=wish["name"], state="open")
        w.say("replaced", old.name, tip, by=wish["name"], into=wish["kind"], source=source, edits=edits, dropped=dropped,
              **({"programs": {wish["name"]: wish["programs"]}} if wish["programs"] else {}))  # fmt: skip


def _ground(w: World, old: Agent, source: str) -> str:
    """What the new one builds on; `diverse`: a good one that nobody else stands on, best if there is none."""
    if source == "tip" or w.campaign.best is None:
        return old.tip
    if source == "best":
        return w.campaign.best
    taken = {a.tip for a in w.agents(*LIVE) if a.name != old.name}
    free = [ident for ident in spawn.different(w, len(taken) + 2) if ident not in taken]
    return free[0] if free else w.campaign.best


def _edits(w: World, old: Agent) -> str:
    """What stands in the worktree and was not submitted, as a commit; empty when there is nothing."""
    if torn(w, old.name):
        return ""  # its end never came; what had stood there is in the agent's folder
    try:
        files = w.worktrees.editable(old.name)
    except Refused:
        return ""  # it stays where it is: the worktree is not touched
    base = w.commit_of(old.base)
    if all(w.hub.read(base, path) == data for path, data in files.items()):
        return ""
    return w.hub.commit(files, base, f"{old.name}: not submitted when it was replaced")


def _settle(w: World, name: str) -> None:
    """Worktree and session, where they are not there yet."""
    if torn(w, name):
        plant(w, [name])
    if name not in w.sessions.list():
        start_agents(w, [name])


def _answer(w: World, old: Agent, name: str) -> dict[str, Any]:
    new = w.agent(name)
    said = json.loads(
        w.ledger.value(
            "SELECT data FROM events WHERE agent=? AND campaign=? AND kind='replaced' ORDER BY seq DESC LIMIT 1",
            old.name, w.campaign.id,
        )
    )  # fmt: skip
    slots = [s.id for s in w.slots() if s.agent == name]
    return {
        "ended": old.name, "agent": name, "kind": new.kind, "slots": slots, "tip": new.tip, "source": said["source"],
        "edits": said["edits"], "dropped": said["dropped"],
    }  # fmt: skip
