"""Errors a person is meant to read: what happened, and what to do next."""

from __future__ import annotations

import errno
import os

NOT_OURS = "Is it yours? Look: ls -ld {there}"
IN_THE_WAY = "Something else stands there. Move it away, then give the command again."
ROOM = "Make room (swarm clean helps), then give the command again."
MENDED = {
    errno.EACCES: NOT_OURS,
    errno.EPERM: NOT_OURS,
    errno.EROFS: "This file system is mounted read-only. Make it writable, or work in another folder.",
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EEXIST: IN_THE_WAY,
    errno.ENOTDIR: IN_THE_WAY,
    errno.EISDIR: IN_THE_WAY,
    errno.EIO: "The disk or the network file system fails: see dmesg.",
    errno.EMFILE: "Too many files are open: ulimit -n 4096",
    errno.ENFILE: "Too many files are open on this machine.",
}  # what a person can mend; other errors of the system are faults of ours


class SwarmError(Exception):
    """An expected failure. `hint` says what to do next. The command line exits with `code`."""

    code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SwarmError):
    """The command was typed wrongly."""

    code = 2


class Refused(SwarmError):
    """The coordinator understood, and will not do it. `status` is the HTTP status at the door."""

    def __init__(self, message: str, hint: str = "", status: int = 409) -> None:
        super().__init__(message, hint)
        self.status = status


def of_system(error: OSError) -> SwarmError | None:
    """What the system said as a sentence and what to do about it; None for what no person can mend."""
    hint = MENDED.get(error.errno or 0)
    if hint is None:
        return None
    path = os.path.abspath(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else ""
    there = path
    while there and not os.path.lexists(there):
        there = os.path.dirname(there)
    said = f"{path}: {error.strerror}." if path else f"{error.strerror}."
    return SwarmError(said, hint.format(there=there or "FILE"))
