"""blanks: now and then a run of best with nothing changed. What is kept and promoted of these is luck, and counted as that.

A blank is judged and confirmed like any change, but best does not move to it.
"""

from __future__ import annotations

import math

from swarm.coordinator import house
from swarm.coordinator.world import World
from swarm.research.experiment import Experiment

FIGURE = "blanks"
TIMER = "blank"  # which order of binding the next one waits for


def due(w: World) -> bool:
    """Queue a blank when the policy's share of experiments has been bound since the last one. Returns whether it did."""
    share, best = w.policy.blank, w.campaign.best
    if not share or w.campaign.state != "searching" or best is None:
        return False
    now, every = w.ledger.next_bound(), math.ceil(1 / share)
    if TIMER not in w.timers:
        w.timers[TIMER] = (_last(w) or now) + every
    if now <= w.timers[TIMER]:
        return False
    with w.ledger.tx():
        house.add(w, "blank", best, "nothing changed: a blank run")
    w.timers[TIMER] = now + every
    return True


def _last(w: World) -> int | None:
    """The order of binding of the last blank; of the baseline where there is none yet. None while it waits."""
    rows = w.ledger.rows(
        "SELECT bound FROM experiments INDEXED BY experiments_by_agent WHERE campaign=? AND agent=? AND origin='blank' "
        "ORDER BY rowid DESC LIMIT 1", w.campaign.id, house.NAME,
    )  # fmt: skip
    found = rows[0][0] if rows else w.ledger.experiment(w.campaign.baseline or "").bound
    return None if found is None else int(found)


def promoted(w: World, e: Experiment, p: float, n: int) -> None:
    """It would be best now: that is written down, and it is no candidate any more."""
    with w.ledger.tx():
        w.set_experiment(e.id, dropped=1)
        w.say("blank", house.NAME, e.id, p=p, n=n)
        record(w)


def record(w: World) -> None:
    """What screens say of the blanks so far. To be called in a transaction."""
    rows = w.ledger.rows(
        "SELECT verdict, COUNT(*), TOTAL(p_better) FROM experiments INDEXED BY experiments_by_agent "
        "WHERE campaign=? AND agent=? AND stage='done' AND origin='blank' GROUP BY verdict", w.campaign.id, house.NAME
    )  # fmt: skip
    count = {str(verdict): int(n) for verdict, n, _ in rows}
    passed = w.ledger.value("SELECT COUNT(*) FROM events WHERE campaign=? AND kind='blank'", w.campaign.id)
    figure = {
        "kept": count.get("keep", 0), "discarded": count.get("discard", 0), "crashed": count.get("crash", 0),
        "promoted": int(passed), "p": sum(float(p) for verdict, _, p in rows if verdict == "keep"),
    }  # fmt: skip
    w.ledger.set_figure(w.campaign.id, FIGURE, figure, w.now)
