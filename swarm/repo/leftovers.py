"""What processes that were killed had begun and nobody will end: temporary folders, files not put in place, locks of git."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from swarm.repo import plainly

STALE = 2.0  # seconds after which a ref's lock is one that a killed git left behind
SLOW = 60.0  # the same for objects: agents' own gits write these too
TEMPORARY = ("index-*", "blobs-*", "merge-*")  # folders of ours in `.swarm`
LOCKS = ("*.lock", "refs/**/*.lock")  # in the hub; the index of an agent's own git is its own affair
FRESH = ("*.new", "info/*.new", "worktrees/*/*.new")  # plainly.write
OBJECTS = ("objects/??/tmp_*", "objects/pack/tmp_*", "objects/tmp_*")


def old(path: Path, seconds: float) -> bool:
    """Whether a file is that old, or from the future: the clock was set back since. False when it is gone."""
    try:
        return abs(time.time() - path.stat().st_mtime) > seconds
    except OSError:
        return False


def sweep(hidden: Path, over: bool = False) -> None:
    """Remove them. `over`: no agent is at work any more, so what an agent's git left behind is as old.

    Only for the coordinator: nobody else writes the hub for longer than a moment.
    """
    git = hidden / ".git"
    found = [path for pattern in TEMPORARY for path in hidden.glob(pattern)]
    found += [path for pattern in (*LOCKS, *FRESH) for path in git.glob(pattern)]
    found += (hidden / "index").glob("*.lock")
    _remove(path for path in found if old(path, STALE))
    _remove(path for pattern in OBJECTS for path in git.glob(pattern) if old(path, STALE if over else SLOW))


def _remove(paths: Iterator[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            plainly.delete(path)
