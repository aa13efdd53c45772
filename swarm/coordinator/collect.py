"""collect: results that count are taken once, and whatever follows from them is in the same transaction."""

from __future__ import annotations

import shutil
from pathlib import Path

from swarm.coordinator import baseline, early, figures, judge
from swarm.coordinator.dispatch import UNSTARTED, run_lock
from swarm.coordinator.world import NO_CHANGE, World
from swarm.ports import Outcome, Ticket
from swarm.research.experiment import Experiment, Run
from swarm.runner.spec import RunResult

ATTEMPTS = 3
TAIL = 4000


def collect(w: World) -> bool:
    """One batched look at everything that runs. Returns whether anything was over."""
    running = w.ledger.open_runs("running")
    if not running:
        return False
    tickets = [Ticket(r.id, r.attempt, w.workspace.run_folder(r.id, r.attempt), run_lock(w, r.id)) for r in running]
    outcomes = w.executor.poll(tickets)
    for outcome in outcomes:
        with w.ledger.tx():
            take(w, outcome)
    for outcome in outcomes:
        _tidy(w, outcome)
    return bool(outcomes)


def take(w: World, outcome: Outcome) -> None:
    """Accept iff this attempt is the current one and runs (a late twin after a node loss counts for nothing)."""
    run = w.ledger.run(outcome.run)
    if run.status != "running" or run.attempt != outcome.attempt:
        return
    with w.side_of(run.experiment):
        _take(w, run, outcome)
    w.ledger.change("slots", {"campaign": w.ground, "id": run.slot}, free_since=w.now)
    w.changed += 1


def _take(w: World, run: Run, outcome: Outcome) -> None:
    result = outcome.result
    stranger = w.shared.pop((run.id, run.attempt), None)
    if stranger is not None and run.attempt < ATTEMPTS:
        _lost(w, run, f"a foreign process (pid {stranger}) was on its GPU")
    elif result is None and not outcome.began:
        _lost(w, run, f"{UNSTARTED}: the coordinator ended just before")
    elif result is None or result.outcome == "lost":
        _lost(w, run, result.reason if result else "ended without a word")
    else:
        _record(w, run, result)


def _end_attempt(w: World, run: Run, outcome: str, why: str | None) -> None:
    w.ledger.change("attempts", {"run": run.id, "n": run.attempt}, ended=w.now, outcome=outcome, why=why)
    if w.used is not None and run.started is not None:
        others, its = w.used
        took = w.now - run.started
        w.used = (others, its + took) if w.beside else (others + took, its)


def _lost(w: World, run: Run, why: str) -> None:
    """The machine's fault: again, at most three times; then it is a crash of the machine. What never began is no try."""
    _end_attempt(w, run, "lost", why)
    w.say("lost", None, run.experiment, run=run.id, attempt=run.attempt, why=why)
    tries = w.ledger.value("SELECT COUNT(*) FROM attempts WHERE run=? AND why NOT LIKE ?", run.id, f"{UNSTARTED}%")
    if tries < ATTEMPTS and w.campaign.state in ("baseline", "searching"):
        w.ledger.change("runs", {"id": run.id}, status="queued", started=None)
        return
    status = "crashed" if tries >= ATTEMPTS else "cancelled"
    w.ledger.change("runs", {"id": run.id}, status=status, reason=f"machine: {why}", ended=w.now)
    settle(w, w.ledger.run(run.id))


def _record(w: World, run: Run, result: RunResult) -> None:
    s = result.summary
    good = result.outcome == "finished" and result.score is not None
    _end_attempt(w, run, "finished" if good else "crashed", result.reason or None)
    reason = None if good else f"{result.reason or 'no score'}\n{result.tail[-TAIL:]}".strip()
    w.ledger.change(
        "runs", {"id": run.id}, status="finished" if good else "crashed", score=result.score if good else None,
        reason=reason, ended=w.now, seconds=result.seconds, training_s=s.get("training_seconds"),
        steps=_int(s.get("num_steps")), params_m=s.get("num_params_M"), peak_vram_mb=s.get("peak_vram_mb"),
        tokens_m=s.get("total_tokens_M"), mfu=s.get("mfu_percent"), kernel=result.kernel or None,
    )  # fmt: skip
    early.keep(w, run.id, result.curve)
    if good:
        _believe(w, w.ledger.run(run.id))
    settle(w, w.ledger.run(run.id))


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _believe(w: World, run: Run) -> None:
    """The new run's place among the beliefs, and every estimate that it moves."""
    e = w.ledger.experiment(run.experiment)
    assert run.score is not None and run.klass is not None
    kind = "" if e.origin in NO_CHANGE or w.beside else e.kind
    w.beliefs.add(e.id, e.parent, e.bound or 0, run.klass, w.sign * run.score, run.seed, kind)
    w.beliefs.refit()
    n, mean = w.ledger.rows(
        "SELECT COUNT(*), AVG(score) FROM runs WHERE experiment=? AND status='finished' AND klass=?",
        e.id,
        e.klass or run.klass,
    )[0]
    speed = run.tokens_m * 1e6 / run.training_s if run.tokens_m and run.training_s else None
    w.set_experiment(
        e.id, runs=n, raw=mean, klass=e.klass or run.klass, steps=run.steps, params_m=run.params_m,
        peak_vram_mb=run.peak_vram_mb, tokens_s=speed,
    )  # fmt: skip
    if run.klass == w.home != (e.klass or run.klass):
        _at_home(w, e.id)
    write_estimates(w, run.klass)


def _at_home(w: World, ident: str) -> None:
    """Screened on other hardware, and now measured where best is judged: from here on that is its score."""
    home = w.home
    losses = w.beliefs.losses(ident, home)
    raw = w.sign * sum(losses) / len(losses)
    w.set_experiment(ident, klass=home, key=w.key(home), runs=len(losses), raw=raw)
    w.stored.setdefault(home, {}).pop(ident, None)  # its estimate is written anew


def write_estimates(w: World, klass: int) -> None:
    """Store the posteriors that have moved, so that screens need no computation."""
    for ident, belief in w.beliefs.changed(klass, w.stored.setdefault(klass, {})):
        home = w.ledger.value("SELECT klass FROM experiments WHERE id=?", ident)
        if home == klass:
            w.set_experiment(ident, estimate=w.sign * belief.m, stderr=belief.v**0.5)
            if w.kept is not None and ident in w.kept:
                figures.gained(w, ident, klass)


def settle(w: World, run: Run) -> None:
    """What follows from a run that is over for good."""
    e: Experiment = w.ledger.experiment(run.experiment)
    if run.purpose == "baseline":
        baseline.review(w, e)
    elif e.verdict is None and e.origin not in ("baseline",):
        judge.judge(w, e, run)
    if run.score is not None:
        figures.renew(w)
    w.say("measured", e.agent, e.id, run=run.id, score=run.score, purpose=run.purpose)
    w.dirty = True


def _tidy(w: World, outcome: Outcome) -> None:
    """The checkout is in the hub; the log and the result stay."""
    if not w.policy.keep_checkouts:
        folder: Path = w.workspace.run_folder(outcome.run, outcome.attempt)
        for name in ("work", "home", "tmp"):
            shutil.rmtree(folder / name, ignore_errors=True)
