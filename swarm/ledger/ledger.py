"""The writer's side of the ledger: every statement that changes it, and what the coordinator asks of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from swarm.ledger.connection import open_writer
from swarm.research.experiment import Agent, Campaign, Event, Experiment, Promotion, Run, Slot

T = TypeVar("T")
TABLES: dict[type, str] = {
    Agent: "agents", Campaign: "campaigns", Event: "events", Experiment: "experiments",
    Promotion: "promotions", Run: "runs", Slot: "slots",
}  # fmt: skip
COLUMNS: dict[type, str] = {}


def columns(kind: type) -> str:
    """The quoted column list of a record."""
    if kind not in COLUMNS:
        COLUMNS[kind] = ", ".join(f'"{f.name}"' for f in fields(kind))
    return COLUMNS[kind]


class Ledger:
    """The one writer. Everything inside `with ledger.tx():` is durable together, or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = open_writer(path)
        self._depth = 0

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def tx(self) -> Iterator[None]:
        """One transaction; an inner one joins the outer."""
        if self._depth == 0:
            self.db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0 and self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            try:
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    # --- the two statements everything is made of -------------------------------------------------------------

    def add(self, table: str, **values: Any) -> int:
        """Insert a row and return its rowid."""
        names = ", ".join(f'"{n}"' for n in values)
        marks = ", ".join("?" * len(values))
        return int(
            self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())).lastrowid or 0
        )

    def change(self, table: str, where: Mapping[str, Any], **values: Any) -> int:
        """Update the rows that match and return how many did."""
        sets = ", ".join(f'"{n}"=?' for n in values)
        keys = " AND ".join(f'"{n}"=?' for n in where)
        return self.db.execute(f"UPDATE {table} SET {sets} WHERE {keys}", (*values.values(), *where.values())).rowcount

    def all(self, kind: type[T], tail: str = "", *args: Any) -> list[T]:
        """Records whose query ends with `tail`, e.g. `WHERE campaign=? ORDER BY id`."""
        cursor = self.db.execute(f"SELECT {columns(kind)} FROM {TABLES[kind]} {tail}", args)
        return [kind(*row) for row in cursor]

    def one(self, kind: type[T], tail: str, *args: Any) -> T | None:
        cursor = self.db.execute(f"SELECT {columns(kind)} FROM {TABLES[kind]} {tail} LIMIT 1", args)
        row = cursor.fetchone()
        return kind(*row) if row else None

    def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.db.execute(sql, args).fetchone()
        return row[0] if row else None

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(sql, args).fetchall()

    def mark(self) -> int | None:
        """Another number after every change: what was read under the same one is still so. None inside a transaction."""
        return None if self.db.in_transaction else self.db.total_changes

    # --- by name ----------------------------------------------------------------------------------------------

    def campaign(self) -> Campaign | None:
        """The newest campaign."""
        return self.one(Campaign, "ORDER BY id DESC")

    def klass(self, accelerator: str, torch: str, budget: str) -> int:
        """The id of a hardware class, made at first sight."""
        found = self.value(
            "SELECT id FROM classes WHERE accelerator=? AND torch=? AND budget=?", accelerator, torch, budget
        )
        return int(found or self.add("classes", accelerator=accelerator, torch=torch, budget=budget))

    def experiment(self, ident: str) -> Experiment:
        """Raises KeyError when there is none."""
        found = self.one(Experiment, "WHERE id=?", ident)
        if found is None:
            raise KeyError(ident)
        return found

    def next_experiment(self) -> str:
        last = self.value("SELECT MAX(CAST(SUBSTR(id, 2) AS INTEGER)) FROM experiments")
        return f"e{(last or 0) + 1:04d}"

    def next_bound(self) -> int:
        return int(self.value("SELECT COALESCE(MAX(bound), 0) + 1 FROM experiments"))

    def run(self, ident: int) -> Run:
        """Raises KeyError when there is none."""
        found = self.one(Run, "WHERE id=?", ident)
        if found is None:
            raise KeyError(ident)
        return found

    def add_run(
        self, experiment: str, purpose: str, klass: int | None, key: str | None, now: float, seed: int | None = None
    ) -> int:
        """Queue a run. Without a `seed` it has one that no other run of the ledger has."""
        ident = int(self.value("SELECT COALESCE(MAX(id), 0) + 1 FROM runs"))
        return self.add(
            "runs", id=ident, experiment=experiment, purpose=purpose, seed=ident if seed is None else seed, klass=klass, key=key,
            status="queued", queued=now,
        )  # fmt: skip

    def open_runs(self, *status: str) -> list[Run]:
        """Runs queued or running, or only those of one status. The literal list is what lets the partial index be used."""
        marks = ", ".join("?" * len(status))
        return self.all(Run, f"WHERE status IN ('queued','running') AND status IN ({marks}) ORDER BY id", *status)

    def agent(self, campaign: int, name: str) -> Agent | None:
        return self.one(Agent, "WHERE campaign=? AND name=?", campaign, name)

    def say(
        self, campaign: int, at: float, kind: str, agent: str | None, experiment: str | None, data: Mapping[str, Any]
    ) -> int:
        """Record an event and return its number."""
        return self.add(
            "events", campaign=campaign, at=at, kind=kind, agent=agent, experiment=experiment,
            data=json.dumps(data, ensure_ascii=False),
        )  # fmt: skip

    def figure(self, campaign: int, name: str) -> Any:
        """What was computed last for screens; None when nothing was."""
        text = self.value("SELECT value FROM figures WHERE campaign=? AND name=?", campaign, name)
        return None if text is None else json.loads(text)

    def set_figure(self, campaign: int, name: str, value: Any, at: float) -> None:
        self.db.execute(
            "INSERT INTO figures (campaign, name, value, at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (campaign, name) DO UPDATE SET value=excluded.value, at=excluded.at",
            (campaign, name, json.dumps(value), at),
        )

    def forget_words(self, experiment: str) -> None:
        """No recall finds this experiment (its row and all of it stay)."""
        self.db.execute("DELETE FROM words WHERE rowid=?", (2 * int(experiment[1:]),))

    def set_ref(self, name: str, commit: str) -> None:
        self.db.execute(
            'INSERT INTO refs (name, "commit") VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "commit"=excluded."commit"',
            (name, commit),
        )

    def drop_ref(self, name: str) -> None:
        """Say no longer where a ref belongs (the hub keeps its own)."""
        self.db.execute("DELETE FROM refs WHERE name=?", (name,))

    def refs(self) -> dict[str, str]:
        return dict(self.db.execute('SELECT name, "commit" FROM refs'))


Error = sqlite3.Error
