"""Replaying one change onto another commit: constants by name, the rest by `git merge-file`."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.repo.call import run
from swarm.repo.hub import Hub
from swarm.research.constants import changed, constants, merge, with_values


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
            if there is not None:
                files[path] = there
            continue
        if there == before or there is None or before is None:
            files[path] = after
            continue
        merged = _one(hub, path, before, after, there)
        if isinstance(merged, Conflict):
            return merged
        files[path] = merged
    return files


def _read(hub: Hub, commit: str, path: str) -> bytes | None:
    try:
        return hub.read(commit, path)
    except KeyError:
        return None


def _one(hub: Hub, path: str, before: bytes, after: bytes, there: bytes) -> bytes | Conflict:
    texts = _texts(before, after, there) if path.endswith(".py") else None
    if texts is None:
        return _lines(hub, path, before, after, there)
    by_name = merge(*texts)
    if by_name is not None:
        return by_name.encode()
    mixed = _mixed(hub, path, *texts)
    if isinstance(mixed, Conflict) or _parses(mixed) or not (_parses(after) and _parses(there)):
        return mixed
    return Conflict(path, "the result would not parse")


def _texts(*data: bytes) -> tuple[str, str, str] | None:
    try:
        a, b, c = (d.decode() for d in data)
    except UnicodeDecodeError:
        return None
    return a, b, c


def _mixed(hub: Hub, path: str, base: str, change: str, onto: str) -> bytes | Conflict:
    """Values that were changed on either side are made equal, the rest is merged by lines, and the values put back.

    So two neighbouring constants do not conflict. The change's values win only where `onto` left them alone.
    """
    mine, theirs = changed(base, change), changed(base, onto)
    both = {n for n in mine if n in theirs and mine[n] != theirs[n]}
    if both:
        return Conflict(path, f"both changed {', '.join(sorted(both))}")
    old = constants(base)
    neutral = {n: old[n].text for n in (*mine, *theirs)}
    merged = _lines(
        hub, path, base.encode(), _set(change, neutral).encode(), _set(onto, neutral).encode()
    )
    if isinstance(merged, Conflict):
        return merged
    text = merged.decode()
    wanted = {n: t for n, t in {**theirs, **mine}.items() if n in constants(text)}
    return with_values(text, wanted).encode()


def _set(source: str, values: dict[str, str]) -> str:
    there = constants(source)
    return with_values(source, {n: t for n, t in values.items() if n in there})


def _lines(hub: Hub, path: str, before: bytes, after: bytes, there: bytes) -> bytes | Conflict:
    with tempfile.TemporaryDirectory(dir=hub.hidden, prefix="merge-") as folder:
        names = [Path(folder) / n for n in ("onto", "base", "change")]
        for name, data in zip(names, (there, before, after), strict=True):
            name.write_bytes(data)
        out = run(["merge-file", "-p", *map(str, names)], Path(folder), check=False)
        if out or not there:
            return out
        marked = run(["merge-file", "-p", "-q", "--ours", *map(str, names)], Path(folder), check=False)
        return Conflict(path, marked.decode(errors="replace")[:4000])


def _parses(data: bytes) -> bool:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
