"""early: a run whose loss says already that it leads nowhere is ended, where the policy asks for it (`policy.early`).

The verdict comes first, in one transaction with the run's end, and then the process is ended: whoever is killed in
between has a verdict and a process too many, and that one is ended by the next who finds its slot's lock held.
"""

from __future__ import annotations

from swarm.coordinator.judge import given_up
from swarm.coordinator.world import World
from swarm.ports import Ticket
from swarm.research import hopeless
from swarm.research.experiment import Experiment, Run, Slot
from swarm.research.hopeless import Curve, Rule
from swarm.research.noise import pooled
from swarm.runner.curve import Point, sound

EVERY = 1.0  # seconds between looks
PEERS = 200  # the newest runs that a run is compared with
ORIGINS = ("submit", "stack")  # not what a person asks for, and no cell of a question that needs all of its answers


def look(w: World) -> bool:
    """Look once at every run that may be ended. Returns whether one was."""
    if w.now < w.timers.get("early", 0.0) or w.campaign.state != "searching":
        return False
    w.timers["early"] = w.now + EVERY
    rule = rule_of(w)
    if rule is None:
        return False
    going = [r for r in w.ledger.open_runs("running") if r.purpose == "screen"]
    w.glimpsed = {(r.id, r.attempt): w.glimpsed.get((r.id, r.attempt), 0.0) for r in going}
    did = False
    for run in going:
        points = sound(w.executor.curve(ticket_of(w, run)))
        since = w.glimpsed[run.id, run.attempt]
        w.glimpsed[run.id, run.attempt] = points[-1][0] if points else since
        marks = [mark for mark, _ in points if mark > since and rule.due(mark)]
        if marks:
            with w.side_of(run.experiment):
                did = _judged(w, rule, run, points, marks) or did
    return did


def rule_of(w: World) -> Rule | None:
    """The rule of this campaign; None where runs are left alone."""
    policy = w.policy
    if policy.early == "off":
        return None
    by = hopeless.DEFAULTS[policy.early] if policy.early_by is None else policy.early_by
    return Rule(policy.early, by, policy.early_from)


def _judged(w: World, rule: Rule, run: Run, points: list[Point], marks: list[float]) -> bool:
    e = w.ledger.experiment(run.experiment)
    if e.origin not in ORIGINS or e.verdict is not None:
        return False
    mine = dict(points)
    for mark in marks:
        bar = _bar(w, rule, e, run, mine, mark)
        if bar is not None:
            end(w, run, e, points, hopeless.why(rule, mark, mine[mark], bar))
            return True
    return False


def _bar(w: World, rule: Rule, e: Experiment, run: Run, mine: Curve, mark: float) -> float | None:
    """What it had to reach and did not; None where it may go on."""
    if rule.kind == "parent":
        known = {
            name: _curves(w, "r.experiment=?", name, run) for name in {e.parent, w.campaign.best, w.campaign.baseline}
        }
        at_mark = [[c[mark] for c in curves if mark in c] for curves in known.values()]
        return hopeless.by_parent(mine, known[e.parent], mark, pooled(at_mark), rule.by)
    peers = _curves(w, "r.purpose=?", "screen", run)
    if rule.kind == "median":
        return hopeless.by_median(mine, peers, mark, rule.by)
    return hopeless.by_halving(mine, peers, mark, rule.by)


def _curves(w: World, where: str, what: str | None, run: Run) -> list[Curve]:
    """The newest runs of this kind that finished under the same key (class, budget, what is scored)."""
    rows = w.ledger.rows(
        "SELECT c.run, c.fraction, c.loss FROM (SELECT r.id FROM runs r WHERE "
        f"{where} AND r.status='finished' AND r.status IN ('finished','crashed') AND r.key=? "
        "ORDER BY r.queued DESC LIMIT ?) n JOIN curves c ON c.run=n.id", what, run.key, PEERS,
    )  # fmt: skip
    found: dict[int, dict[float, float]] = {}
    for ident, fraction, loss in rows:
        found.setdefault(int(ident), {})[fraction] = loss
    return list(found.values())


def end(w: World, run: Run, e: Experiment, points: list[Point], why: str) -> None:
    """Discarded without a score: it counts nowhere as measured."""
    with w.ledger.tx():
        w.ledger.change("attempts", {"run": run.id, "n": run.attempt}, ended=w.now, outcome="cancelled", why=why)
        w.ledger.change("runs", {"id": run.id}, status="cancelled", reason=why, ended=w.now)
        w.ledger.change("slots", {"campaign": w.ground, "id": run.slot}, free_since=w.now)
        keep(w, run.id, points)
        given_up(w, e, why)
    w.executor.cancel(ticket_of(w, run))


def keep(w: World, run: int, points: object) -> None:
    """A run's curve as it is recorded with the run's end. Inside the caller's transaction."""
    for fraction, loss in sound(points):
        w.ledger.add("curves", run=run, fraction=fraction, loss=loss)


def leftovers(w: World) -> None:
    """At a start: what was to be ended when the one before us was killed."""
    for slot in w.slots():
        end_again(w, slot)


def end_again(w: World, slot: Slot) -> None:
    """If the slot's last run was cancelled, it is to be over: its verdict is said. Silent where it is."""
    last = w.ledger.rows(
        "SELECT a.run FROM (SELECT run, outcome FROM attempts WHERE slot=? ORDER BY rowid DESC LIMIT 1) a "
        "WHERE a.outcome='cancelled'", slot.id
    )  # fmt: skip
    for (run,) in last:
        w.executor.cancel(ticket_of(w, w.ledger.run(int(run))))


def ticket_of(w: World, run: Run) -> Ticket:
    return Ticket(
        run.id, run.attempt, w.workspace.run_folder(run.id, run.attempt), w.workspace.locks / f"run-{run.id}.lock"
    )
