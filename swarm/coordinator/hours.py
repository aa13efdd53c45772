"""hours: how long a campaign has been searched, as `--hours` means it: time in which somebody searched.

A living coordinator measures by a clock that nobody sets and that rests while the machine is suspended, and books what
it measured every minute. Between two coordinators the clock on the wall is all there is: it counts, but for two minutes
at most a time. So neither a clock that is set, nor a closed laptop, nor a night without power uses a campaign up; and a
coordinator that dies again and again cannot prolong it for ever. `--until` is a moment, and the wall's clock says when.
"""

from __future__ import annotations

import json

from swarm.coordinator.world import World
from swarm.research.campaign import BOOKED_EVERY, elapsed


def searched(w: World) -> float:
    """Seconds that count towards `hours`, now; written down when it is time to."""
    text = w.campaign.stop
    rule = json.loads(text)
    if w.measured_from is None or w.measured_from[0] != text:  # a new rule, or a new coordinator
        w.measured_from = (text, elapsed(rule, w.now), w.awake)
    _, before, since = w.measured_from
    total = before + max(0.0, w.awake - since)
    if total - float(rule.get("booked", 0.0)) >= BOOKED_EVERY:
        _book(w, rule, total)
    return total


def _book(w: World, rule: dict[str, object], total: float) -> None:
    text = json.dumps({**rule, "booked": total, "at": w.now})
    w.set_campaign(stop=text)
    w.measured_from = (text, total, w.awake)
