"""Waves as screens show them: what was asked, how far it is, the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from swarm.errors import SwarmError
from swarm.ledger.reader import Reader

LISTED = 50  # the newest


@dataclass(frozen=True)
class Wave:
    """`author` None: a person. `cells`, `measured` without the base. `answer` as in the ledger, None before there is one."""

    id: int
    author: str | None
    kind: str  # constants | changes
    base: str
    factors: tuple[str, ...]
    repeats: int
    state: str  # open | done | stopped
    cells: int
    measured: int
    created: float
    ended: float | None
    answer: dict[str, Any] | None


SQL = (
    "SELECT v.id, v.author, v.kind, v.base, v.factors, v.repeats, v.state, COUNT(e.id), TOTAL(e.stage='done'), v.created, "
    "v.ended, v.answer FROM waves v LEFT JOIN cells c ON c.wave=v.id LEFT JOIN experiments e ON e.id=c.experiment "
    "AND e.id!=v.base "
)


def waves(reader: Reader) -> list[Wave]:
    """The newest waves of the newest campaign, in order. Raises SwarmError when there is no campaign."""
    campaign = reader.campaign()
    rows = reader.rows(f"{SQL} WHERE v.campaign=? GROUP BY v.id ORDER BY v.id DESC LIMIT ?", campaign.id, LISTED)
    return [_wave(row) for row in reversed(rows)]


def wave(reader: Reader, number: int) -> Wave:
    """Raises SwarmError when there is none of this number."""
    rows = reader.rows(f"{SQL} WHERE v.campaign=? AND v.id=? GROUP BY v.id", reader.campaign().id, number)
    if not rows:
        raise SwarmError(f"there is no wave {number} here.", "swarm grid lists them.")
    return _wave(rows[0])


def _wave(row: tuple[Any, ...]) -> Wave:
    ident, author, kind, base, factors, repeats, state, cells, measured, created, ended, answer = row
    names = tuple(_named(f, kind) for f in json.loads(factors))
    told = json.loads(answer) if answer else None
    return Wave(ident, author, kind, base, names, repeats, state, cells, int(measured), created, ended, told)


def _named(factor: dict[str, Any], kind: str) -> str:
    return str(factor["name"]) if kind == "changes" else f"{factor['name']}={','.join(factor['levels'])}"


def told(found: Wave) -> list[str]:
    """The answer in a few lines, or how far it is."""
    if found.answer is not None:
        return [str(line) for line in found.answer["text"]]
    left = found.cells - found.measured
    return [f"wave {found.id} on {found.base}: {found.measured} of {found.cells} cells are over, {left} to come."]
