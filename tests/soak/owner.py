"""The person whose swarm it is: promotes, takes back, tries, tells, pauses. What was acknowledged goes into the diary."""

from __future__ import annotations

import contextlib
import json
import random
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swarm.client import Client, Unanswered
from swarm.errors import SwarmError
from swarm.workspace import Workspace
from tests.soak import task
from tests.soak.diary import Diary, hashes
from tests.soak.plan import Event


class Owner(threading.Thread):
    """Acts on a thread of its own: an answer may take as long as the coordinator is stopped."""

    def __init__(self, workspace: Workspace, diary: Diary, acts: Sequence[Event], seed: int) -> None:
        super().__init__(name="owner", daemon=True)
        self._workspace = workspace
        self._diary = diary
        self._acts = acts
        self._dice = random.Random(f"{seed}/owner")
        self._client = Client.at(workspace)
        self._over = threading.Event()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def run(self) -> None:
        began = time.monotonic()
        for act in self._acts:
            if self._over.wait(max(0.0, began + act.at - time.monotonic())):
                return
            try:
                getattr(self, f"_{act.what}")(act)
                self.done[act.what] += 1
            except SwarmError as error:
                self.refused[re.sub(r"\s+", " ", re.sub(r"[0-9]+", "N", error.message))[:160]] += 1
            except sqlite3.Error:
                pass  # the ledger is being made

    def end(self) -> None:
        """No more acts; what was begun is finished."""
        self._over.set()
        self.join()

    def _promote(self, act: Event) -> None:
        found = self._pick("verdict IN ('keep','discard') AND runs>0", act.pick)
        if found is not None:
            with self._asking("promoted", experiment=found):
                answer = self._client.post("promote", what=found, force=act.size > 1, hold=act.pick > 0.8)
            if answer.get("moved"):
                self._diary.note("promoted", experiment=answer["experiment"])

    def _undo(self, act: Event) -> None:
        with self._asking("undone"):
            answer = self._client.post("promote/undo")
        self._diary.note("undone", experiment=answer["previous"], best=answer["experiment"])

    def _try(self, act: Event) -> None:
        text = task.changed(task.TRAIN, task.kind(self._dice), self._dice)
        answer = self._client.post("try", files={"train.py": text}, description=f"try {act.pick:.6f}")
        files = hashes({"train.py": text.encode()})
        self._diary.note("tried", experiment=answer["experiment"], files=files)

    def _tell(self, act: Event) -> None:
        names = [n for (n,) in self._rows("SELECT name FROM agents WHERE kind NOT IN ('person','house') ORDER BY name")]
        if names:
            agent, text = names[int(act.pick * len(names))], f"the owner says {act.pick:.9f}"
            with self._asking("told", agent=agent, text=text):
                self._client.post(f"agents/{agent}/tell", text=text)
            self._diary.note("told", agent=agent, text=text)

    def _pause(self, act: Event) -> None:
        try:
            self._client.post("pause")
            self._over.wait(act.size)
        finally:
            self.go_on()

    @contextlib.contextmanager
    def _asking(self, what: str, **more: str) -> Iterator[None]:
        """What was asked and never answered may be done or not, and the diary says so."""
        try:
            yield
        except Unanswered:
            self._diary.note("asked", what=what, **more)
            raise

    def go_on(self) -> None:
        """Resume, however often it takes."""
        for _ in range(30):
            with contextlib.suppress(SwarmError):
                self._client.post("resume")
                return
            time.sleep(1.0)

    def _pick(self, where: str, pick: float) -> str | None:
        found = [ident for (ident,) in self._rows(f"SELECT id FROM experiments WHERE {where} ORDER BY rowid")]
        return str(found[int(pick * len(found))]) if found else None

    def _rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return rows(self._workspace.ledger, sql, *args)


def rows(ledger: Path, sql: str, *args: Any) -> list[tuple[Any, ...]]:
    """What the ledger's file says; nothing when there is none."""
    if not ledger.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=20)) as db:
        return db.execute(sql, args).fetchall()


def yaml(task_folder: Path) -> str:
    """The workspace's swarm.yaml: a short budget, and best travels to everybody every few seconds.

    Verdicts are reckoned again by the checker, which knows neither seeds in common nor a prior that was fitted.
    """
    what = {"path": str(task_folder), "run": "python train.py", "budget": "wall:3"}
    return f"task: {json.dumps(what)}\npolicy: {{idle_after: 30, rebase_every: 60, paired: off, prior: noise, noise_prior: 0}}\n"
