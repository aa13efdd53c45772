"""confirm: candidates for `best` are measured again, one at a time, before everybody builds on them."""

from __future__ import annotations

import math

from swarm.coordinator import blanks, control, promote, seeding, verify
from swarm.coordinator.world import World
from swarm.research.confirming import Gate, decide
from swarm.research.experiment import Experiment, Run, Slot
from swarm.research.judging import p_less

ENOUGH = 2  # crashes of what never ran in a class
CLOSE = 200  # candidates looked at
FEW = 8  # of each other kind of hardware
OVER = "status IN ('finished','crashed')"  # word for word as the index says it


def review(w: World) -> bool:
    """Promote, drop, or ask for one more run; until nothing is left to decide. Returns whether anything changed."""
    did = False
    while w.campaign.state == "searching":
        did = _overtaken(w) or did
        candidate = next_candidate(w)
        if candidate is None or not _decide(w, candidate):
            return did
        did = True
    return did


def _overtaken(w: World) -> bool:
    """Candidates whose confirming runs brought them below best: they did not hold, unless best only overtook them."""
    did = False
    rows = w.ledger.all(
        Experiment,
        "WHERE campaign=? AND verdict='keep' AND dropped=0 AND id IN (SELECT experiment FROM runs WHERE purpose='confirm' "
        f"AND {OVER} AND status='finished') AND id NOT IN (SELECT experiment FROM promotions)",
        w.campaign.id,
    )
    for e in rows:
        mine, best, parent = (w.beliefs.of(i, w.home) for i in (e.id, w.campaign.best, e.parent))
        if mine is None or best is None or parent is None or mine.m < best.m:
            continue
        n, p = len(w.beliefs.losses(e.id, w.home)), chance(w, e.id)
        if n >= w.policy.confirm_runs and p_less(mine, parent) < 0.5:
            did = _drop(w, e, p, n, f"P(better than best) {p:.2f} after {n} runs")
    return did


def next_candidate(w: World) -> Experiment | None:
    """The kept experiment with the best posterior among those believed better than best, in the home class."""
    home, best = w.home, w.campaign.best
    mine = w.beliefs.of(best, home) if best else None
    if mine is None or best is None:
        return None
    order = "ASC" if w.campaign.better == "lower" else "DESC"
    rows = w.ledger.all(
        Experiment, "WHERE campaign=? AND verdict='keep' AND dropped=0 AND klass=? AND estimate IS NOT NULL "
        f"ORDER BY estimate {order} LIMIT ?", w.campaign.id, home, CLOSE
    )  # fmt: skip
    believed = [(b.m, e) for e in rows if e.id != best and (b := w.beliefs.of(e.id, home)) is not None and b.m < mine.m]
    confirmed = [pair for pair in believed if len(w.beliefs.losses(pair[1].id, home)) >= w.policy.confirm_runs]
    # what has its confirming run is decided before the next one is looked at: a stream of finds must not hold best up
    some = confirmed or [*(pair for pair in believed if _hopeful(w, pair[1])), *_abroad(w, mine.m)]
    return min(some, key=lambda pair: (pair[0], pair[1].id))[1] if some else None


def _hopeful(w: World, e: Experiment) -> bool:
    """What would have to surprise is not worth a run while there are others: it stays as it is, unconfirmed."""
    return chance(w, e.id) >= w.policy.confirm_drop


def _abroad(w: World, best: float) -> list[tuple[float, Experiment]]:
    """Kept on other hardware, never measured in the home class, and further beyond the baseline there than best is here.

    With the loss that would mean at home: only a run there can say.
    """
    home, given = w.home, w.campaign.baseline
    others = {s.klass for s in w.slots()} - {home}
    base = w.beliefs.of(given, home)
    if not others or base is None:
        return []
    found = []
    for klass in others:
        there = w.beliefs.of(given, klass)
        where = (
            "WHERE campaign=? AND verdict='keep' AND dropped=0 AND klass=? AND estimate IS NOT NULL ORDER BY estimate"
        )
        order = "ASC" if w.campaign.better == "lower" else "DESC"
        for e in w.ledger.all(Experiment, f"{where} {order} LIMIT ?", w.campaign.id, klass, FEW) if there else ():
            b = w.beliefs.of(e.id, klass)
            if b is None or there is None or w.beliefs.losses(e.id, home) or hopeless(w, e.id, home):
                continue
            if (loss := base.m + b.m - there.m) < best:
                found.append((loss, e))
    return found


def _decide(w: World, e: Experiment) -> bool:
    """Returns whether something was decided (look again), False when runs are still to come."""
    home = w.home
    n, p = len(w.beliefs.losses(e.id, home)), chance(w, e.id)
    runs = w.ledger.all(Run, "WHERE experiment=? AND purpose='confirm'", e.id)
    if any(r.status == "crashed" for r in runs):
        return _drop(w, e, p, n, "it crashed when measured again")
    word = decide(n, p, gate(w))
    if word == "promote" and e.origin == "blank":
        blanks.promoted(w, e, p, n)
        return True
    if word == "promote":
        promote.promote(w, e.id, "confirmation", p)
        return True
    if word == "drop":
        return _drop(w, e, p, n, f"P(better than best) {p:.2f} after {n} runs")
    if not any(r.status in ("queued", "running") for r in runs):
        with w.ledger.tx():
            ident = w.ledger.add_run(e.id, "confirm", home, w.key(home), w.now, seeding.confirming(w, e.id, home))
            w.say("confirming", e.agent, e.id, run=ident)
    return False


def gate(w: World) -> Gate:
    p = w.policy
    return Gate(p.confirm_runs, p.confirm_most, p.confirm_p, p.confirm_drop)


def chance(w: World, ident: str) -> float:
    """P(better than best) in the home class. What was built on best is better where its own effect is a gain."""
    home, best = w.home, w.campaign.best
    node = w.beliefs.nodes.get(ident)
    if node is not None and node.parent == best and (effect := w.beliefs.effect(ident, home)) is not None:
        return effect.gain if w.policy.confirm_by == "gain" else effect.better
    a, b = w.beliefs.of(ident, home), w.beliefs.of(best, home)
    return p_less(a, b) if a is not None and b is not None else 0.0


def _drop(w: World, e: Experiment, p: float, n: int, why: str) -> bool:
    """It did not hold. Its author goes back to the parent if nothing was built on it."""
    with w.ledger.tx():
        w.set_experiment(e.id, dropped=1)
        w.say("not-held", e.agent, e.id, p=p, n=n, why=why)
        for agent in w.agents():
            built = w.ledger.value("SELECT 1 FROM experiments WHERE parent=? AND stage!='done'", e.id)
            if agent.tip == e.id and e.parent and not built:
                w.set_agent(agent.name, tip=e.parent)
    return True


def withdraw(w: World) -> bool:
    """A best whose later runs bring P(better than its predecessor) under 0.5, or that only crashes, is withdrawn.

    Unless a person holds it.
    """
    best, home = w.campaign.best, w.home
    standing = promote.standing(w)
    if standing is None or standing.hold or standing.previous is None or best is None:
        return False
    if hopeless(w, best, home) and not w.ledger.value(
        "SELECT 1 FROM runs WHERE experiment=? AND status IN ('queued','running')", best
    ):
        promote.withdraw(w, standing, 0.0)
        return True
    a, b = w.beliefs.of(best, home), w.beliefs.of(standing.previous, home)
    if a is None or b is None or len(w.beliefs.losses(best, home)) < w.policy.confirm_runs or p_less(a, b) >= 0.5:
        return False
    promote.withdraw(w, standing, p_less(a, b))
    return True


def hopeless(w: World, ident: str, klass: int) -> bool:
    """Whether it crashed whenever it was measured in this class (a person may promote what was never measured): enough."""
    if w.beliefs.losses(ident, klass):
        return False
    crashed = w.ledger.value(
        "SELECT COUNT(*) FROM runs WHERE experiment=? AND klass=? AND status='crashed'", ident, klass
    )
    return int(crashed) >= ENOUGH


def may_run(w: World, run: Run, slot: Slot) -> bool:
    """At most a quarter of the slots and the policy's share of their time (one always), on another slot if there is one."""
    if run.purpose != "confirm":
        return True
    slots = w.slots()
    its = control.its_open_runs(w)
    going = [r for r in w.ledger.open_runs("running") if r.purpose in ("confirm", "person") and r.id not in its]
    over = _share(w, len(slots)) >= w.policy.confirm_share
    if len(going) >= (1 if over else max(1, len(slots) // 4)):
        return False
    if over and owners_turn(w, slot):
        return False
    return elsewhere(w, run, slot)


def elsewhere(w: World, run: Run, slot: Slot) -> bool:
    """Whether what is measured again was not measured on this slot yet, or there is no other of its class."""
    used = {
        str(s)
        for (s,) in w.ledger.rows("SELECT slot FROM runs WHERE experiment=? AND slot IS NOT NULL", run.experiment)
    }
    others = [s for s in w.slots() if s.klass == slot.klass and s.id not in used]
    return slot.id not in used or not others


def owners_turn(w: World, slot: Slot) -> bool:
    """Whether the slot's last run measured something again while its owner waits with something new: its turn then."""
    last = w.ledger.value(
        "SELECT r.purpose FROM attempts a JOIN runs r ON r.id=a.run WHERE a.slot=? ORDER BY a.rowid DESC LIMIT 1",
        slot.id,
    )
    return last in ("confirm", "reference") and slot.agent is not None and bool(w.unfinished(slot.agent))


def _share(w: World, slots: int) -> float:
    """Slot time spent on confirming since the search began."""
    began = w.campaign.searching
    if began is None or w.now <= began:
        return 0.0
    its = " AND (SELECT campaign FROM experiments e WHERE e.id=runs.experiment)>0" if w.control else ""
    sql = f"SELECT SUM(seconds) FROM runs WHERE purpose='confirm' AND {OVER} AND started>?{its}"
    spent = w.ledger.value(sql, began) or 0.0
    return float(spent) / ((w.now - began) * max(1, slots))


def rested(w: World, slot: Slot) -> bool:
    """Whether a slot had nothing to do for so long that it is given something of nobody's."""
    waited = None if slot.free_since is None else w.now - slot.free_since
    return w.campaign.state == "searching" and waited is not None and not 0 <= waited < patience(w)


def idle_run(w: World, slot: Slot) -> Run | None:
    """A slot with nothing to do for a while measures something again (see verify)."""
    if not rested(w, slot):
        return None
    busy = {r.experiment for r in w.ledger.open_runs("queued", "running")}
    busy |= {i for i in (w.campaign.baseline, w.campaign.best) if i is not None and hopeless(w, i, slot.klass)}
    chosen = verify.choose(w, slot, busy)
    if chosen is None:
        return None
    with w.ledger.tx():
        ident = w.ledger.add_run(chosen[0], "reference", slot.klass, w.key(slot.klass), w.now, chosen[1])
    return w.ledger.run(ident)


def patience(w: World) -> float:
    """Seconds until a slot counts as idle: the policy's, and at least as long as a run takes.

    What is measured again holds up whatever its owner thinks of meanwhile: at 60 s of thinking for a run of 300 s an agent
    without a queue got a fifth fewer experiments (bench.depth). Who has thought that long may well think so long again.
    """
    took = w.ledger.value("SELECT AVG(seconds) FROM runs WHERE experiment=? AND status='finished'", w.campaign.baseline)
    return max(w.policy.idle_after, float(took or 0.0))


def p_over_best(w: World, ident: str) -> float | None:
    """P(better than best), None where one of them has no run in the home class."""
    a, b = w.beliefs.of(ident, w.home), w.beliefs.of(w.campaign.best, w.home)
    if a is None or b is None:
        return None
    p = p_less(a, b)
    return None if math.isnan(p) else p
