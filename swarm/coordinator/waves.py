"""waves: a factorial over constants, or over kept changes, queued as one question and answered as one.

A cell is an experiment of the house on the wave's base. What the base has already costs no run. Everything is in the
ledger: a coordinator that was killed goes on where the rows are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swarm.coordinator import house, once, pollinate, program, promote, submit
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.repo import Conflict, replay
from swarm.research import constraints, grid
from swarm.research.answer import Facts, answer
from swarm.research.constants import constants, with_values
from swarm.research.experiment import Agent, Experiment
from swarm.research.factorial import Cell, analyse
from swarm.research.judging import p_less
from swarm.research.pollination import lineage

AGENTS = 32  # cells of an agent's wave
MEASURED = ("keep", "discard")
EXAMPLE = "swarm grid WEIGHT_DECAY=.05,.1 MATRIX_LR=.02,.04 · swarm grid e0012 e0015"


@dataclass(frozen=True)
class Wave:
    """A row of `waves`. `author` None: a person."""

    id: int
    author: str | None
    kind: str
    base: str
    factors: str
    repeats: int
    state: str

    @property
    def of(self) -> list[grid.Factor]:
        return [grid.Factor(f["name"], tuple(f["levels"]), f["today"]) for f in json.loads(self.factors)]


COLUMNS = "id, author, kind, base, factors, repeats, state"


def _waves(w: World, tail: str, *args: Any) -> list[Wave]:
    sql = f"SELECT {COLUMNS} FROM waves WHERE campaign=? {tail} ORDER BY id"
    return [Wave(*row) for row in w.ledger.rows(sql, w.campaign.id, *args)]


# --- asking -------------------------------------------------------------------------------------------------------


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
    cells = grid.cells(factors)
    runs = sum(not same for _, same in cells) * repeats
    _bounded(w, len(cells), runs, sure, agent)
    if agent is not None and kind == "constants":
        _allowed(w, w.agent(agent), base, factors)
    with w.ledger.tx():
        number = int(w.ledger.value("SELECT COALESCE(MAX(id), 0) + 1 FROM waves"))
        w.ledger.add(
            "waves", id=number, campaign=w.campaign.id, author=agent, kind=kind, base=base.id, repeats=repeats,
            factors=json.dumps([{"name": f.name, "levels": f.levels, "today": f.today} for f in factors]),
            state="open", created=w.now,
        )  # fmt: skip
        _queue(w, number, kind, base.id, factors)
        said = {
            "wave": number, "on": base.id, "cells": len(cells), "runs": runs, "slots": len(_slots(w)),
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


def _factors(w: World, base: Experiment, words: Sequence[str]) -> tuple[str, list[grid.Factor]]:
    try:
        asked = grid.read(words)
        if isinstance(asked, dict):
            _, source = submit.constants_file(w, base.id)
            return "constants", grid.factors(asked, source)
        return "changes", grid.changes([_change(w, name, base).id for name in asked])
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
    told = f"{cells} cells are {runs} runs, about {minutes(w, runs):.0f} minutes on {len(_slots(w))} slots"
    fewer = "Fewer values, or fewer at once: one wave of the factors that matter, then another."
    if cells > grid.MOST:
        raise Refused(f"{told}: too many for one wave (at most {grid.MOST} cells).", fewer, 422)
    if agent is not None:
        if cells > AGENTS:
            raise Refused(f"{told}: an agent's wave has at most {AGENTS} cells.", fewer, 422)
        mine = _waves(w, "AND state='open' AND author=?", agent)
        if mine:
            raise Refused(f"your wave {mine[0].id} is not answered yet.", "Wait for it, then ask for the next.", 409)
    elif cells > grid.ASK and not sure:
        raise Refused(f"{told}.", "Say it again with --yes if you mean it. " + fewer, 409)


def _allowed(w: World, agent: Agent, base: Experiment, factors: Sequence[grid.Factor]) -> None:
    """Raises Refused when a value breaks a constraint of the agent's program."""
    rules = program.rules_of(w, agent).constraints
    if not rules:
        return
    path, source = submit.constants_file(w, base.id)
    given = constants(w.hub.read(w.commit_of(w.campaign.baseline or ""), path).decode(errors="replace"))
    gpu = any(not slot.devices.startswith("cpu") for slot in w.slots())
    for factor in factors:
        for text in factor.levels:
            after = constants(with_values(source, {factor.name: text}))
            if said := constraints.broken(rules, given, constants(source), after, gpu):
                raise Refused(f"the program forbids it: {'; '.join(said[:3])}.", "Leave that value out.")


def _queue(w: World, number: int, kind: str, base: str, factors: Sequence[grid.Factor]) -> None:
    """All cells. Inside the caller's transaction."""
    last = int(w.ledger.next_experiment()[1:])
    of = "const" if kind == "constants" or all(w.ledger.experiment(f.name).kind == "const" for f in factors) else "code"
    for levels, same in grid.cells(factors):
        ident = base
        if not same:
            text = f"{grid.told(factors, levels)} (wave {number} on {base})"
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


# --- measuring ----------------------------------------------------------------------------------------------------


def members(w: World, e: Experiment) -> list[str]:
    """Experiments whose changes it puts together: of a stack, or of a cell."""
    if e.origin != "wave":
        return [str(name) for name in json.loads(e.stack_of or "[]")]
    levels = w.ledger.value("SELECT levels FROM cells WHERE experiment=?", e.id)
    return [name for name, level in json.loads(levels).items() if level == grid.IN]


def files_of(w: World, e: Experiment) -> dict[str, bytes] | Conflict:
    """The editable files of a cell: the base's, with its values or changes put in."""
    assert e.base is not None
    row = w.ledger.rows("SELECT wave, levels FROM cells WHERE experiment=?", e.id)[0]
    (wave,) = _waves(w, "AND id=?", row[0])
    levels = json.loads(row[1])
    onto = w.commit_of(e.base)
    if wave.kind == "constants":
        path, source = submit.constants_file(w, e.base)
        there = {p: w.hub.read(onto, p) for p in w.task.edit if p in w.hub.paths(onto)}
        return {**there, path: with_values(source, levels).encode()}
    return together(w, members(w, e), e.base, f"{e.id}: {e.description}")


def together(w: World, members: Sequence[str], base: str, message: str) -> dict[str, bytes] | Conflict:
    """The editable files of `base` with these experiments' changes, one after another; the first that does not fit."""
    at = w.commit_of(base)
    for name in members:
        member = w.ledger.experiment(name)
        assert member.parent is not None and member.commit is not None
        files = replay(w.hub, w.commit_of(member.parent), member.commit, at, w.task.edit)
        if isinstance(files, Conflict):
            return Conflict(files.path, f"{name} does not fit")
        at = w.hub.commit(files, at, message[:2000])
    return {p: w.hub.read(at, p) for p in w.task.edit if p in w.hub.paths(at)}


# --- answering ----------------------------------------------------------------------------------------------------


def review(w: World) -> bool:
    """Ask for the repeats that are due, and answer the waves of which all is measured. Returns whether anything changed."""
    did = False
    for wave in _waves(w, "AND state='open'"):
        states = _states(w, wave)
        if any(stage != "done" for _, stage, _, _ in states):
            continue
        stopped = _was_stopped(w, wave)
        if not stopped and _repeat(w, wave, [e for e, _, word, same in states if word in MEASURED and not same]):
            did = True
        elif not _measuring(w, {e for e, *_ in states}):
            _finish(w, wave, "stopped" if stopped else "done")
            did = True
    return did


def _was_stopped(w: World, wave: Wave) -> bool:
    sql = "SELECT 1 FROM events WHERE campaign=? AND kind='grid' AND json_extract(data, '$.stopped')=?"
    return w.ledger.value(sql, w.campaign.id, wave.id) is not None


def _states(w: World, wave: Wave) -> list[tuple[str, str, str | None, str | None]]:
    """Experiment, stage, verdict, measured as which other one: of each cell but the base."""
    sql = (
        "SELECT e.id, e.stage, e.verdict, e.same_as FROM cells c JOIN experiments e ON e.id=c.experiment "
        "WHERE c.wave=? AND e.id!=? ORDER BY c.rowid"
    )
    return [(str(e), str(stage), word, same) for e, stage, word, same in w.ledger.rows(sql, wave.id, wave.base)]


def _repeat(w: World, wave: Wave, cells: Sequence[str]) -> bool:
    """The runs that the cells lack, all at once."""
    if wave.repeats == 1:
        return False
    sql = "SELECT COUNT(*) FROM runs WHERE experiment=? AND purpose IN ('screen','reference') AND status!='cancelled'"
    lacking = [(e, n) for e in cells if (n := wave.repeats - int(w.ledger.value(sql, e))) > 0]
    with w.ledger.tx():
        for ident, n in lacking:
            for _ in range(n):
                w.ledger.add_run(ident, "reference", w.home, w.key(w.home), w.now)
    return bool(lacking)


def _measuring(w: World, cells: set[str]) -> bool:
    return any(r.purpose == "reference" and r.experiment in cells for r in w.ledger.open_runs("queued", "running"))


def _finish(w: World, wave: Wave, state: str) -> None:
    found = _answer(w, wave)
    with w.ledger.tx():
        w.ledger.change("waves", {"id": wave.id}, state=state, answer=json.dumps(found), ended=w.now)
        text = " ".join(line.strip() for line in found["text"])
        w.say("wave", wave.author or "you", found["best"], wave=wave.id, text=text, state=state)
        house.note(w, text)


def _answer(w: World, wave: Wave) -> dict[str, Any]:
    """What the cells say, as plain data; scores as the training prints them. `text`: the same in a few lines."""
    factors, cells, shown, missing = wave.of, [], [], []
    for ident, levels in w.ledger.rows("SELECT experiment, levels FROM cells WHERE wave=? ORDER BY rowid", wave.id):
        at = tuple(f.levels.index(json.loads(levels)[f.name]) for f in factors)
        e = w.ledger.experiment(ident)
        counted = e.same_as or (e.base if e.verdict == "answered" else None) or e.id
        losses = w.beliefs.losses(counted, w.home)
        if losses:
            cells.append(Cell(at, sum(losses) / len(losses), len(losses)))
            shown.append(counted)
        else:
            missing.append({"cell": grid.told(factors, at), "experiment": ident, "why": e.verdict or "not measured"})
    noise = w.beliefs.noise(w.home).sd
    found = analyse([len(f.levels) for f in factors], cells, noise)
    p, kept = None, None
    if found.best is not None:
        base = w.beliefs.of(wave.base, w.home)
        p = p_less(found.cells[found.best], base) if base and shown[found.best] != wave.base else None
        kept = w.ledger.experiment(shown[found.best]).verdict
    facts = Facts(wave.id, wave.base, wave.kind, tuple(factors), w.task.metric.name, w.sign, noise, p, kept)
    return answer(facts, cells, shown, missing, found)


def close(w: World) -> None:
    """The campaign is over: what is open is answered with what there is. To be called in a transaction."""
    for wave in _waves(w, "AND state='open'"):
        _finish(w, wave, "stopped")


def stop(w: World, number: int, agent: str | None = None) -> dict[str, Any]:
    """Measure no more of a wave: what runs finishes, then it is answered with what there is.

    Raises Refused for another agent's wave, KeyError where there is none.
    """
    found = next(iter(_waves(w, "AND id=?", number)), None)
    if found is None:
        raise KeyError(f"wave {number}")
    if agent is not None and found.author != agent:
        raise Refused(f"wave {number} is not yours.", "Only who asked for it, or a person, stops it.", 403)
    dropped = 0
    if found.state == "open":
        with w.ledger.tx():
            states = _states(w, found)
            for ident, stage, _, _ in states:
                if stage == "queued":
                    w.set_experiment(
                        ident, stage="done", verdict="cancelled", reason="its wave was stopped", judged_at=w.now
                    )
                    dropped += 1
            mine = {e for e, *_ in states}
            for run in w.ledger.open_runs("queued"):
                if run.purpose == "reference" and run.experiment in mine:
                    w.ledger.change("runs", {"id": run.id}, status="cancelled", ended=w.now)
                    dropped += 1
            w.say("grid", agent or "you", found.base, stopped=number)
        review(w)
    state = w.ledger.value("SELECT state FROM waves WHERE id=?", number)
    return {"wave": number, "state": state, "dropped": dropped}
