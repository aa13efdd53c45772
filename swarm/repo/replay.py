"""Replaying one change onto another commit: constants by name, the rest by `git merge-file`."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.repo.call import ask
from swarm.repo.hub import Hub
from swarm.research.constants import changed, constants, merge, with_values

TOLD = 4000  # characters of a conflict
MOST_CONFLICTS = 127  # merge-file's exit status counts them up to here; above it is a failure


@dataclass(frozen=True)
class Conflict:
    """Where it does not fit. `text`: the file with conflict marks, or why not."""

    path: str
    text: str


def replay(hub: Hub, base: str, change: str, onto: str, edit: Sequence[str]) -> dict[str, bytes] | Conflict:
    """The editable files of `onto` with what `change` did to `base`."""
    files: dict[str, bytes] = {}
    for path in edit:
        before, after, there = (_read(hub, commit, path) for commit in (base, change, onto))
        if before == after or after is None:
            merged: bytes | Conflict | None = there
        elif there is None or before is None or there in (before, after):
            merged = after
        else:
            merged = _one(hub, path, before, after, there)
        if isinstance(merged, Conflict):
            return merged
        if merged is not None:
            files[path] = merged
    return files


def _read(hub: Hub, commit: str, path: str) -> bytes | None:
    try:
        return hub.read(commit, path)
    except KeyError:
        return None


def _one(hub: Hub, path: str, before: bytes, after: bytes, there: bytes) -> bytes | Conflict:
    try:
        base, change, onto = before.decode(), after.decode(), there.decode()
    except UnicodeDecodeError:
        return _lines(hub, path, before, after, there)
    if not path.endswith(".py"):
        return _lines(hub, path, before, after, there)
    by_name = merge(base, change, onto)
    merged = by_name.encode() if by_name is not None else _mixed(hub, path, base, change, onto)
    if not isinstance(merged, Conflict) and not _parses(merged) and _parses(after) and _parses(there):
        return Conflict(path, "the result would not be Python any more")
    return merged


def _mixed(hub: Hub, path: str, base: str, change: str, onto: str) -> bytes | Conflict:
    """Values that either side changed are first made those of `base`, the rest is merged by lines, and they are put back.

    So two neighbouring constants do not conflict; the same constant does, unless both gave it one value.
    """
    mine, theirs = changed(base, change), changed(base, onto)
    both = sorted(n for n in mine if n in theirs and mine[n] != theirs[n])
    if both:
        return Conflict(path, f"both changed {', '.join(both)}")
    old = constants(base)
    neutral = {n: old[n].text for n in (*mine, *theirs)}
    merged = _lines(hub, path, base.encode(), _set(change, neutral).encode(), _set(onto, neutral).encode())
    if isinstance(merged, Conflict):
        return merged
    text = merged.decode()
    found = constants(text)
    new = (constants(change).keys() | constants(onto).keys()) - old.keys()
    gone = sorted(n for n in (mine.keys() | theirs.keys() | new) if n not in found)
    if gone:
        return Conflict(path, f"{', '.join(gone)}: one side changed or added it, the other removed or added it too")
    return with_values(text, {**theirs, **mine}).encode()


def _set(source: str, values: dict[str, str]) -> str:
    there = constants(source)
    return with_values(source, {n: t for n, t in values.items() if n in there})


def _lines(hub: Hub, path: str, before: bytes, after: bytes, there: bytes) -> bytes | Conflict:
    with tempfile.TemporaryDirectory(dir=hub.hidden, prefix="merge-") as folder:
        for name, data in (("onto", there), ("base", before), ("change", after)):
            (Path(folder) / name).write_bytes(data)
        answer = ask(["merge-file", "-p", "-q", "onto", "base", "change"], Path(folder))
    if answer.code == 0:
        return answer.out
    if answer.code <= MOST_CONFLICTS:
        return Conflict(path, answer.out.decode(errors="replace")[:TOLD])
    return Conflict(path, answer.error[:TOLD] or "it cannot be merged by lines")


def _parses(data: bytes) -> bool:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
