"""waves: the cells of a factorial that somebody asked for (see grid.py), measured and answered as one question.

A cell is an experiment of the house on the wave's base. What the base has already costs no run. Everything is in the
ledger: a coordinator that was killed goes on where the rows are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swarm.coordinator import house, submit
from swarm.coordinator.world import World
from swarm.repo import Conflict, replay
from swarm.research import grid
from swarm.research.answer import Facts, answer
from swarm.research.constants import with_values
from swarm.research.experiment import Experiment
from swarm.research.factorial import Cell, analyse
from swarm.research.judging import p_less

MEASURED = ("keep", "discard")
TOLD = 4000  # characters of an answer in one line


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


def waves(w: World, tail: str, *args: Any) -> list[Wave]:
    """Rows of this campaign whose query ends with `tail`."""
    sql = f"SELECT {COLUMNS} FROM waves WHERE campaign=? {tail} ORDER BY id"
    return [Wave(*row) for row in w.ledger.rows(sql, w.campaign.id, *args)]


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
    (wave,) = waves(w, "AND id=?", row[0])
    levels = json.loads(row[1])
    onto = w.commit_of(e.base)
    if wave.kind == "constants":
        path, source = submit.constants_file(w, e.base)
        there = {p: w.hub.read(onto, p) for p in w.task.edit if p in w.hub.paths(onto)}
        try:
            return {**there, path: with_values(source, levels).encode()}
        except (KeyError, ValueError) as error:
            return Conflict(path, str(error))
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
    for wave in waves(w, "AND state='open'"):
        cells = states(w, wave)
        if any(stage != "done" for _, stage, _, _ in cells):
            continue
        stopped = _was_stopped(w, wave)
        if not stopped and _repeat(w, wave, [e for e, _, word, same in cells if word in MEASURED and not same]):
            did = True
        elif not _measuring(w, {e for e, *_ in cells}):
            _finish(w, wave, "stopped" if stopped else "done")
            did = True
    return did


def _was_stopped(w: World, wave: Wave) -> bool:
    sql = "SELECT 1 FROM events WHERE campaign=? AND kind='grid' AND json_extract(data, '$.stopped')=?"
    return w.ledger.value(sql, w.campaign.id, wave.id) is not None


def states(w: World, wave: Wave) -> list[tuple[str, str, str | None, str | None]]:
    """Experiment, stage, verdict, measured as which other one: of each cell but the base."""
    sql = (
        "SELECT e.id, e.stage, e.verdict, e.same_as FROM cells c JOIN experiments e ON e.id=c.experiment "
        "WHERE c.wave=? AND e.id!=? ORDER BY c.rowid"
    )
    return [(str(e), str(stage), word, same) for e, stage, word, same in w.ledger.rows(sql, wave.id, wave.base)]


def _repeat(w: World, wave: Wave, cells: Sequence[str]) -> bool:
    """The runs that the cells lack, all at once."""
    if wave.repeats == 1 or w.campaign.state != "searching":
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
        text = " ".join(line.strip() for line in found["text"])[:TOLD]
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
    for wave in waves(w, "AND state='open'"):
        _finish(w, wave, "stopped")
