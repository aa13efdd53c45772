"""A big ledger in no time: a campaign of a month or a decade, finished, in the shape that real ones have."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.ledger.made import Night, connect

AGENTS = 8
POLLINATED = 20  # rounds between two looks at who is behind best
FLOOR = 0.90  # loss that nothing gets below: finds become rarer
# three small hunks, as a change of an optimiser's constants and of a block has them
PATCH = "--- a/train.py\n+++ b/train.py\n" + "".join(
    f"@@ -{n},3 +{n},4 @@ class Block(nn.Module):\n         x = norm(x)\n-        x = x + self.mlp(x) * {n}\n"
    f"+        x = x + self.mlp(x) * self.scale[{n}]\n+        x = x + self.gate(x)\n         return x\n"
    for n in (41, 240, 611)
)  # fmt: skip


class Rarer(random.Random):
    """Ideas of a search that has found most of what there is: the better best is, the more often they are worse."""

    night: Night

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        best = self.night.values[self.night.best][0]
        return super().gauss(mu + 0.006 * (0.9981 - best) / (0.9981 - FLOOR), sigma)


class Season(Night):
    """Agents that fall behind are put onto best, as the coordinator does it."""

    def go(self, experiments: int) -> None:
        rounds = 0
        while self.count < experiments:
            self.round()
            rounds += 1
            if rounds % POLLINATED == 0:
                self.pollinate()
        self.end()

    def pollinate(self) -> None:
        for agent, tip in self.tips.items():
            if tip != self.best:
                self.tips[agent] = self.best
                self.db.execute("UPDATE agents SET tip=?, base=? WHERE name=?", (self.best, self.best, agent))
                self.say("rebased", agent, self.best, was=tip, kept=[], stack=None)

    def end(self) -> None:
        self.db.execute("UPDATE campaigns SET state='ended', ended=?, why_ended='hours'", (self.now,))
        self.db.execute("UPDATE agents SET state='stopped', ended=?", (self.now,))
        self.say("ended", why="hours")


def ledger(path: Path, experiments: int) -> dict[str, int]:
    """Write one with so many experiments at `path`. Returns how many rows each table has."""
    db = connect(path)
    season = Season(db, AGENTS, patch=PATCH, dice=Rarer(7))
    season.dice.night = season  # type: ignore[attr-defined]
    db.execute("BEGIN")
    season.begin()
    season.go(experiments)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    tables = ("experiments", "runs", "promotions", "events")
    rows = {table: int(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]) for table in tables}
    db.close()
    return rows


if __name__ == "__main__":
    import sys

    print(json.dumps(ledger(Path(sys.argv[1]), int(sys.argv[2]))))
