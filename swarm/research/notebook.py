"""The notebook that agents improve: its bounds, and how two that improve one page at the same time are kept apart. Pure.

Whoever improves a page names the version that they read (optimistic: H. T. Kung, J. T. Robinson, On optimistic methods for
concurrency control, ACM Transactions on Database Systems 6, 1981). Is there a newer one, they read that first. Every
version stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LONGEST = 8000  # characters of a page
PAGES = 40  # of a campaign
EDITS = 10  # of one agent between two submissions
WHY = 300


@dataclass(frozen=True)
class Page:
    """A version of a page. `agent` None: a person."""

    name: str
    version: int
    agent: str | None
    text: str
    why: str | None
    at: float


def refusal(newest: int, read: int) -> str:
    """Why an improvement of version `read` cannot be taken; empty when it can. 0: there was no page."""
    if read == newest:
        return ""
    if newest == 0:
        return "there is no such page yet: name version 0"
    return (
        f"it is at version {newest} by now, and you read {read}" if read < newest else f"its newest version is {newest}"
    )
