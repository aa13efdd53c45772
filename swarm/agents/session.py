"""A client's session as it is remembered between turns, and over a restart of the agent: a small file in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass
class Session:
    """`id` empty: the next turn begins a fresh session."""

    id: str = ""
    turns: int = 0  # of all sessions of this agent
    experiments: int = 0  # submitted in this session
    blanks: int = 0  # turns in a row without a submission
    dry: int = 0  # the same, over all its sessions
    failures: int = 0  # turns in a row that failed
    tokens: int = 0  # as this session has counted so far
    usd: float = 0.0
    program: str = ""  # what the client was told last
    read: int = 0  # bytes of its transcript that are booked (a client in its own screen)
    untold: dict[str, Any] = field(default_factory=dict)  # news of a turn that did not end well

    def fresh(self) -> None:
        """Forget the client's session. Turns, untold news and how long it was dry stay."""
        self.__dict__.update(asdict(Session(turns=self.turns, dry=self.dry, untold=self.untold)))

    def spent(self, tokens: int, usd: float | None, totals: frozenset[str]) -> tuple[int, float | None]:
        """What one turn took; `totals` names the figures that the client counts over its whole session."""
        more = max(0, tokens - self.tokens) if "tokens" in totals else tokens
        cost = None if usd is None else max(0.0, usd - self.usd) if "usd" in totals else usd
        self.tokens += more
        self.usd += cost or 0.0
        return more, cost

    def save(self, path: Path) -> None:
        """Write it, all or nothing."""
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(asdict(self), indent=1, default=str))
        os.replace(fresh, path)


def load(path: Path) -> Session:
    """The session in a file; a new one when there is none or it cannot be read."""
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError):
        return Session()
    known = {f.name for f in fields(Session)}
    made = Session()
    for name, value in raw.items() if isinstance(raw, Mapping) else ():
        if name in known and isinstance(value, type(getattr(made, name))):
            setattr(made, name, value)
    return made
