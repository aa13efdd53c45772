"""What must be true after every fault: looked up in the ledger's file and the hub alone, with no code of the swarm."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OURS = ("refs/heads/", "refs/submitted/", "refs/experiments/", "refs/tips/")


class Checker:
    """`promised`: acknowledged submissions, experiment and the text of train.py that was submitted."""

    def __init__(self, workspace: Path) -> None:
        self.hidden = workspace / ".swarm"
        self.worktrees = workspace / "worktrees"
        self.db = sqlite3.connect(f"file:{self.hidden / 'results.db'}?mode=ro", uri=True)

    def check(self, promised: Mapping[str, str]) -> None:
        try:
            assert self.all("PRAGMA integrity_check") == [("ok",)]
            assert self.all("PRAGMA foreign_key_check") == []
            self.commits(promised)
            self.runs()
            self.verdicts()
            self.refs()
            self.best()
            self.trees()
        finally:
            self.db.close()

    def all(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(sql, args).fetchall()

    def git(self, *args: str, data: str = "") -> str:
        done = subprocess.run(
            ["git", f"--git-dir={self.hidden / '.git'}", *args], input=data, capture_output=True, text=True, check=True
        )
        return done.stdout

    def commits(self, promised: Mapping[str, str]) -> None:
        """Every acknowledged submission is there and readable, and so is every commit that a row names."""
        submitted = dict(self.all("SELECT id, submitted FROM experiments"))
        for ident, text in promised.items():
            assert ident in submitted, f"{ident} was acknowledged and is lost"
            assert self.git("show", f"{submitted[ident]}:train.py") == text, f"{ident} is not what was submitted"
        named = {str(c) for row in self.all('SELECT "commit", submitted FROM experiments') for c in row if c}
        found = self.git("cat-file", "--batch-check", data="\n".join(named)).splitlines()
        assert all(line.split()[1] == "commit" for line in found), found

    def runs(self) -> None:
        """Nothing runs any more (the play has come to rest), and each run was counted once."""
        assert self.all("SELECT id FROM runs WHERE status='running'") == []
        for run, status, attempt, score in self.all("SELECT id, status, attempt, score FROM runs"):
            tries = self.all("SELECT n, outcome FROM attempts WHERE run=? ORDER BY n", run)
            assert [n for n, _ in tries] == list(range(1, len(tries) + 1))
            assert all(outcome == "lost" for _, outcome in tries[:-1]), (run, tries)
            assert (score is not None) == (status == "finished"), run
            if status == "finished":
                assert tries[-1] == (attempt, "finished"), (run, tries)
                result = json.loads((self.hidden / f"runs/r{run:06d}-{attempt}/result.json").read_text())
                assert result["score"] == score, run
        counts = self.all(
            "SELECT e.id, e.runs, COUNT(r.id) FROM experiments e LEFT JOIN runs r ON r.experiment=e.id AND "
            "r.status='finished' AND r.klass=e.klass GROUP BY e.id"
        )
        assert all(said == counted for _, said, counted in counts), counts
        measured = self.all(
            "SELECT experiment, json_extract(data, '$.run'), COUNT(*) FROM events WHERE kind='measured' GROUP BY 2"
        )
        assert all(n == 1 for _, _, n in measured), measured

    def verdicts(self) -> None:
        """No result without a verdict and no verdict without a result; each said once."""
        rows = self.all(
            "SELECT e.id, e.origin, e.stage, e.verdict, SUM(r.status='finished'), SUM(r.status='crashed'), e.same_as, "
            "EXISTS (SELECT 1 FROM promotions p WHERE p.experiment=e.id), e.reason LIKE 'ended at %' AND SUM(r.status='cancelled') "
            "FROM experiments e LEFT JOIN runs r ON r.experiment=e.id GROUP BY e.id"
        )
        for ident, origin, stage, verdict, finished, crashed, same_as, promoted, early in rows:
            if origin == "baseline":
                continue
            assert (verdict is not None) == (stage == "done") or (promoted and origin == "promote"), ident
            if verdict == "discard" and early:
                assert not finished, f"{ident} was ended early though it was measured"
            elif verdict in ("keep", "discard"):
                assert finished, f"{ident} has a verdict without a result"
            elif verdict == "crash":
                assert crashed, f"{ident} crashed without a run"
            elif verdict is not None:
                assert not finished, f"{ident} was {verdict} though it was measured"
            if verdict == "answered" and same_as:
                assert self.all("SELECT runs>0 FROM experiments WHERE id=?", same_as) == [(1,)]
        assert self.all("SELECT experiment FROM events WHERE kind='judged' GROUP BY experiment HAVING COUNT(*)>1") == []

    def refs(self) -> None:
        """The hub's refs are the ledger's, no more and no less (what was kept of an agent's own lies elsewhere)."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        there = {name: commit for name, commit in (line.split() for line in lines) if name.startswith(OURS)}
        said = {n: c for n, c in self.all('SELECT name, "commit" FROM refs') if n.startswith(OURS)}
        assert there == said
        for ident, commit in self.all("SELECT id, \"commit\" FROM experiments WHERE stage!='queued'"):
            assert commit is None or said.get(f"refs/experiments/{ident}", commit) == commit

    def best(self) -> None:
        """The last promotion that stands, else the baseline; and the ref says the same."""
        for campaign, best, baseline in self.all("SELECT id, best, baseline FROM campaigns ORDER BY id DESC LIMIT 1"):
            standing = self.all(
                "SELECT experiment FROM promotions WHERE campaign=? AND withdrawn IS NULL ORDER BY id DESC LIMIT 1",
                campaign,
            )
            assert best == (standing[0][0] if standing else baseline)
            commit = self.all('SELECT "commit" FROM experiments WHERE id=?', best)[0][0]
            assert self.git("rev-parse", "refs/heads/best").strip() == commit
            moved = self.all("SELECT COUNT(*) FROM promotions WHERE campaign=?", campaign)
            assert moved == self.all("SELECT COUNT(*) FROM events WHERE campaign=? AND kind='promoted'", campaign)

    def trees(self) -> None:
        """Worktrees of living agents are whole, and stand on what the ledger says."""
        rows = self.all(
            'SELECT a.name, e."commit" FROM agents a JOIN experiments e ON e.id=a.base JOIN campaigns c ON c.id=a.campaign '
            "WHERE c.id=(SELECT MAX(id) FROM campaigns) AND c.state IN ('baseline','searching') AND a.kind NOT IN ('person','house') "
            "AND a.state!='stopped'"
        )
        for name, commit in rows:
            for path in self.git("ls-tree", "-r", "--name-only", commit).split():
                file = self.worktrees / name / path
                assert file.is_file(), f"{name} has no {path}"
                if path != "train.py":
                    assert file.read_text() == self.git("show", f"{commit}:{path}")
            assert len((self.worktrees / name / "train.py").read_text()) > 40, f"{name} has half a file"
