"""grid: somebody asks for a wave: all combinations of some values of constants, or of some kept changes; or stops one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from swarm.coordinator import house, once, pollinate, program, promote, submit, waves
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.research import constraints
from swarm.research import grid as rules
from swarm.research.constants import constants, with_values
from swarm.research.experiment import Agent, Experiment
from swarm.research.pollination import lineage

AGENTS = 32  # cells of an agent's wave
EXAMPLE = "swarm grid WEIGHT_DECAY=.05,.1 MATRIX_LR=.02,.04 · swarm grid e0012 e0015"


def ask(
    w: World,
    words: Sequence[str],
    on: str | None = None,
    repeats: int = 1,
    sure: bool = False,
    agent: str | None = None,
    request: str | None = None,
) -> dict[str, Any]:
    """Queue a wave. `sure`: also a large one. `agent` None: a person asks. The same `request` again is the same wave.

    Raises Refused for what cannot be measured as it was said, with what to say instead.
    """
    before = once.before(w, "grid", request)
    if before is not None:
        return dict(json.loads(before.data)["answer"])
    if w.campaign.state not in ("baseline", "searching"):
        raise Refused("the campaign has ended: there is no slot for a run.", "swarm resume --hours 1, then ask again.")
    base = _base(w, on)
    kind, factors = _factors(w, base, words)
    cells = rules.size(factors)
    runs = (cells - all(f.today is not None for f in factors)) * repeats
    _bounded(w, cells, runs, sure, agent)
    if agent is not None:
        _may_ask(w, w.agent(agent), kind, base, factors)
    with w.ledger.tx():
        number = int(w.ledger.value("SELECT COALESCE(MAX(id), 0) + 1 FROM waves"))
        w.ledger.add(
            "waves", id=number, campaign=w.campaign.id, author=agent, kind=kind, base=base.id, repeats=repeats,
            factors=json.dumps([{"name": f.name, "levels": f.levels, "today": f.today} for f in factors]),
            state="open", created=w.now,
        )  # fmt: skip
        _queue(w, number, kind, base.id, factors)
        said = {
            "wave": number, "on": base.id, "cells": cells, "runs": runs, "slots": len(_slots(w)),
            "minutes": minutes(w, runs),
        }  # fmt: skip
        w.say("grid", agent or "you", base.id, **once.named(request), answer=said)
    w.dirty = True
    return said


def _base(w: World, on: str | None) -> Experiment:
    what = on or "best"
    found = promote.find(w, what)
    if found is not None and found.same_as is not None:
        found = w.ledger.experiment(found.same_as)
    if found is None or found.commit is None or found.campaign != w.campaign.id:
        raise Refused(f"{what} is nothing here that a wave can stand on.", "Look for one: swarm leaderboard", 404)
    if not found.runs and found.origin != "baseline":
        raise Refused(f"{found.id} has no result to compare with.", "Name one that was measured: swarm leaderboard")
    return found


def _factors(w: World, base: Experiment, words: Sequence[str]) -> tuple[str, list[rules.Factor]]:
    try:
        asked = rules.read(words)
        if isinstance(asked, dict):
            _, source = submit.constants_file(w, base.id)
            return "constants", rules.factors(asked, source)
        return "changes", rules.changes(list(dict.fromkeys(_change(w, name, base).id for name in asked)))
    except ValueError as error:
        raise Refused(str(error), EXAMPLE, 422) from None


def _change(w: World, name: str, base: Experiment) -> Experiment:
    found = promote.find(w, name)
    if found is None or found.campaign != w.campaign.id:
        raise Refused(f"there is no {name} here.", "Look for one: swarm leaderboard", 404)
    if found.same_as is not None:
        found = w.ledger.experiment(found.same_as)
    if found.parent is None or found.commit is None or not found.runs:
        raise Refused(f"{found.id} has no change that was measured.", "Name others: swarm leaderboard")
    if found.id in lineage(base.id, pollinate.parents(w)):
        raise Refused(f"{found.id} is in {base.id} already.", f"Leave it out, or say --on {found.parent}.")
    return found


def _bounded(w: World, cells: int, runs: int, sure: bool, agent: str | None) -> None:
    told = f"{cells} cells are {rules.cost(runs, minutes(w, runs), len(_slots(w)))}"
    fewer = "Fewer values, or fewer at once: one wave of the factors that matter, then another."
    if cells > rules.MOST:
        raise Refused(f"{told}: too many for one wave (at most {rules.MOST} cells).", fewer, 422)
    if agent is not None:
        if cells > AGENTS:
            raise Refused(f"{told}: an agent's wave has at most {AGENTS} cells.", fewer, 422)
        mine = waves.waves(w, "AND state='open' AND author=?", agent)
        if mine:
            raise Refused(f"your wave {mine[0].id} is not answered yet.", "Wait for it, then ask for the next.", 409)
    elif cells > rules.ASK and not sure:
        raise Refused(f"{told}.", "Say it again with --yes if you mean it. " + fewer, 409)


def _may_ask(w: World, agent: Agent, kind: str, base: Experiment, factors: Sequence[rules.Factor]) -> None:
    """Raises Refused when the agent has ended, or when a value breaks a constraint of its program."""
    if agent.state not in LIVE:
        raise Refused("the campaign is over for you: nothing more is taken.", "Stop here.")
    bounds = program.rules_of(w, agent).constraints
    if not bounds or kind != "constants":
        return
    path, source = submit.constants_file(w, base.id)
    given = constants(w.hub.read(w.commit_of(w.campaign.baseline or ""), path).decode(errors="replace"))
    gpu = any(not slot.devices.startswith("cpu") for slot in w.slots())
    for factor in factors:
        for text in factor.levels:
            after = constants(with_values(source, {factor.name: text}))
            if said := constraints.broken(bounds, given, constants(source), after, gpu):
                raise Refused(f"the program forbids it: {'; '.join(said[:3])}.", "Leave that value out.")


def _queue(w: World, number: int, kind: str, base: str, factors: Sequence[rules.Factor]) -> None:
    """All cells. Inside the caller's transaction."""
    last = int(w.ledger.next_experiment()[1:])
    of = "const" if kind == "constants" or all(w.ledger.experiment(f.name).kind == "const" for f in factors) else "code"
    for levels, same in rules.cells(factors):
        ident = base
        if not same:
            text = f"{rules.told(factors, levels)} (wave {number} on {base})"
            ident = house.add(w, "wave", base, text, of, ident=f"e{last:04d}")
            last += 1
        named = {f.name: f.levels[level] for f, level in zip(factors, levels, strict=True)}
        w.ledger.add("cells", wave=number, experiment=ident, levels=json.dumps(named, ensure_ascii=False))


def _slots(w: World) -> list[str]:
    return [s.id for s in w.slots() if s.klass == w.home]


def minutes(w: World, runs: int) -> float:
    """How long so many runs take on all slots of the class, by what the baseline's took."""
    took = w.ledger.value("SELECT AVG(seconds) FROM runs WHERE experiment=? AND status='finished'", w.campaign.baseline)
    return float(took or 0.0) * runs / max(1, len(_slots(w))) / 60


def stop(w: World, number: int, agent: str | None = None) -> dict[str, Any]:
    """Measure no more of a wave: what runs finishes, then it is answered with what there is.

    Raises Refused for another agent's wave, KeyError where there is none.
    """
    found = next(iter(waves.waves(w, "AND id=?", number)), None)
    if found is None:
        raise KeyError(f"wave {number}")
    if agent is not None and found.author != agent:
        raise Refused(f"wave {number} is not yours.", "Only who asked for it, or a person, stops it.", 403)
    dropped = 0
    if found.state == "open":
        with w.ledger.tx():
            cells = waves.states(w, found)
            for ident, stage, _, _ in cells:
                if stage == "queued":
                    w.set_experiment(
                        ident, stage="done", verdict="cancelled", reason="its wave was stopped", judged_at=w.now
                    )
                    dropped += 1
            mine = {e for e, *_ in cells}
            for run in w.ledger.open_runs("queued"):
                if run.purpose == "reference" and run.experiment in mine:
                    w.ledger.change("runs", {"id": run.id}, status="cancelled", ended=w.now)
                    dropped += 1
            w.say("grid", agent or "you", found.base, stopped=number)
        waves.review(w)
    state = w.ledger.value("SELECT state FROM waves WHERE id=?", number)
    return {"wave": number, "state": state, "dropped": dropped}
