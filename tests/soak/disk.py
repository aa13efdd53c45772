"""A small disk of its own: a tmpfs that can be filled to the last byte and freed again."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

BLOCK = 1 << 20


class Disk:
    """Mounted at `path`, `size` bytes large. `trouble` says why there is none; then `path` is a plain folder."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._ballast = path / "ballast"
        path.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "soak", str(path)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        except OSError as error:
            self.trouble = str(error)
        else:
            self.trouble = done.stderr.strip() or f"exit {done.returncode}" if done.returncode else ""

    @property
    def full(self) -> bool:
        """Whether it was filled and not freed yet."""
        return self._ballast.exists()

    def fill(self) -> None:
        """Take all the room there is: large pieces first, then pages."""
        fd = os.open(self._ballast, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            at, piece = 0, 64 * BLOCK
            while piece >= 4096:
                try:
                    os.posix_fallocate(fd, at, piece)
                    at += piece
                except OSError:
                    piece //= 4
        finally:
            os.close(fd)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Away with it, also when somebody still holds it. Safe to call twice."""
        if self.trouble:
            return
        for words in (["umount", str(self.path)], ["umount", "-l", str(self.path)]):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                if not os.path.ismount(self.path):
                    return
                subprocess.run(words, capture_output=True, check=False, timeout=30)
