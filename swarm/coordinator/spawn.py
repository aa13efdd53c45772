"""spawn: a campaign, its slots and its agents. Asked for a second time, more agents on free slots."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from swarm.config import Policy, Stop, Task
from swarm.coordinator import baseline, control, ending, hours, house, pollinate, program
from swarm.coordinator.planting import branch, plant
from swarm.coordinator.watch import start_agents
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused, SwarmError
from swarm.research import pollination, roles
from swarm.research.constants import constants

LOOKED_AT = 300  # kept experiments, when new agents begin on different ones


def spawn(
    w: World,
    task: dict[str, Any],
    agents: list[dict[str, Any]],
    slots: list[dict[str, Any]],
    stop: dict[str, Any],
    policy: dict[str, Any] | None = None,
    name: str | None = None,
    force: bool = False,
    source: str = "best",
) -> dict[str, Any]:
    """Make what is missing and start the agents: on best, or (`source` diverse) on good ones that are not of one line.

    Raises Refused: a slot is taken, an agent's name lives already, another task is being searched.
    """
    del force  # busy GPUs are weighed by whoever looked at them
    wanted = Task.model_validate(task)
    _not_authors(agents)
    running = w.has_campaign and w.campaign.state in ("baseline", "searching", "ending")
    if running:
        _same_task(w, wanted)
        _free(w, agents, slots)
    _checked(w, running, agents)
    commit, notes = w.commit_of(w.campaign.best or "") if running else "", []
    if not running:
        _judging_hardware(Policy.model_validate(policy or {}), slots)
        w.hub.create()
        commit, note = w.hub.seed(wanted.path, wanted.rev)
        _has_files(w, commit, wanted)
        notes += [note] if note else []
    agents, more = _idlers(w, agents, commit, wanted)
    agents, alone = control.split(w, running, agents)
    notes += more
    with w.ledger.tx():
        if not running:
            _campaign(w, wanted, Policy.model_validate(policy or {}), Stop.model_validate(stop), name, commit)
        _slots(w, slots)
        if not running:
            baseline.queue_runs(w)
        _add(w, agents, alone, source)
        w.say("spawned", agents=[a["name"] for a in agents], slots=[s["id"] for s in slots],
              programs={a["name"]: a["programs"] for a in agents if a.get("programs")},
              nodes={s["id"]: ",".join(s["device_nodes"]) for s in slots if s.get("device_nodes")})  # fmt: skip
    _settle(w, [a["name"] for a in agents])
    if alone:
        with w.as_control():
            _settle(w, [alone["name"]])
    notes += program.doubts(w, [w.agent(a["name"]) for a in agents])
    return {
        "campaign": w.campaign.name, "base": w.commit_of(w.campaign.baseline or ""), "notes": notes,
        "baseline": w.campaign.baseline, "runs": len(w.ledger.open_runs("queued", "running")),
        "agents": [{"name": a["name"], "slot": a.get("slot"), "kind": a["kind"], "program": a.get("program")} for a in agents],
        "control": bool(alone),
    }  # fmt: skip


def _not_authors(agents: list[dict[str, Any]]) -> None:
    """Raises Refused for the names that the ledger has for a person and for the swarm itself."""
    taken = sorted({a["name"] for a in agents} & {"you", house.NAME})
    if taken:
        raise Refused(f"no agent can be called {', '.join(taken)}.", "Call it something else.", 422)


def _able(wish: dict[str, Any]) -> None:
    """Raises Refused for a role that this kind of agent cannot have, or that has no use for a GPU of its own."""
    role = wish.get("role") or roles.EXPERIMENTER
    if (wish.get("options") or {}).get("role"):
        raise Refused(
            f"{wish['name']}: a role is no option of its kind.", "swarm spawn --roles experimenter:6,analyst:1"
        )
    if not roles.able(role, wish["kind"]):
        raise Refused(f"a {wish['kind']} cannot be a {role}.", f"It can be: {', '.join(roles.ABLE)}")
    if not roles.measures(role) and (wish.get("slot") is not None or wish.get("slots")):
        raise Refused(f"{wish['name']} is a {role} and has no use for a GPU.", "Give it to an experimenter.")


def _checked(w: World, running: bool, agents: list[dict[str, Any]]) -> None:
    """Raises Refused for a role or for options that an agent's kind cannot have."""
    for agent in agents:
        _able(agent)
        together = _together(w, running, agents, agent["kind"])
        if not _idle(agent):
            w.kinds(agent["kind"]).check({**(agent.get("options") or {}), **together})


def _add(w: World, agents: list[dict[str, Any]], alone: dict[str, Any] | None, source: str) -> None:
    """The rows of the agents, and of the control with its campaign. To be called in the transaction of the spawn."""
    for agent, tip in zip(agents, grounds(w, source, len(agents)), strict=True):
        add_agent(w, agent, tip)
    if alone:
        control.begin(w)
        with w.as_control():
            add_agent(w, alone)


def _idle(wish: dict[str, Any]) -> bool:
    return bool((wish.get("options") or {}).get("idle"))


def _idlers(w: World, agents: list[dict[str, Any]], commit: str, task: Task) -> tuple[list[dict[str, Any]], list[str]]:
    """Without whoever would use idle slots and has nothing to do here; that is said, and no reason to start nothing."""
    kept, notes = [], []
    for agent in agents:
        try:
            if _idle(agent):
                w.kinds(agent["kind"]).check(
                    {k: v for k, v in agent["options"].items() if k not in ("idle", "control")}
                )
                _tunable(w, commit, task)
            kept.append(agent)
        except SwarmError as error:
            without = "there is no control" if control.wanted(agent) else "idle slots only measure again"
            notes.append(f"{without}: {error.message}")
    return kept, notes


def _tunable(w: World, commit: str, task: Task) -> None:
    """Raises Refused when there are no constants for a tuner."""
    path = next((p for p in task.edit if p.endswith(".py")), "")
    if not path or not constants(w.hub.read(commit, path).decode(errors="replace")):
        raise Refused("the task has no UPPERCASE constants to tune.")


def _together(w: World, running: bool, agents: list[dict[str, Any]], kind: str) -> dict[str, int]:
    """How many agents of this kind there would be, where that is more than one: some logins cannot be shared."""
    living = [a.name for a in w.agents(*LIVE) if a.kind == kind] if running else []
    count = len({*living, *(a["name"] for a in agents if a["kind"] == kind)})
    return {"together": count} if count > 1 else {}


def _same_task(w: World, wanted: Task) -> None:
    if w.campaign.state == "ending":
        raise Refused("the last campaign is still ending.", "Wait a moment (swarm status), or end it: swarm stop --now")
    if wanted != w.task:
        raise Refused(
            "this workspace is searching another task (or another setting of it).",
            "Agents added to a running campaign share its task. End it first: swarm stop, or use another folder: swarm init",
        )


def _free(w: World, agents: list[dict[str, Any]], slots: list[dict[str, Any]]) -> None:
    taken = {s.id: s.agent for s in w.slots()}
    clash = [s["id"] for s in slots if s["id"] in taken]
    if clash:
        who = ", ".join(f"{i} ({taken[i] or 'pool'})" for i in clash)
        raise Refused(
            f"taken already: {who}.", "Name free ones: swarm spawn --gpus 4,5 … · or free them: swarm stop AGENT"
        )
    names = {a.name for a in w.agents(*LIVE)}
    twice = [a["name"] for a in agents if a["name"] in names]
    if twice:
        raise Refused(f"{', '.join(twice)} is running already.", "swarm status shows who works where.")


def _has_files(w: World, commit: str, task: Task) -> None:
    there = set(w.hub.paths(commit))
    missing = [p for p in task.edit if p not in there]
    if missing:
        raise Refused(
            f"the task at {task.path} has no file {', '.join(missing)}.",
            "Name the files that agents may edit in swarm.yaml: task: {path: …, edit: [train.py]}",
        )


def _campaign(w: World, task: Task, policy: Policy, stop: Stop, name: str | None, commit: str) -> None:
    number = int(w.ledger.value("SELECT COUNT(*) FROM campaigns WHERE id>=0")) + 1
    w.ledger.add(
        "campaigns", name=name or f"c{number}", task=json.dumps({"task": task.model_dump(), "policy": policy.model_dump()}),
        stop=ending.rule_text(stop, w.now, 0), state="baseline", metric=task.metric.name, better=task.metric.better, created=w.now,
    )  # fmt: skip
    w.forget()
    w.timers.clear()
    baseline.begin(w, commit, w.now)
    w.pin("refs/heads/best", commit)


def _slots(w: World, slots: list[dict[str, Any]]) -> None:
    for slot in slots:
        klass = w.ledger.klass(slot["accelerator"], slot["torch"], w.task.budget)
        where = {"campaign": w.campaign.id, "id": slot["id"]}
        values = {"klass": klass, "devices": slot["devices"], "agent": None, "state": "open", "free_since": w.now}
        if not w.ledger.change("slots", where, **values):
            w.ledger.add("slots", **where, **values)


def _judging_hardware(policy: Policy, slots: list[dict[str, Any]]) -> None:
    """Raises Refused where no slot is of the hardware that the campaign names."""
    named, there = policy.confirm_on, sorted({str(s["accelerator"]) for s in slots})
    if named and not any(named.lower() in name.lower() for name in there):
        raise Refused(
            f"best is to be judged on {named}, and no slot is one: there is {', '.join(there)}.",
            "Name one of them in swarm.yaml: policy: {confirm_on: …}, or leave it out",
        )


def grounds(w: World, source: str, agents: int) -> list[str | None]:
    """What each of so many new agents builds on: best (None), or in turn the best experiments that are not of one line."""
    if source != "diverse" or w.campaign.best is None:
        return [None] * agents
    found = different(w, agents)
    return [found[i % len(found)] if found else None for i in range(agents)]


def different(w: World, most: int) -> list[str]:
    """Best, then the next best of those kept and better than the baseline that are in no other one's line."""
    order, best, home = ("ASC" if w.campaign.better == "lower" else "DESC"), w.campaign.best or "", w.home
    rows = w.ledger.rows(
        "SELECT id FROM experiments WHERE campaign=? AND verdict='keep' AND dropped=0 AND klass=? AND estimate IS NOT NULL "
        f"ORDER BY estimate {order} LIMIT ?", w.campaign.id, home, LOOKED_AT
    )  # fmt: skip
    given = w.beliefs.of(w.campaign.baseline, home)
    good = [i for (i,) in rows if given and (b := w.beliefs.of(i, home)) is not None and b.m < given.m and i != best]
    return pollination.diverse([best, *good], pollinate.parents(w), most)


def add_agent(w: World, wish: dict[str, Any], tip: str | None = None) -> None:
    """The row of an agent that is to start, on best (where each works for itself: as given) or on `tip`. To be called in a
    transaction."""
    best = tip or (w.campaign.baseline if w.policy.apart else w.campaign.best)
    values = {
        "kind": wish["kind"], "options": json.dumps(options_of(w, wish)), "state": "starting", "base": best, "tip": best,
        "program": wish.get("program"), "seen": w.ledger.value("SELECT COALESCE(MAX(seq), 0) FROM events"), "ended": None,
        "restarts": 0, "until": None, "created": w.now,
    }  # fmt: skip
    if not w.ledger.change("agents", {"campaign": w.campaign.id, "name": wish["name"]}, **values):
        w.ledger.add("agents", name=wish["name"], campaign=w.campaign.id, **values)
    for slot in wish.get("slots") or ([wish["slot"]] if wish.get("slot") is not None else []):
        w.ledger.change("slots", {"campaign": w.campaign.id, "id": slot}, agent=wish["name"])
    w.ledger.drop_ref(branch(wish["name"]))  # its worktree comes next


def options_of(w: World, wish: dict[str, Any]) -> dict[str, Any]:
    """An agent's options as its row holds them: its own end among them."""
    stop = Stop.model_validate(wish.get("stop") or {})
    own = {} if stop.empty else {"stop": {**asdict(ending.ending_of(stop, w.now)), "from": hours.searched(w)}}
    role = {"role": wish["role"]} if wish.get("role") not in (None, roles.EXPERIMENTER) else {}
    return {**(wish.get("options") or {}), **own, **role}


def _settle(w: World, names: list[str]) -> None:
    """Worktrees, tokens, sessions; each step may be done again after a crash."""
    plant(w, names)
    start_agents(w, names)
