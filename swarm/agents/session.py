"""A client's session as it is remembered between turns, and over a restart of the agent: a small file in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from swarm.agents.stream import without_numbers


@dataclass
class Session:
    """`id` empty: the next turn begins a fresh session."""

    id: str = ""
    since: float = 0.0  # the agent that it belongs to was spawned then
    turns: int = 0  # of all sessions of this agent
    experiments: int = 0  # submitted in this session
    blanks: int = 0  # turns in a row without a submission
    dry: int = 0  # the same, over all its sessions
    refusal: str = ""  # how the last turn's last submission was refused
    same: int = 0  # turns in a row that were refused so
    failures: int = 0  # turns in a row that failed
    tokens: int = 0  # as this session has counted so far
    usd: float = 0.0
    program: str = ""  # what the client was told last
    read: int = 0  # bytes of its transcript that are booked (a client in its own screen)
    heard: int = 0  # the last news that is in here
    untold: dict[str, Any] = field(default_factory=dict)  # news of no turn yet, or of one that did not end well
    owed: list[dict[str, Any]] = field(default_factory=list)  # costs that the ledger does not know yet

    def fresh(self) -> None:
        """Forget the client's session. Turns, untold news, costs owed and how long it was dry stay."""
        self.id = self.program = self.refusal = ""
        self.experiments = self.blanks = self.same = self.failures = self.tokens = self.read = 0
        self.usd = 0.0

    def anew(self, since: float) -> None:
        """Forget what an earlier agent of this name left, but for the number of its turns (they have files)."""
        if self.since != since:
            self.fresh()
            self.since, self.dry, self.heard, self.untold, self.owed = since, 0, 0, {}, []

    def spent(self, tokens: int, usd: float | None, totals: frozenset[str]) -> tuple[int, float | None]:
        """What one turn took; `totals` names the figures that the client counts over its whole session."""
        more = max(0, tokens - self.tokens) if "tokens" in totals else tokens
        cost = None if usd is None else max(0.0, usd - self.usd) if "usd" in totals else usd
        self.tokens += more
        self.usd += cost or 0.0
        return more, cost

    def submitted(self) -> None:
        """The last turn brought something."""
        self.blanks = self.dry = self.same = 0
        self.refusal = ""

    def blank(self, refusal: str, again: bool) -> None:
        """The last turn brought nothing; `refusal`: how its last submission was refused, `again`: over and over."""
        self.blanks += 1
        self.dry += 1
        self.same = (
            max(self.same + 1 if without_numbers(refusal) == without_numbers(self.refusal) else 1, 2 if again else 1)
            if refusal
            else 0
        )
        self.refusal = refusal

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
