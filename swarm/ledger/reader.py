"""The reader's side of the ledger: what screens ask. Read-only, by index, also while the coordinator writes."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from swarm.errors import SwarmError
from swarm.ledger.connection import open_reader
from swarm.ledger.ledger import TABLES, columns
from swarm.research import hardware
from swarm.research.experiment import (
    PURPOSES,
    VERDICTS,
    Agent,
    Campaign,
    Event,
    Experiment,
    HardwareClass,
    Promotion,
    Run,
    Slot,
)

T = TypeVar("T")
RANKED = "(verdict='keep' OR origin='baseline' OR id=?)"
OPEN = "experiments INDEXED BY experiments_by_stage"  # few of many: the planner does not know
NUMBER = re.compile(r"e?0*(\d+)")
HEX = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Tally:
    """How many experiments of an agent got a verdict (None: not judged, or the baseline)."""

    verdict: str | None
    agent: str | None
    count: int


class Reader:
    """A read-only view of one ledger file. Usable in a `with`; raises SwarmError when there is nothing to read."""

    def __init__(self, path: Path) -> None:
        self.db = open_reader(path)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Everything read inside is of one moment."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            self.db.execute("COMMIT")

    def all(self, kind: type[T], tail: str = "", *args: Any) -> list[T]:
        """Records whose query ends with `tail`."""
        return [kind(*row) for row in self.db.execute(f"SELECT {columns(kind)} FROM {_table(kind)} {tail}", args)]

    def one(self, kind: type[T], tail: str, *args: Any) -> T | None:
        found = self.all(kind, f"{tail} LIMIT 1", *args)
        return found[0] if found else None

    def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.db.execute(sql, args).fetchone()
        return row[0] if row else None

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(sql, args).fetchall()

    # --- rows -------------------------------------------------------------------------------------------------

    def campaign(self) -> Campaign:
        """The newest campaign (0 holds what was imported). Raises SwarmError when there is none."""
        found = self.one(Campaign, "WHERE id>0 ORDER BY id DESC")
        if found is None:
            raise SwarmError("nothing recorded here yet.", "Start one: swarm spawn --gpus 8 --agents tuner")
        return found

    def experiment(self, ident: str) -> Experiment | None:
        return self.one(Experiment, "WHERE id=?", ident)

    def runs(self, experiment: str) -> list[Run]:
        return self.all(Run, "WHERE experiment=? ORDER BY id", experiment)

    def children(self, experiment: str, most: int = 12) -> list[str]:
        """What was built on it, the oldest first."""
        return [i for (i,) in self.db.execute("SELECT id FROM experiments WHERE parent=? LIMIT ?", (experiment, most))]

    def flags(self, experiment: str) -> list[tuple[str, str]]:
        """Who had doubts about an experiment, and why; the oldest first."""
        campaign = self.value("SELECT campaign FROM experiments WHERE id=?", experiment)
        sql = (
            "SELECT agent, json_extract(data, '$.why') FROM events WHERE campaign=? AND kind='flagged' AND experiment=? "
            "ORDER BY seq LIMIT 10"
        )
        return [(str(who), str(why)) for who, why in self.rows(sql, campaign, experiment)]

    def figure(self, campaign: int, name: str) -> Any:
        """What the coordinator computed last under this name; None where it did not."""
        text = self.value("SELECT value FROM figures WHERE campaign=? AND name=?", campaign, name)
        return None if text is None else json.loads(text)

    def going(self, campaign: int) -> list[tuple[Run, str | None]]:
        """Runs that are under way, the control's too, with the agent whose experiment it is."""
        runs = self.all(Run, "WHERE status IN ('queued','running') AND status='running' ORDER BY id")
        found = (
            (run, self.rows("SELECT agent, campaign FROM experiments WHERE id=?", run.experiment)[0]) for run in runs
        )
        return [(run, agent) for run, (agent, its) in found if abs(its) == campaign]

    def waiting(self, campaign: int) -> dict[str | None, int]:
        """How many changes of each agent are queued and not yet bound."""
        sql = f"SELECT agent, COUNT(*) FROM {OPEN} WHERE campaign=? AND stage!='done' AND stage='queued' GROUP BY agent"
        return dict(self.db.execute(sql, (campaign,)))

    def rebasing(self, campaign: int) -> set[str]:
        """Agents whose own changes are being measured again on top of best."""
        sql = f"SELECT agent FROM {OPEN} WHERE campaign=? AND stage!='done' AND rebase_onto IS NOT NULL"
        return {str(agent) for (agent,) in self.db.execute(sql, (campaign,))}

    def agents(self, campaign: int) -> list[Agent]:
        return self.all(Agent, "WHERE campaign=? ORDER BY rowid", campaign)

    def slots(self, campaign: int) -> list[Slot]:
        return self.all(Slot, "WHERE campaign=? ORDER BY CAST(id AS INTEGER), id", campaign)

    def promotions(self, campaign: int) -> list[Promotion]:
        return self.all(Promotion, "WHERE campaign=? ORDER BY id", campaign)

    def klass(self, ident: int | None) -> HardwareClass | None:
        return self.one(HardwareClass, "WHERE id=?", ident)

    def events(self, campaign: int, kinds: tuple[str, ...] = (), newest: int = 50, after: int = 0) -> list[Event]:
        """The newest events (of these kinds) after number `after`, in order."""
        if not kinds:
            found = self.all(Event, "WHERE seq>? AND campaign=? ORDER BY seq DESC LIMIT ?", after, campaign, newest)
            return found[::-1]
        found = []
        for kind in kinds:  # each by its index
            where = "WHERE campaign=? AND kind=? AND seq>? ORDER BY seq DESC LIMIT ?"
            found += self.all(Event, where, campaign, kind, after, newest)
        return sorted(found, key=lambda e: e.seq)[-newest:]

    # --- sums -------------------------------------------------------------------------------------------------

    def home(self, campaign: int) -> int | None:
        """The hardware class that judges best: the one that the campaign names, else the one with the most slots."""
        sql = "SELECT s.klass, c.accelerator, COUNT(*) FROM slots s JOIN classes c ON c.id=s.klass WHERE s.campaign=? GROUP BY s.klass"
        named = self.value("SELECT json_extract(task, '$.policy.confirm_on') FROM campaigns WHERE id=?", campaign)
        return hardware.home(self.rows(sql, campaign), named)

    def top(
        self, campaign: Campaign, klass: int | None, n: int, raw: bool = False, everything: bool = False
    ) -> list[Experiment]:
        """The first `n` kept experiments (or all measured ones) of a class, best first by estimate or by raw score."""
        by = "raw" if raw else "estimate"
        order = "ASC" if campaign.better == "lower" else "DESC"
        which = "1 OR id=?" if everything else RANKED
        where = f"WHERE campaign=? AND estimate IS NOT NULL AND klass IS ? AND origin NOT IN ('imported','blank') AND ({which})"
        return self.all(
            Experiment, f"{where} ORDER BY {by} {order}, bound LIMIT ?", campaign.id, klass, campaign.best, n
        )  # fmt: skip

    def tallies(self, campaign: int) -> list[Tally]:
        sql = "SELECT verdict, agent, COUNT(*) FROM experiments WHERE campaign=? GROUP BY verdict, agent"
        return [Tally(*row) for row in self.db.execute(sql, (campaign,))]

    def verdicts(self, campaign: int) -> dict[str, int]:
        """How many experiments got each verdict. Three seeks and a count each: a third of what grouping them takes."""
        sql = "SELECT COUNT(*) FROM experiments WHERE campaign=? AND verdict=?"
        found = {verdict: int(self.value(sql, campaign, verdict)) for verdict in VERDICTS}
        return {verdict: count for verdict, count in found.items() if count}

    def best_of(self, campaign: Campaign, agent: str) -> float | None:
        """The best estimate among what an agent keeps."""
        best = "MIN" if campaign.better == "lower" else "MAX"
        sql = f"SELECT {best}(estimate) FROM experiments WHERE campaign=? AND verdict='keep' AND agent=?"
        found = self.value(sql, campaign.id, agent)
        return None if found is None else float(found)

    def real(self, campaign: int) -> float:
        """How many kept experiments are expected to be really better than their parents: the sum of their P."""
        sql = "SELECT TOTAL(p_better) FROM experiments WHERE campaign=? AND verdict='keep'"
        return float(self.value(sql, campaign))

    def repeats(self, campaign: Campaign, klass: int | None) -> list[list[float]]:
        """The scores of each experiment that was measured more than once in a class."""
        groups: dict[str, list[float]] = {}
        again = "SELECT experiment FROM runs WHERE purpose!='screen' AND queued>=? AND queued<=?"
        sql = f"SELECT experiment, score FROM runs WHERE status='finished' AND klass IS ? AND experiment IN ({again})"
        for ident, score in self.db.execute(sql, (klass, campaign.created, _until(campaign))):
            groups.setdefault(ident, []).append(score)
        return [scores for scores in groups.values() if len(scores) > 1]

    def measured(self, campaign: Campaign) -> dict[str, int]:
        """Runs that are over with a result (a crash is one), by purpose. Campaigns of a ledger follow one another."""
        sql = (
            "SELECT COUNT(*) FROM runs WHERE status IN ('finished','crashed') AND purpose=? AND queued>=? AND queued<=?"
        )
        found = {p: int(self.value(sql, p, campaign.created, _until(campaign))) for p in PURPOSES}
        its = self._of_control(campaign)
        if its:
            found = {purpose: count - its.get(purpose, 0) for purpose, count in found.items()} | {
                "control": sum(its.values())
            }
        return {purpose: count for purpose, count in found.items() if count}

    def _of_control(self, campaign: Campaign) -> dict[str, int]:
        """The runs of the control among them."""
        sql = (
            "SELECT r.purpose, COUNT(*) FROM experiments e JOIN runs r ON r.experiment=e.id WHERE e.campaign=? "
            "AND r.status IN ('finished','crashed') GROUP BY r.purpose"
        )
        return dict(self.rows(sql, -campaign.id))

    def busy(self, campaign: Campaign, now: float) -> float:
        """Seconds of slots in use; of what still runs, until `now`."""
        sql = "SELECT SUM(MAX(0, MIN(COALESCE(ended, ?), ?) - started)) FROM attempts WHERE started>=? AND started<=?"
        return float(self.value(sql, now, now, campaign.created, _until(campaign)) or 0.0)

    def count(self, campaign: int, kind: str) -> int:
        """How often something happened."""
        return int(self.value("SELECT COUNT(*) FROM events WHERE campaign=? AND kind=?", campaign, kind))

    def usd(self, campaign: int) -> float | None:
        """What agents have cost so far; None when nobody said."""
        found = self.value("SELECT SUM(usd) FROM costs WHERE campaign=?", campaign)
        return None if found is None else float(found)

    def costs(self, campaign: int) -> dict[str, tuple[int, float | None]]:
        """Tokens and dollars of each agent that said."""
        sql = "SELECT agent, SUM(tokens), SUM(usd) FROM costs WHERE campaign=? GROUP BY agent"
        return {agent: (int(tokens or 0), usd) for agent, tokens, usd in self.db.execute(sql, (campaign,))}

    def curves(self, experiment: str) -> dict[int, list[tuple[float, float]]]:
        """By run: what the training loss was when a share of the budget was used. Only runs that printed it."""
        found: dict[int, list[tuple[float, float]]] = {}
        sql = "SELECT c.run, c.fraction, c.loss FROM runs r JOIN curves c ON c.run=r.id WHERE r.experiment=? ORDER BY 1, 2"
        for run, fraction, loss in self.db.execute(sql, (experiment,)):
            found.setdefault(run, []).append((fraction, loss))
        return found

    def cost(self, experiment: str) -> tuple[int, float | None]:
        """Tokens and dollars of the turns that an experiment came from."""
        row = self.db.execute("SELECT SUM(tokens), SUM(usd) FROM costs WHERE experiment=?", (experiment,)).fetchone()
        return int(row[0] or 0), row[1]

    def stuck(self, campaign: int) -> dict[str, tuple[int, float, bool]]:
        """Agents whose last turns brought nothing: how many, when they were told (or began afresh), and which of the two."""
        newest: dict[str, tuple[int, tuple[int, float, bool]]] = {}
        sql = (
            "SELECT agent, seq, at, json_extract(data, '$.turns'), json_extract(data, '$.fresh') FROM events "
            "WHERE campaign=? AND kind='stuck' ORDER BY seq"
        )
        for agent, seq, at, turns, fresh in self.db.execute(sql, (campaign,)):
            newest[agent] = (seq, (int(turns or 0), float(at), bool(fresh)))
        since = "SELECT 1 FROM events WHERE agent=? AND seq>? AND kind='submitted' LIMIT 1"
        return {a: told for a, (seq, told) in newest.items() if self.value(since, a, seq) is None}

    def standing_on(self, campaign: int, tip: str) -> str | None:
        """The nearest experiment at or above `tip` that was promoted (and not withdrawn); None: the baseline."""
        sql = """
            WITH RECURSIVE best(id) AS (SELECT experiment FROM promotions WHERE campaign=? AND withdrawn IS NULL),
            up(id, parent) AS (
                SELECT id, parent FROM experiments WHERE id=?
                UNION ALL
                SELECT e.id, e.parent FROM up JOIN experiments e ON e.id=up.parent WHERE up.id NOT IN best)
            SELECT id FROM up WHERE id IN best LIMIT 1"""
        found = self.value(sql, campaign, tip)
        return None if found is None else str(found)

    # --- for the picture --------------------------------------------------------------------------------------

    def dots(self, campaign: int, klass: int | None) -> list[tuple[float, str | None, str | None, float | None]]:
        """Judged experiments of a class in the order of their verdicts: when, agent, verdict, raw score (None: crashed)."""
        sql = (
            "SELECT judged_at, agent, verdict, CASE WHEN verdict='crash' THEN NULL ELSE raw END FROM experiments "
            "WHERE campaign=? AND klass IS ? AND judged_at IS NOT NULL AND verdict IN ('keep','discard','crash') ORDER BY judged_at"
        )
        return self.rows(sql, campaign, klass)

    def spent(self, campaign: Campaign) -> list[tuple[float, float]]:
        """When each attempt at a run ended, and the seconds that it held its slot; in order."""
        sql = "SELECT ended, MAX(0, ended-started) FROM attempts WHERE ended IS NOT NULL AND started>=? AND started<=? ORDER BY ended"
        return self.rows(sql, campaign.created, _until(campaign))

    # --- by name ----------------------------------------------------------------------------------------------

    def find(self, text: str) -> Experiment:
        """What a person means by e0231, 231, a commit or its first digits, `best`, `baseline` or an agent's branch.

        Raises SwarmError when there is no such thing, or more than one.
        """
        name = text.strip()
        found = self._named(name) or self._numbered(name) or self._committed(name.lower())
        if found is None:
            raise SwarmError(
                f"no experiment, commit or branch {name!r} in this swarm.", "Look for one: swarm leaderboard"
            )
        return found

    def _named(self, name: str) -> Experiment | None:
        campaign = self.campaign()
        if name in ("best", "baseline"):
            ident = campaign.best if name == "best" else campaign.baseline
            return self.experiment(ident) if ident else None
        agent = self.one(Agent, "WHERE campaign=? AND name=?", campaign.id, name.removeprefix("swarm/"))
        return self.experiment(agent.tip) if agent else None

    def _numbered(self, name: str) -> Experiment | None:
        match = NUMBER.fullmatch(name)
        return self.experiment(f"e{int(match[1]):04d}") if match and len(match[1]) < 10 else None

    def _committed(self, name: str) -> Experiment | None:
        """By the commit as measured, else as submitted. An experiment that was only answered gives way to the measured."""
        if not HEX.fullmatch(name):
            return None
        for column in ('"commit"', "submitted"):
            where = f"WHERE {column}>=? AND {column}<? ORDER BY {column}, same_as IS NOT NULL, rowid LIMIT 20"
            found = self.all(Experiment, where, name, name + "g")
            if len({e.commit if column == '"commit"' else e.submitted for e in found}) > 1:
                some = ", ".join(f"{(e.commit or '')[:10]} ({e.id})" for e in found[:4])
                raise SwarmError(f"more than one commit begins with {name}: {some}.", "Type more of it.")
            if found:
                return found[0]
        return None


def _until(campaign: Campaign) -> float:
    return campaign.ended if campaign.ended is not None else 1e12


def _table(kind: type) -> str:
    return "classes" if kind is HardwareClass else TABLES[kind]


Error = sqlite3.Error
