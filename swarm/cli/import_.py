"""`swarm import results.tsv`: what an earlier autoresearch found, beside the ledger's own experiments.

Imported experiments are shown, never compared: nobody knows on which machine they were measured. They belong to a
campaign of their own, number 0, which is always older than any search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm import clock
from swarm.errors import SwarmError
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from swarm.ledger.ledger import Ledger

CAMPAIGN = 0
STATUS = ("keep", "discard", "crash")
HEADER = ("commit", "memory_gb", "status", "description")


@dataclass(frozen=True)
class Row:
    """A line of results.tsv. `score` is None for a crash; memory is in GB."""

    commit: str
    score: float | None
    memory: float
    status: str
    description: str


def run(workspace: Workspace, file: Path) -> None:
    """Read the file whole, then write it down in one transaction. Raises SwarmError with the line that is wrong."""
    from swarm.cli.clean import alone
    from swarm.ledger.ledger import Ledger

    try:
        metric, found = read(file.read_text())
    except OSError as error:
        raise SwarmError(f"cannot read {file}: {error.strerror}.", "swarm import results.tsv") from None
    except UnicodeDecodeError:
        raise SwarmError(f"{file} is not text.") from None
    workspace.make()
    with alone(workspace):
        ledger = Ledger(workspace.ledger)
        try:
            new = write(ledger, workspace, metric, found)
        finally:
            ledger.close()
    again = f" ({len(found) - new} were there already)" if new < len(found) else ""
    print(f"  {new} experiments imported{again}: shown, never compared with yours.")


def read(text: str) -> tuple[str, list[Row]]:
    """The metric's name and the rows. Raises SwarmError naming the first line that is wrong."""
    lines = text.splitlines()
    head = lines[0].split("\t") if lines else []
    if len(head) != 5 or (head[0], *head[2:]) != HEADER:
        raise SwarmError("line 1 is not the header of a results.tsv.", "commit⇥val_bpb⇥memory_gb⇥status⇥description")
    return head[1], [_row(n, line) for n, line in enumerate(lines[1:], 2) if line.strip()]


def _row(number: int, line: str) -> Row:
    cells = line.split("\t", 4)
    try:
        commit, score, memory, status, description = cells
        value, gigabytes = float(score), float(memory or 0)
        if status not in STATUS or not math.isfinite(value) or not math.isfinite(gigabytes):
            raise ValueError
    except ValueError:
        raise SwarmError(
            f"line {number} cannot be read: {line[:80]}",
            f"Five cells with tabs between; status is {', '.join(STATUS)}.",
        ) from None
    return Row(commit, None if status == "crash" else value, gigabytes, status, " ".join(description.split())[:2000])


def write(ledger: Ledger, workspace: Workspace, metric: str, found: list[Row]) -> int:
    """Add what is not there yet and return how many that were."""
    new = 0
    with ledger.tx():
        _campaign(ledger, workspace, metric)
        for row in found:
            reason = f"imported: commit {row.commit} of a results.tsv"
            there = ledger.value(
                "SELECT 1 FROM experiments WHERE campaign=? AND reason=? AND description=?",
                CAMPAIGN,
                reason,
                row.description,
            )
            if there is None:
                new += 1
                _experiment(ledger, row, reason)
    return new


def _experiment(ledger: Ledger, row: Row, reason: str) -> None:
    now = clock.now()
    ledger.add(
        "experiments", id=ledger.next_experiment(), campaign=CAMPAIGN, origin="imported", stage="done", kind="code",
        description=row.description or "no description", verdict=row.status, reason=reason, raw=row.score,
        peak_vram_mb=row.memory * 1024 or None, measured_by="imported", created=now, judged_at=now,
    )  # fmt: skip


def _campaign(ledger: Ledger, workspace: Workspace, metric: str) -> None:
    import json

    from swarm.config import Metric, Policy, Task

    if ledger.value("SELECT 1 FROM campaigns WHERE id=?", CAMPAIGN):
        return
    task = Task(path=str(workspace.root), metric=Metric(name=metric))
    ledger.add(
        "campaigns", id=CAMPAIGN, name="imported", state="ended", metric=metric, better="lower", why_ended="imported",
        task=json.dumps({"task": task.model_dump(mode="json"), "policy": Policy().model_dump()}), stop="{}",
        created=clock.now(), ended=clock.now(),
    )  # fmt: skip
