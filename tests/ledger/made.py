"""A ledger as a night of work leaves it, written by plain SQL. For tests of whatever reads one."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

START = 1_763_676_000.0  # an evening in November
SD = 0.0017
TASK = {"task": {"path": "/home/ada/autoresearch", "run": "python train.py"}, "policy": {}}
IDEAS = ("norm before rotary", "MATRIX_LR 0.04→0.028", "MLP 5×", "batch 2^17", "WD 0.2→0.05", "label smoothing", "GQA")


def connect(path: Path) -> sqlite3.Connection:
    """An empty ledger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    for name in ("schema.sql", "version2.sql"):
        db.executescript(resources.files("swarm.ledger").joinpath(name).read_text())
    db.execute("PRAGMA user_version=2")
    return db


def add(db: sqlite3.Connection, table: str, **values: Any) -> int:
    names = ", ".join(f'"{n}"' for n in values)
    marks = ", ".join("?" * len(values))
    return int(db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())).lastrowid or 0)


@dataclass
class Night:
    """Writes a campaign: baseline, then experiments of the agents in turn, some confirmed and promoted."""

    db: sqlite3.Connection
    agents: int = 4
    sign: float = 1.0
    patch: str = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-MATRIX_LR = 0.04\n+MATRIX_LR = 0.028\n"
    seconds: float = 325.0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    campaign: int = 1
    now: float = START
    runs: int = 0
    count: int = 0
    best: str = "e0001"
    tips: dict[str, str] = field(default_factory=dict)
    values: dict[str, tuple[float, float]] = field(default_factory=dict)  # loss estimate and variance

    def begin(self, device: str = "GPU", accelerator: str = "NVIDIA H100 80GB HBM3") -> None:
        rule = {"hours": 10.0, "until": None, "experiments": None, "usd": 60.0}
        ending = {"hours": 10.0, "until_at": None, "experiments": None, "usd": 60.0}
        better = "lower" if self.sign > 0 else "higher"
        add(self.db, "campaigns", id=self.campaign, name="nov20", task=json.dumps(TASK), state="baseline", metric="val_bpb",
            stop=json.dumps({"rule": rule, "ending": ending, "since": START, "done": 0}), better=better, created=START)  # fmt: skip
        add(self.db, "classes", id=1, accelerator=accelerator, torch="2.13.0", budget="wall:300")
        for n in range(self.agents):
            name = f"gpu{n}-{('claude', 'codex')[n % 2]}"
            devices = f"GPU-{n:08x}" if device == "GPU" else f"cpu:{n}"
            add(
                self.db,
                "slots",
                id=str(n),
                campaign=self.campaign,
                klass=1,
                devices=devices,
                agent=name,
                free_since=None,
            )
            add(self.db, "agents", name=name, campaign=self.campaign, kind=name.split("-")[1], state="thinking",
                base="e0001", tip="e0001", created=START)  # fmt: skip
            self.tips[name] = "e0001"
        self.say("spawned", agents=list(self.tips), slots=[str(n) for n in range(self.agents)])
        self._baseline()

    def _baseline(self) -> None:
        self.count = 1
        self.experiment("e0001", None, "as given", origin="baseline", kind="code", lines=0, patch=None)
        scores = [0.9981 + (n - (self.agents - 1) / 2) * 0.001 for n in range(self.agents)]
        for n, score in enumerate(scores):
            self.run("e0001", "baseline", score, str(n))
        self.now += self.seconds
        self.measured("e0001", sum(scores) / len(scores), SD * SD / len(scores), len(scores))
        self.db.execute("UPDATE campaigns SET state='searching', searching=?, best='e0001', baseline='e0001' WHERE id=?",
                        (self.now, self.campaign))  # fmt: skip
        self.say("baseline", None, "e0001", score=0.9981 * self.sign, sd=SD, runs=self.agents)

    def say(self, kind: str, agent: str | None = None, experiment: str | None = None, **data: Any) -> None:
        add(self.db, "events", campaign=self.campaign, at=self.now, kind=kind, agent=agent, experiment=experiment,
            data=json.dumps(data))  # fmt: skip

    def experiment(self, ident: str, parent: str | None, description: str, **more: Any) -> None:
        values: dict[str, Any] = {
            "agent": None, "origin": "submit", "kind": "const", "stage": "done", "lines": 0, "patch": self.patch,
            "commit": f"{int(ident[1:]) * 2654435761 % 2**32:08x}" * 5, "tree": f"tree-{ident}", "key": "k", "klass": 1,
        }  # fmt: skip
        values |= more
        add(self.db, "experiments", id=ident, campaign=self.campaign, description=description, parent=parent, base=parent,
            created=self.now, bound=int(ident[1:]), bound_at=self.now, **values)  # fmt: skip

    def measured(self, ident: str, loss: float, variance: float, n: int) -> None:
        """What is believed of an experiment: `loss` is the mean of its runs, shrunk here like the coordinator does."""
        parent = self.db.execute("SELECT parent FROM experiments WHERE id=?", (ident,)).fetchone()[0]
        m, v = loss, variance
        if parent in self.values:
            pm, pv = self.values[parent]
            weight = (pv + SD * SD) / (pv + SD * SD + variance)
            m, v = pm + weight * (loss - pm), weight * variance
        self.values[ident] = (m, v)
        self.db.execute(
            "UPDATE experiments SET runs=?, raw=?, estimate=?, stderr=?, judged_at=?, steps=953, params_m=50.3, "
            "peak_vram_mb=45060.2, tokens_s=1.6e6 WHERE id=?", (n, self.sign * loss, self.sign * m, v**0.5, self.now, ident)
        )  # fmt: skip

    def run(self, experiment: str, purpose: str, loss: float | None, slot: str, **more: Any) -> int:
        self.runs += 1
        values: dict[str, Any] = {
            "status": "crashed" if loss is None else "finished", "score": None if loss is None else self.sign * loss,
            "ended": self.now + self.seconds, "seconds": self.seconds, "training_s": 300.1, "attempt": 1,
            "started": self.now,
        } | more  # fmt: skip
        add(self.db, "runs", id=self.runs, experiment=experiment, purpose=purpose, seed=self.runs, slot=slot, klass=1, key="k",
            queued=self.now, **values)  # fmt: skip
        add(self.db, "attempts", run=self.runs, n=1, slot=slot, boot_id="b", started=values["started"], ended=values["ended"],
            outcome=values["status"] if values["ended"] else None)  # fmt: skip
        return self.runs

    def round(self) -> None:
        """Every agent measures one idea."""
        began = self.now
        for slot, agent in enumerate(self.tips):
            self.count += 1
            self._idea(f"e{self.count:04d}", agent, str(slot))
            self.now = began
        self.now = began + self.seconds + 5

    def _idea(self, ident: str, agent: str, slot: str) -> None:
        parent = self.tips[agent]
        description = IDEAS[self.dice.randrange(len(IDEAS))]
        kind = "code" if self.dice.random() < 0.4 else "const"
        self.experiment(
            ident, parent, description, agent=agent, kind=kind, lines=self.dice.randint(-9, 21) if kind == "code" else 0
        )
        if self.dice.random() < 0.06:
            self.run(ident, "screen", None, slot, reason="oom\nCUDA out of memory")
            self.now += self.seconds
            self._judge(ident, agent, "crash", None, "oom\nCUDA out of memory")
            return
        m, v = self.values[parent]
        loss = m + self.dice.gauss(0.001, 0.002)
        self.run(ident, "screen", loss, slot)
        self.now += self.seconds
        self.measured(ident, loss, SD * SD, 1)
        p = 0.5 + max(-0.49, min(0.49, (m - loss) / 0.008))
        self.db.execute("UPDATE experiments SET parent_m=?, parent_v=? WHERE id=?", (self.sign * m, v, ident))
        self._judge(ident, agent, "keep" if p >= 0.5 else "discard", p, "")
        if p >= 0.5:
            self.tips[agent] = ident
            self.db.execute("UPDATE agents SET tip=?, base=? WHERE name=?", (ident, ident, agent))
            if self.values[ident][0] < self.values[self.best][0] - 0.001:
                self.confirm(ident, agent, slot, loss)

    def _judge(self, ident: str, agent: str, verdict: str, p: float | None, reason: str) -> None:
        self.db.execute("UPDATE experiments SET verdict=?, p_better=?, reason=?, judged_at=? WHERE id=?",
                        (verdict, p, reason or None, self.now, ident))  # fmt: skip
        self.say("judged", agent, ident, verdict=verdict, p=p, delta=None, reason=reason)

    def confirm(self, ident: str, agent: str, slot: str, loss: float) -> None:
        """One more run; then best, or it did not hold."""
        again = loss + abs(self.dice.gauss(0, 0.0015))
        self.run(ident, "confirm", again, slot)
        self.measured(ident, (loss + again) / 2, SD * SD / 2, 2)
        if self.values[ident][0] >= self.values[self.best][0]:
            self.db.execute("UPDATE experiments SET dropped=1 WHERE id=?", (ident,))
            self.say("not-held", agent, ident, p=0.2, n=2)
            return
        add(
            self.db,
            "promotions",
            campaign=self.campaign,
            experiment=ident,
            previous=self.best,
            by="confirmation",
            p=0.8,
            at=self.now,
        )
        self.say("promoted", None, ident, previous=self.best, by="confirmation", p=0.8)
        self.best = ident
        self.db.execute("UPDATE campaigns SET best=? WHERE id=?", (ident, self.campaign))


def made(
    path: Path,
    experiments: int = 40,
    agents: int = 4,
    better: str = "lower",
    device: str = "GPU",
    patch: str | None = None,
) -> Night:
    """A campaign in full swing at `path`: `experiments` judged, its agents at work on the next ones."""
    db = connect(path)
    night = Night(db, agents, 1.0 if better == "lower" else -1.0)
    night.patch = patch if patch is not None else night.patch
    db.execute("BEGIN")
    night.begin(device, "NVIDIA H100 80GB HBM3" if device == "GPU" else "AMD EPYC 7B12")
    while night.count <= experiments:
        night.round()
    db.execute("COMMIT")
    return night
