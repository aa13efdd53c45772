"""contact: what an agent hears when it asks for news, and the only moment its worktree moves.

News is told until it is known to be heard: whoever asks says up to which number it heard, or is believed to hear all.
"""

from __future__ import annotations

import json
from typing import Any

from swarm.coordinator import idea, predict, program, rights
from swarm.coordinator.planting import mend, put_on_tip
from swarm.coordinator.submit import constants_file, room
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.research.constants import constants
from swarm.research.experiment import Agent, Event, Experiment

NEWS = 40  # events told at once
TOLD = (  # kinds of events that an agent hears of
    "promoted", "withdrawn", "baseline", "paused", "resumed", "told", "rebased", "stacked", "not-held", "judged", "moved",
    "program", "wave", "stays", "plateau", "switched",
)  # fmt: skip


def contact(
    w: World, name: str, final: bool = False, patient: bool = False, heard: int | None = None
) -> dict[str, Any]:
    """The answer to `wait`. `due`: there is something to say, or room in the queue; else wait on unless `final`.

    `patient`: room alone is not due while something of the agent's is under way. `heard`: the `seq` of the last answer
    that the caller has heard (0: none); what came later is told again. None: what is given away (due or final) is heard.
    """
    mend(w, [name])
    idea.heard_of(w, name)
    if heard is not None:
        hear(w, name, heard)
    agent = w.agent(name)
    over = w.campaign.state in ("ending", "ended") or agent.state == "stopped"
    free = 0 if over or w.campaign.paused else room(w, agent)
    flying = len(w.unfinished(name))
    events = _events(w, agent)
    said = bool([e for e in events if e.kind == "judged" or _line(w, e)])
    due = over or (free > 0 and not (patient and flying)) or said
    asides: list[str] = []
    edited = ""
    if due or final:
        asides = _moved(w, agent, over)
        with w.ledger.tx():
            edited = program.told(w, agent)
        events = _events(w, agent)
        mood = _mood(w, agent, free)
        seen = _last(w, events) if heard is None else agent.seen
        if seen != agent.seen or agent.state != mood:
            w.set_agent(name, seen=seen, state=mood)
    return _answer(w, name, events, asides, over, free, flying) | {"due": due, "program": edited}


def _answer(
    w: World, name: str, events: list[Event], asides: list[str], over: bool, free: int, flying: int
) -> dict[str, Any]:
    agent = w.agent(name)
    return {
        "stop": over, "why": (w.campaign.why_ended or _ended(w, name)) if over else "", "room": free, "tip": agent.tip,
        "base": agent.base, "flying": flying, "news": [line for e in events if (line := _line(w, e))] + asides,
        "results": [_result(w, e) for e in events if e.kind == "judged"],
        "seq": _last(w, events), **({} if rights.measures(agent) else {"reads": True}),
    }  # fmt: skip


def _last(w: World, events: list[Event]) -> int:
    """Up to where an agent knows all that concerns it when it has heard these."""
    if len(events) == NEWS:
        return events[-1].seq
    return int(w.ledger.value("SELECT COALESCE(MAX(seq), 0) FROM events"))


def hear(w: World, name: str, seq: int) -> dict[str, Any]:
    """The agent has heard everything up to event `seq`: it is not told again."""
    agent = w.agent(name)
    last = int(w.ledger.value("SELECT COALESCE(MAX(seq), 0) FROM events"))
    if agent.seen < seq <= last:
        w.set_agent(name, seen=seq)
    return {"heard": max(seq, agent.seen)}


def _events(w: World, agent: Agent) -> list[Event]:
    """What concerns the agent and it has not heard: its own results, and what everybody is told."""
    marks = ", ".join("?" * len(TOLD))
    found = w.ledger.all(
        Event, f"WHERE campaign=? AND seq>? AND (agent=? OR (agent IS NULL AND kind!='judged')) AND kind IN ({marks}) "
        "ORDER BY seq LIMIT ?", w.campaign.id, agent.seen, agent.name, *TOLD, NEWS,
    )  # fmt: skip
    return found if not w.policy.apart else [e for e in found if _own(w, agent, e)]


def _own(w: World, agent: Agent, e: Event) -> bool:
    """Whether an event may be told to an agent that works apart: not what others found."""
    return e.kind not in ("promoted", "withdrawn") or w.ledger.experiment(e.experiment or "").agent == agent.name


def _ended(w: World, name: str) -> str:
    """Why this agent was stopped while the campaign goes on."""
    return str(
        w.ledger.value(
            "SELECT json_extract(data, '$.why') FROM events WHERE agent=? AND campaign=? AND kind='agent' ORDER BY seq DESC LIMIT 1",
            name, w.campaign.id,
        ) or ""
    )  # fmt: skip


def _mood(w: World, agent: Agent, free: int) -> str:
    """What the agent does now; one that is limited stays so while it listens, until its limit is over."""
    if agent.state == "stopped" or (agent.state == "limited" and (agent.until or 0.0) > w.now):
        return agent.state
    return "thinking" if free > 0 else "waiting"


def _moved(w: World, agent: Agent, over: bool) -> list[str]:
    """The worktree follows the tip unless the agent has unsubmitted edits in it. A move is an event, told like others."""
    if agent.base == agent.tip or over:
        return []
    try:
        files = w.worktrees.editable(agent.name)
    except Refused:
        return [f"your files cannot be read; best for you is {agent.tip}"]
    base = w.commit_of(agent.base)
    if any(w.hub.read(base, path) != data for path, data in files.items()):
        return [
            f"you build on {agent.tip} now; your edits still stand on {agent.base} and will be moved when you submit"
        ]
    put_on_tip(w, agent.name, tell=True)
    return []


def _line(w: World, e: Event) -> str:
    """One event as a sentence for this agent; empty for what is not its concern."""
    data = json.loads(e.data)
    if e.kind == "promoted":
        who = "you" if data["by"] == "person" else "confirmation"
        x = w.ledger.experiment(e.experiment or "")
        return f"best is now {x.id} ({_score(w, x)}) by {x.agent or 'the baseline'}: {x.description} [{who}]".replace(
            "[you]", "[a person]"
        )
    if e.kind == "withdrawn":
        return f"{e.experiment} is no longer best: {data['to']} is, again"
    if e.kind == "baseline":
        return f"baseline {data['score']:.6g}; one run spreads by {data['sd']:.2g}"
    if e.kind == "plateau":
        return (
            f"a plateau: best gained {max(0.0, data['gain']):.2g} in {data['experiments']} experiments, less than the noise "
            f"({data['sd']:.2g}). More of the same will not help: try something of another sort"
        )
    if e.agent is None:
        return {"paused": "paused by a person", "resumed": "going on"}.get(e.kind, "")
    if e.kind == "told":
        return f"a person tells you: {data['text']}"
    if e.kind == "rebased":
        kept = f"; your {', '.join(data['kept'])} are measured again on it as {data['stack']}" if data["stack"] else ""
        return f"you are rebased onto best {e.experiment}{kept}"
    if e.kind == "stacked":
        return f"{', '.join(data['members'])} are stacked as {data['stack']}: {data['why']}"
    if e.kind == "moved":
        return f"your worktree moved from {data['was']} to {data['to']}: read it again before you edit"
    if e.kind == "switched":
        return f"you follow the program {data['to']} from now on, no longer {data['was']}"
    if e.kind == "stays":
        return f"best is {e.experiment}, and you stay on {data['on']} on purpose: look where the others do not"
    if e.kind == "program":
        return "the program was edited: read it again"
    if e.kind == "wave":
        return str(data["text"])
    if e.kind == "not-held":
        return f"{e.experiment} did not hold when measured again: {data['why']}"
    return ""


def _score(w: World, x: Experiment) -> str:
    return f"{w.task.metric.name} {x.estimate:.6g} ± {x.stderr or 0:.2g}" if x.estimate is not None else "not measured"


def _result(w: World, e: Event) -> dict[str, Any]:
    x = w.ledger.experiment(e.experiment or "")
    data = json.loads(e.data)
    shown = w.ledger.experiment(x.same_as) if x.same_as else x
    return {
        "experiment": x.id, "verdict": x.verdict, "score": shown.raw, "estimate": shown.estimate, "delta": data.get("delta"),
        "p": x.p_better, "reason": (x.reason or "")[:2000], "noise": w.beliefs.spread(shown.klass or w.home),
        "stderr": shown.stderr, "runs": shown.runs, "same_as": x.same_as,
        "description": x.description, "foretold": predict.told(w, x),
    }  # fmt: skip


def constants_of(w: World, name: str) -> dict[str, Any]:
    """For an optimiser: the constants of its tip, and all that was measured of changes to constants only."""
    agent = w.agent(name)
    put_back = agent.tip
    path, source = constants_file(w, put_back)
    found = constants(source)
    own, whose = ("AND agent=? ", (name,)) if w.policy.apart else ("", ())
    rows = w.ledger.all(
        Experiment, "WHERE campaign=? AND verdict IN ('keep','discard','crash') AND (runs>0 OR verdict='crash') AND kind='const' "
        f"AND \"commit\" IS NOT NULL {own}ORDER BY rowid DESC LIMIT 500", w.campaign.id, *whose
    )  # fmt: skip
    past = []
    for x in reversed(rows):
        text = w.hub.read(x.commit or "", path).decode(errors="replace")
        values = {n: c.text for n, c in constants(text).items() if n in found}
        loss = None if x.raw is None or x.verdict == "crash" else w.sign * x.raw
        past.append({"values": values, "loss": loss, "mine": x.agent == name})
    return {
        "file": path, "source": source, "constants": {n: c.text for n, c in found.items()}, "experiments": past,
        "constraints": [rule.text for rule in program.rules_of(w, agent).constraints],
    }  # fmt: skip
