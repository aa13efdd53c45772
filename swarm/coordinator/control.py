"""control: a tuner alone, on a share of the same slots: it sees nobody's results and nobody sees its own.

It is a campaign beside the campaign (its number with a minus): all that is asked of a campaign's rows leaves the other out,
in both directions. Only the baseline and the noise are shared; they are about the task and the machine.
"""

from __future__ import annotations

import math
from typing import Any

from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.research import control as rules
from swarm.research.experiment import Promotion
from swarm.workspace import CONTROL

EVERY = 60.0  # seconds between comparisons
USED = (
    "SELECT a.started, a.ended, e.campaign<0, a.ended IS NULL FROM attempts a JOIN runs r ON r.id=a.run "
    "JOIN experiments e ON e.id=r.experiment WHERE a.started>=? ORDER BY a.rowid"
)


def wanted(wish: dict[str, Any]) -> bool:
    """Whether an agent of a spawn is the control."""
    return bool((wish.get("options") or {}).get("control"))


def split(w: World, running: bool, agents: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The agents without the control, and the control. Raises Refused for one that comes later, and for its name."""
    others = [a for a in agents if not wanted(a)]
    found = [a for a in agents if wanted(a)]
    if found and running:
        raise Refused(
            "a control begins with its campaign, and this one runs already.", "The next one: swarm spawn --control 0.1"
        )
    if len(found) > 1 or [a for a in others if a["name"] == CONTROL] or [a for a in found if a["name"] != CONTROL]:
        raise Refused(f"{CONTROL} is the name of the control, and there is one at most.", "Choose another name.")
    return others, found[0] if found else None


def begin(w: World) -> None:
    """Its campaign, on the baseline. Inside the transaction that begins the other."""
    c = w.campaign
    w.ledger.add(
        "campaigns", id=-c.id, name=f"{c.name}: control", task=c.task, stop=c.stop, state=c.state, metric=c.metric,
        better=c.better, best=c.baseline, baseline=c.baseline, created=c.created,
    )  # fmt: skip
    w.forget()


# --- its share of the slots -----------------------------------------------------------------------------------------


def its_open_runs(w: World) -> frozenset[int]:
    """Runs queued or under way that are the control's."""
    if w.control is None:
        return frozenset()
    sql = (
        "SELECT r.id FROM runs r JOIN experiments e ON e.id=r.experiment "
        "WHERE r.status IN ('queued','running') AND e.campaign=?"
    )
    return frozenset(i for (i,) in w.once(("its runs",), lambda: w.ledger.rows(sql, -w.ground)))


def due(w: World) -> bool:
    """Whether the next free slot is the control's."""
    if w.control is None or w.campaign.state != "searching" or w.campaign.searching is None:
        return False
    if w.used is None:
        w.used = _used(w, w.campaign.searching)
    its, typical = its_open_runs(w), _typical(w)
    going = w.once(("going",), lambda: w.ledger.open_runs("running"))
    lasted = {r.id: max(0.0, w.now - (r.started or w.now)) for r in going}
    coming = math.fsum(max(typical, seconds) for run, seconds in lasted.items() if run in its)
    whole = w.used[0] + w.used[1] + math.fsum(lasted.values())
    return rules.due(w.used[1], coming, whole, w.policy.control)


def _used(w: World, since: float) -> tuple[float, float]:
    """Slot-seconds that are over, of the others and of the control, since the search began."""
    rows = [row for row in w.ledger.rows(USED, since) if not row[3]]
    return tuple(math.fsum(end - start for start, end, its, _ in rows if its == side) for side in (0, 1))  # type: ignore[return-value]


def _typical(w: World) -> float:
    sql = "SELECT AVG(seconds) FROM runs WHERE experiment=? AND status='finished'"
    [(seconds,)] = w.once(("typical",), lambda: w.ledger.rows(sql, w.campaign.baseline))
    return float(seconds or 0.0)


def confirmed_last(w: World) -> bool:
    """Whether the last run of the control measured something again."""
    sql = (
        "SELECT r.purpose FROM attempts a JOIN runs r ON r.id=a.run JOIN experiments e ON e.id=r.experiment "
        "WHERE e.campaign=? ORDER BY a.rowid DESC LIMIT 1"
    )
    return w.ledger.value(sql, -w.ground) not in (None, "screen")


# --- the comparison -------------------------------------------------------------------------------------------------


def look(w: World, now: bool = False) -> bool:
    """Compare both at equal hours, every minute, for the screens. Returns False: nobody has to act on it."""
    if w.control is None or w.campaign.searching is None or (w.now < w.timers.get("control", 0.0) and not now):
        return False
    w.timers["control"] = w.now + EVERY
    figure = _figure(w, w.campaign.searching)
    if figure != w.ledger.figure(w.ground, "control"):
        w.ledger.set_figure(w.ground, "control", figure, w.now)
    return False


def _figure(w: World, since: float) -> dict[str, Any]:
    """What the screens show: seconds of slots each, both bests with estimate and standard error, P(the swarm's is better)."""
    rows = [(start, end if end is not None else w.now, its) for start, end, its, _ in w.ledger.rows(USED, since)]
    spans = [[(start, end) for start, end, its in rows if its == side] for side in (0, 1)]
    with w.as_control():
        agent = next(iter(w.agents()), None)
        mine = _promoted(w)
    out: dict[str, Any] = {"share": w.policy.control, "state": agent.state if agent else "stopped", "seconds": 0.0}
    out["seconds"] = round(rules.spent(spans[1], math.inf), 1)
    equal = rules.equal_hours(spans[1], spans[0])
    if equal is None or w.campaign.baseline is None:
        return out
    seconds, its_at, our_at = equal
    bests = [rules.best_at(mine, its_at, w.campaign.baseline), rules.best_at(_promoted(w), our_at, w.campaign.baseline)]
    beliefs = [w.beliefs.of(best, w.home) for best in bests]
    if beliefs[0] is None or beliefs[1] is None:
        return out
    found = rules.compared(seconds, (bests[0], beliefs[0]), (bests[1], beliefs[1]))
    sides = {
        side: {"experiment": best, "estimate": w.sign * b.m, "stderr": math.sqrt(b.v), "runs": len(w.beliefs.losses(best, w.home))}
        for side, best, b in (("control", found.control, found.control_is), ("swarm", found.swarm, found.swarm_is))
    }  # fmt: skip
    return out | sides | {"equal": round(seconds, 1), "p": found.p, "ahead": rules.word(found.p)}


def _promoted(w: World) -> list[rules.Promoted]:
    rows = w.ledger.all(Promotion, "WHERE campaign=? ORDER BY id", w.campaign.id)
    return [rules.Promoted(p.experiment, p.at, p.withdrawn) for p in rows]


def unheard(w: World, ident: str) -> None:
    """Its experiments are among no words that anybody recalls. Inside the transaction that makes one."""
    if w.beside:
        w.ledger.forget_words(ident)


def living(w: World) -> list[str]:
    """The control's agent, while it lives."""
    if w.control is None:
        return []
    with w.as_control():
        return [a.name for a in w.agents(*LIVE)]
