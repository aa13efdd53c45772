"""A verb that is said again because its answer was lost: its event remembers the name of the request.

Only for verbs that may well be meant twice in a row (`undo`, `tell`). The others see in the ledger that they were done.
"""

from __future__ import annotations

from swarm.coordinator.world import World
from swarm.research.experiment import Event


def before(w: World, kind: str, request: str | None) -> Event | None:
    """The event of an earlier saying of this very request."""
    if request is None:
        return None
    return w.ledger.one(
        Event,
        "WHERE campaign=? AND kind=? AND json_extract(data, '$.request')=? ORDER BY seq DESC",
        w.campaign.id,
        kind,
        request,
    )


def named(request: str | None) -> dict[str, str]:
    """What the event is to remember."""
    return {} if request is None else {"request": request}
