"""`swarm import`: what an earlier autoresearch found, beside the ledger's own experiments.

A results.tsv of karpathy's, SkyPilot's table, another swarm's summary, or a repository whose commits are experiments.
Imported experiments are shown and recalled, never compared: nobody knows on which machine they were measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swarm import clock
from swarm.cli.places import rest
from swarm.errors import SwarmError
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from swarm.ledger.imported import Change
    from swarm.ledger.tsv import Table

LARGEST = 64 << 20  # bytes of a table
TOLD = 5  # lines that made no sense are named
FILES = ("train.py",)  # whose changes make a commit an experiment


def run(workspace: Workspace, file: Path, branch: str | None = None) -> None:
    """Read the file or the repository and write down what is not there yet.

    Raises SwarmError when it cannot be read, holds no experiments, or a coordinator runs.
    """
    if file.is_dir():
        _repository(workspace, file, branch)
        return
    if branch is not None:
        raise SwarmError(f"{file} is a file: it has no branches.", "swarm import FOLDER --branch NAME")
    table = _table(_text(file))
    if not table.rows:
        raise SwarmError(
            f"{file} holds no experiments that can be read.{_lines(table)}",
            "Lines like: commit, val_bpb, memory_gb, status (keep, discard or crash), description, with tabs between",
        )
    _write(workspace, table, file.name)


def _repository(workspace: Workspace, folder: Path, branch: str | None) -> None:
    """Commits of a branch, with the results.tsv of that repository."""
    from swarm.ledger.imported import Change
    from swarm.repo import history

    with history.opened(folder, workspace.hidden) as there:
        name, tip = there.tip(branch)
        found = there.along(tip, FILES)
        commits = found[-history.MOST :]
        table = _table(there.table(tip) or "")
        named = there.resolved({row.commit for row in table.rows if row.commit})
        more = [commit for commit in dict.fromkeys(named.values()) if commit not in set(commits)]
        steps = there.steps([*commits, *more[: history.MOST]], FILES)
        changes = [Change(s.commit, s.at, s.subject, s.patch) for s in steps]
    if not changes and not table.rows:
        raise SwarmError(f"no commit of {name} in {folder} changes {FILES[0]}.", "Another branch? --branch NAME")
    _write(workspace, table, f"{folder.resolve().name}:{name}", changes)
    if len(found) > len(commits):
        print(f"  only the last {history.MOST:,} commits of {name}")


def _text(file: Path) -> str:
    try:
        if not file.is_file() and file.exists():
            raise SwarmError(f"{file} is neither a file nor a folder.", "swarm import results.tsv")
        with file.open(errors="replace") as opened:
            text = opened.read(LARGEST + 1)
    except OSError as error:
        raise SwarmError(f"cannot read {file}: {error.strerror}.", "swarm import results.tsv") from None
    if len(text) > LARGEST:
        raise SwarmError(f"{file} is larger than {LARGEST >> 20} MB.", "Is it a results.tsv?")
    return text


def _table(text: str) -> Table:
    from swarm.ledger.tsv import parse

    return parse(text)


def _write(workspace: Workspace, table: Table, source: str, changes: list[Change] | None = None) -> None:
    from swarm.ledger import imported

    rest(workspace)
    new, known = imported.write(workspace, table, source, clock.now(), changes or ())
    again = f" · {known} were there already" if known else ""
    print(f"  {new} experiments imported{again}. They are shown and recalled (swarm recall), never ranked with yours.")
    if table.wrong:
        print(f"  lines that made no sense:{_lines(table)}")


def _lines(table: Table) -> str:
    told = "".join(f"\n    line {number}: {why}" for number, why in table.wrong[:TOLD])
    return told + (f"\n    and {len(table.wrong) - TOLD} more" if len(table.wrong) > TOLD else "")
