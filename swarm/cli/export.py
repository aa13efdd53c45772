"""`swarm export`: results.tsv as autoresearch writes it, everything as .csv or .jsonl, or the files of an experiment."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from swarm.cli import screen
from swarm.errors import SwarmError
from swarm.ledger import export
from swarm.ledger.reader import Reader
from swarm.ledger.tsv import parse
from swarm.workspace import Workspace

WRITERS = {".tsv": export.results_tsv, ".csv": export.comma_separated, ".jsonl": export.json_lines}


def run(workspace: Workspace, what: str = "results.tsv", out: Path | None = None) -> None:
    """Write the table that `what` is called like, or the files of the experiment that it names.

    Raises SwarmError: nothing recorded, unknown experiment, something of somebody else's stands at that place.
    """
    with Reader(workspace.ledger) as reader:
        if Path(what).suffix in WRITERS:
            _table(reader, workspace, what, out)
        else:
            _files(reader, workspace, what, out)


def _table(reader: Reader, workspace: Workspace, what: str, out: Path | None) -> None:
    writer = WRITERS[Path(out or what).suffix] if Path(out or what).suffix in WRITERS else WRITERS[Path(what).suffix]
    if str(out) == "-":
        writer(reader, sys.stdout)
        return
    path = out or workspace.root / what
    if out is None and path.suffix == ".tsv" and path.exists() and not _ours(reader, path):
        raise SwarmError(
            f"{path} holds results that are not of this swarm; it stays.", "Write elsewhere: swarm export -o swarm.tsv"
        )
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent if path.parent.is_dir() else None)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        count = writer(reader, file)
    os.chmod(name, 0o644)
    os.replace(name, path)
    print(f"  {path}: {count} experiments")


def _ours(reader: Reader, path: Path) -> bool:
    """Whether every commit of an existing results.tsv is one of this ledger: then it was written by us."""
    rows = parse(path.read_text(errors="replace")).rows
    sql = 'SELECT 1 FROM experiments WHERE "commit">=? AND "commit"<?'
    return all(r.commit and reader.value(sql, r.commit, r.commit + "g") for r in rows)


def _files(reader: Reader, workspace: Workspace, what: str, out: Path | None) -> None:
    from swarm.repo import Hub

    e = reader.find(what)
    commit = e.commit or e.submitted
    if commit is None:
        raise SwarmError(f"{e.id} has no commit yet: it waits for its turn.", f"What it is: swarm show {e.id}")
    folder = out or Path(f"{e.id}-{screen.sha(commit)}")
    if folder.exists() and any(folder.iterdir()):
        raise SwarmError(f"{folder} is there already.", f"Write elsewhere: swarm export {what} -o DIR")
    folder.mkdir(parents=True, exist_ok=True)
    Hub(workspace.hidden).export(commit, folder)
    print(f"  {folder}: the files of {e.id} {screen.sha(commit)}     as a branch: swarm export {what} --branch NAME")
