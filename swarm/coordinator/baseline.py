"""The first thing a campaign does: the task as given, one seed on every slot at once. Noise, speed, does it run at all."""

from __future__ import annotations

from swarm.coordinator.world import World
from swarm.research.experiment import Experiment, Run


def begin(w: World, commit: str, now: float) -> str:
    """The baseline experiment (its runs come with the slots). Inside the caller's transaction."""
    ident = w.ledger.next_experiment()
    w.ledger.add(
        "experiments", id=ident, campaign=w.campaign.id, origin="baseline", kind="code", description="as given",
        stage="bound", commit=commit, submitted=commit, tree=w.hub.tree(commit), bound=w.ledger.next_bound(),
        created=now, bound_at=now,
    )  # fmt: skip
    w.pin(f"refs/experiments/{ident}", commit)
    w.set_campaign(baseline=ident, best=ident)
    return ident


def queue_runs(w: World) -> None:
    """One run per slot, at least three; in every hardware class at least one."""
    ident = w.campaign.baseline
    assert ident is not None
    slots = w.slots()
    w.set_experiment(ident, klass=w.home, key=w.key(w.home))
    for number in range(max(len(slots), w.policy.baseline_runs)):
        klass = slots[number % len(slots)].klass
        w.ledger.add_run(ident, "baseline", klass, w.key(klass), w.now)


def review(w: World, e: Experiment) -> None:
    """All baseline runs over: search, or end before an agent spends anything."""
    if w.campaign.state != "baseline":
        return
    runs = w.ledger.all(Run, "WHERE experiment=? AND purpose='baseline'", e.id)
    crashed = [r for r in runs if r.status == "crashed"]
    finished = [r for r in runs if r.status == "finished"]
    if (not finished and len(crashed) >= min(2, len(runs))) or all(r.status == "crashed" for r in runs):
        _failed(w, e, crashed[-1].reason or "")
    elif all(r.status in ("finished", "crashed", "cancelled") for r in runs) and any(
        r.klass == w.home for r in finished
    ):
        _done(w, e, finished)


def _done(w: World, e: Experiment, runs: list[Run]) -> None:
    noise = w.beliefs.noise(w.home)
    w.set_experiment(e.id, stage="done", judged_at=w.now)
    w.set_campaign(state="searching", searching=w.now)
    e = w.ledger.experiment(e.id)
    w.say("baseline", None, e.id, score=e.raw, sd=noise.sd, runs=len(runs))


def _failed(w: World, e: Experiment, reason: str) -> None:
    w.set_experiment(e.id, stage="done", verdict="crash", reason=reason, judged_at=w.now)
    for run in w.ledger.open_runs("queued"):
        w.ledger.change("runs", {"id": run.id}, status="cancelled", ended=w.now)
    w.set_campaign(state="ending", why_ended=f"the baseline crashed: {reason.splitlines()[0] if reason else 'no word'}")
    w.say("ended", None, e.id, why="the baseline crashed", tail=reason[-2000:])
