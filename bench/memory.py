"""What a group remembers and plans, in a big ledger: recall, what a submission is told, the backlog. Milliseconds.

    python -m bench.memory [ROUNDS [EXPERIMENTS [IDEAS]]]

A ledger of EXPERIMENTS (100,000) is written, whose changes are of 40 constants, each with others beside it in its diff, and
every fourth of code; with IDEAS (10,000), 2,000 notes and 40 pages. Then each question is asked ROUNDS (15) times, another
one each time, in this process: a command adds the start of an interpreter (bench.screens).
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.field import machine
from bench.season import AGENTS, PATCH, Rarer, Season
from swarm.coordinator import echo, idea
from swarm.coordinator.world import World
from swarm.ledger import backlog, echoes, search
from swarm.ledger.ledger import Ledger
from tests.ledger.made import add, connect

NAMES = [f"{a}_{b}" for a in ("MATRIX", "EMBED", "HEAD", "SCALAR", "WARM") for b in
         ("LR", "WD", "BETA", "INIT", "DECAY", "SCALE", "SHARE", "CLIP")]  # fmt: skip
VALUES = [round(0.001 * 1.3**n, 4) for n in range(24)]
WORDS = ("lower", "higher", "no", "twice the", "half the", "early", "late")


class Told(Season):
    """Experiments whose diffs and descriptions differ."""

    def experiment(self, ident: str, parent: str | None, description: str, **more: Any) -> None:
        if "origin" not in more:
            at = self.dice.randrange(len(NAMES))
            old, new = self.dice.sample(VALUES, 2)
            description = f"{self.dice.choice(WORDS)} {NAMES[at]}: {new}"
            self.patch = (
                changed(at, old, new, self.dice)
                if self.dice.random() < 0.75
                else PATCH.replace("gate", f"gate{self.count % 997}")
            )
        super().experiment(ident, parent, description, **more)


def changed(at: int, old: float, new: float, dice: random.Random) -> str:
    """A diff of one constant, with its neighbours as they stood."""
    near = [f" {NAMES[(at + n) % len(NAMES)]} = {dice.choice(VALUES)}\n" for n in (-2, -1, 1, 2)]
    name = NAMES[at]
    return f"diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -1,5 +1,5 @@\n{near[0]}{near[1]}-{name} = {old}\n+{name} = {new}\n{near[2]}{near[3]}"


def written(path: Path, experiments: int, ideas: int) -> None:
    db = connect(path)
    season = Told(db, AGENTS, patch=PATCH, dice=Rarer(7))
    season.dice.night = season  # type: ignore[attr-defined]
    db.execute("BEGIN")
    season.begin()
    season.go(experiments)
    db.execute("UPDATE campaigns SET state='searching', ended=NULL")
    db.execute("UPDATE agents SET state='thinking', ended=NULL")
    for n in range(ideas):
        add(db, "ideas", campaign=1, author=f"gpu{n % 8}", text=f"try {season.dice.choice(WORDS)} {NAMES[n % 40]} number {n}",
            priority=n % 10, state="open" if n % 3 else "done", ended=None if n % 3 else 1.0, at=1.0)  # fmt: skip
    for n in range(2000):
        add(
            db,
            "notes",
            id=n + 1,
            campaign=1,
            agent="gpu0",
            text=f"{NAMES[n % 40]} {season.dice.choice(WORDS)} explodes",
            at=1.0,
        )
    for n in range(40):
        add(db, "pages", campaign=1, name=f"p{n}", version=1, agent="gpu0", text=f"{NAMES[n]} matters " * 60, at=1.0)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def submitted(ledger: Ledger, n: int, dice: random.Random) -> str:
    """A new experiment in the queue, as `submit` writes it."""
    ident = ledger.next_experiment()
    at = dice.randrange(len(NAMES))
    old, new = dice.sample(VALUES, 2)
    patch = changed(at, old, new, dice) if n % 4 else PATCH.replace("gate", f"gate{n}")
    ledger.add("experiments", id=ident, campaign=1, agent="gpu0-claude", origin="submit", kind="const", stage="queued",
               description=f"{dice.choice(WORDS)} {NAMES[at]}", patch=patch, created=1.0)  # fmt: skip
    return ident


def main(rounds: int = 15, experiments: int = 100_000, ideas: int = 10_000) -> None:
    dice = random.Random(11)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.db"
        written(path, experiments, ideas)
        ledger = Ledger(path)
        nothing: Any = SimpleNamespace()
        w = World(nothing, ledger, nothing, nothing, nothing, nothing, nothing, now=2.0)
        fresh = [submitted(ledger, n, dice) for n in range(rounds)]
        questions: dict[str, Callable[[int], object]] = {
            "recall, a constant and a value": lambda n: search.search(ledger, f"{NAMES[n]} {VALUES[n]}"),
            "recall, common words": lambda n: search.search(ledger, f"lower half the LR {n}"),
            "what a submission is told": lambda n: echo.notes(w, fresh[n]),
            "  … repeats and undoes": lambda n: echoes.of(ledger, fresh[n]),
            "  … similar": lambda n: search.similar(ledger, fresh[n]),
            "write an idea": lambda n: idea.add(w, None, f"a new one, {n}"),
            "claim the next idea": lambda n: idea.claim(w, f"gpu{n % AGENTS}-{('claude', 'codex')[n % 2]}"),
            "list the backlog": lambda n: backlog.listed(ledger, 1, 2.0),
            "count the backlog": lambda n: backlog.counts(ledger, 1),
        }
        print(f"{machine()}\n{experiments:,} experiments, {ideas:,} ideas; {rounds} rounds; median (least to most), ms")
        for name, ask in questions.items():
            took, cpu = [], []
            for n in range(rounds):
                begin, worked = time.perf_counter(), time.process_time()
                ask(n)
                took.append(1000 * (time.perf_counter() - begin))
                cpu.append(1000 * (time.process_time() - worked))
            spread = f"({min(took):.1f} to {max(took):.1f})"
            print(f"  {name:<32} {statistics.median(took):8.1f} {spread:<18} cpu {statistics.median(cpu):6.1f}")
        ledger.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
