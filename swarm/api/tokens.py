"""Who may say what at the door: a secret per role, each in a file that only the owner of the workspace can read."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from pathlib import Path

WHO = re.compile(r"^(owner|viewer|agent\.[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")
LONGEST = 200  # bytes of a token file


class Tokens:
    """The token files of a workspace: `owner`, `viewer` and `agent.NAME`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, bytes] = {}
        self._read_at: int | None = None

    def make(self, who: str) -> bool:
        """Make the token of `who` if there is none yet. Returns whether it is new.

        Raises ValueError when `who` is no role, OSError when the file cannot be written.
        """
        if not WHO.fullmatch(who):
            raise ValueError(f"{who!r} is no role")
        if self.read(who) is not None:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        fresh = self._folder / f".{who}.{os.getpid()}.{secrets.token_hex(4)}"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
            os.replace(fresh, self._folder / who)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        self._read_at = None
        return True

    def read(self, who: str) -> str | None:
        """The token of `who`; None when there is none, or its file could have been read or written by others."""
        try:
            fd = os.open(self._folder / who, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_mode & 0o077 or info.st_uid != os.geteuid():
                return None
            text = file.read(LONGEST).strip()
        return text.decode("ascii", "replace") if len(text) >= 32 else None

    def drop(self, who: str) -> None:
        """Take the token of `who` away."""
        (self._folder / who).unlink(missing_ok=True)
        self._read_at = None

    def who(self, token: str) -> str | None:
        """Whose token this is, None when nobody's. Every known token is compared, in constant time."""
        self._refresh()
        found = self._find(token)
        if found is None:  # perhaps made within the clock tick of the last look
            self._refresh(force=True)
            found = self._find(token)
        return found

    def scrub(self, text: str) -> str:
        """`text` without any token in it, in printable ASCII: fit for a log."""
        for token in self._known.values():
            text = text.replace(token.decode(), "…")
        return ascii(text)[1:-1]

    def _find(self, token: str) -> str | None:
        given = token.encode("utf-8", "replace")
        found = None
        for who, known in self._known.items():
            if hmac.compare_digest(given, known):
                found = who
        return found

    def _refresh(self, force: bool = False) -> None:
        try:
            changed = self._folder.stat().st_mtime_ns
            names = os.listdir(self._folder) if force or changed != self._read_at else None
        except OSError:
            self._known, self._read_at = {}, None
            return
        if names is None:
            return
        found = {who: self.read(who) for who in names if WHO.fullmatch(who)}
        self._known = {who: token.encode() for who, token in found.items() if token}
        self._read_at = changed
