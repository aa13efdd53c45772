"""What a command prints, kept within bounds: the first and the last bytes, in memory and in `log.txt`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from swarm.runner.curve import Curve

EVERY = 2.0  # seconds between two writes of a tail that goes on changing


class Log:
    """The head goes to the file as it comes; once it is full, the newest `tail` bytes are put behind it now and then.

    A disk that is full costs lines of the log, never the run. `curve` hears all of it, what the file leaves out too.
    """

    def __init__(self, path: Path, head: int, tail: int, curve: Curve | None = None) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._room, self._tail = head, tail
        self.curve = curve or Curve()
        self._head = bytearray()
        self._ring = bytearray()
        self.dropped = 0  # bytes of the middle
        self._dirty = False
        self._written = 0.0

    def write(self, data: bytes) -> None:
        """Take what the command printed."""
        self.curve.write(data)
        first = data[: self._room - len(self._head)]
        if first:
            self._put(first, len(self._head))
            self._head += first
        if len(first) == len(data):
            return
        self._ring += data[len(first) :]
        extra = len(self._ring) - self._tail
        if extra > 0:
            del self._ring[:extra]
            self.dropped += extra
        self._dirty = True

    def ripe(self) -> None:
        """Bring the file up to date if the last time is long enough ago."""
        if time.monotonic() - self._written > EVERY:
            self.flush()

    def flush(self) -> None:
        """Bring the file up to date."""
        if not self._dirty:
            return
        behind = self._gap() + bytes(self._ring)
        self._put(behind, len(self._head))
        try:
            os.ftruncate(self._fd, len(self._head) + len(behind))
        except OSError:
            pass
        self._dirty, self._written = False, time.monotonic()

    def text(self) -> str:
        """All that was kept."""
        return (bytes(self._head) + self._gap() + bytes(self._ring)).decode(errors="replace")

    def close(self) -> None:
        self.flush()
        os.close(self._fd)

    def _gap(self) -> bytes:
        return f"\n[... {self.dropped} bytes left out ...]\n".encode() if self.dropped else b""

    def _put(self, data: bytes, at: int) -> None:
        try:
            while data:
                done = os.pwrite(self._fd, data, at)
                data, at = data[done:], at + done
        except OSError:
            pass
