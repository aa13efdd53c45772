"""Errors a person is meant to read: what happened, and what to do next."""

from __future__ import annotations


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
