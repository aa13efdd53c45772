"""Who said what and was heard: one file per writer, one JSON object a line, on the disk before anything else is done.

Standard library only, and nothing of the swarm: the agents write it too. The times are the machine's own, whatever the
shim tells the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Diary:
    """The file of one writer, `who`, in `folder`. May be used by several threads."""

    def __init__(self, folder: Path, who: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._who = who
        self._lock = threading.Lock()
        self.path = folder / f"{who}.jsonl"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(self, did: str, **more: Any) -> None:
        """Append a line. Only what was acknowledged may be noted."""
        at = time.clock_gettime(time.CLOCK_REALTIME)
        line = json.dumps({"at": round(at, 3), "who": self._who, "did": did, **more}, ensure_ascii=False) + "\n"
        with self._lock:
            os.write(self._fd, line.encode())
            os.fsync(self._fd)

    def close(self) -> None:
        """Nothing more comes."""
        os.close(self._fd)


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """The sha256 of each file, as the diary holds it."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def lines(path: Path) -> int:
    """How many notes a writer has made."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
