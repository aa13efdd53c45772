"""judge: an experiment against its parent, once."""

from __future__ import annotations

import json

from swarm.coordinator import blanks, control, figures
from swarm.coordinator.world import World
from swarm.research.experiment import NO_WORKERS, Agent, Experiment, Run
from swarm.research.judging import Belief, p_better, verdict

CHAIN = 2  # a stack of a stack, and no further


def judge(w: World, e: Experiment, run: Run) -> None:
    """Freeze the verdict of `e` after its first run, and move its agent's tip or stack it. Inside a transaction."""
    if run.status == "cancelled":
        _freeze(w, e, "cancelled", "the campaign ended first")
        return
    if run.status == "crashed":
        _freeze(w, e, "crash", run.reason or "no word")
        return
    assert e.parent is not None and run.klass is not None and run.score is not None
    against, parent = _measured(w, e.parent, run.klass)
    if parent is None:
        return  # of all that it comes from nothing was measured in this class: a run in another one may tell
    mine = w.beliefs.measured(e.id, run.klass)
    p = p_better(mine.m, 1, parent, mine.v**0.5)
    broken = _limit(w, run)
    word = "discard" if broken else verdict(p, e.lines)
    reason = broken or f"{w.task.metric.name} {w.sign * mine.m:.6g} against {against}'s {w.sign * parent.m:.6g}"
    w.set_experiment(e.id, parent_m=w.sign * parent.m, parent_v=parent.v)
    _freeze(w, e, word, reason, p, mine.m - parent.m)
    if e.origin == "blank":
        blanks.record(w)
    elif word == "keep" and not w.beside:
        figures.gained(w, e.id, run.klass)
    if word == "keep" and e.agent is not None:
        author = w.ledger.agent(w.campaign.id, e.agent)
        if author is not None and author.kind not in NO_WORKERS:
            build_on(w, author, w.ledger.experiment(e.id))


def given_up(w: World, e: Experiment, why: str) -> None:
    """Discarded before it had a score. Inside a transaction."""
    _freeze(w, e, "discard", why)


def _measured(w: World, ident: str, klass: int) -> tuple[str, Belief | None]:
    """The parent and its belief; where it has no result (promoted unseen by a person), what it was put in place of."""
    at: str | None = ident
    while at is not None:
        belief = w.beliefs.of(at, klass)
        if belief is not None:
            return at, belief
        at = w.ledger.experiment(at).parent
    return ident, None


def _freeze(
    w: World, e: Experiment, word: str, reason: str, p: float | None = None, delta: float | None = None
) -> None:
    w.set_experiment(e.id, stage="done", verdict=word, reason=reason, p_better=p, judged_at=w.now)
    w.say(
        "judged", e.agent, e.id, verdict=word, p=p, delta=None if delta is None else w.sign * delta, reason=reason[:500]
    )


def _limit(w: World, run: Run) -> str | None:
    """A limit of the task that the run broke (`limits:` in swarm.yaml)."""
    for name, most in w.task.limits.items():
        value = getattr(run, name, None)
        if value is not None and value > most:
            return f"{name} {value:g} is over the limit of {most:g}"
    return None


def build_on(w: World, agent: Agent, e: Experiment) -> None:
    """Kept: the tip moves when it is still the parent; else the change joins the agent's one pending stack."""
    if agent.tip == e.parent:
        w.set_agent(agent.name, tip=e.id)
        w.pin(f"refs/tips/{agent.name}/{e.id}", e.commit or "")
        return
    if e.depth >= CHAIN:
        return
    stack(w, agent, [e.id], depth=e.depth + 1, why=f"{e.id} was kept, but {agent.tip} is the base by now")


def stack(w: World, agent: Agent, members: list[str], depth: int = 1, onto: str | None = None, why: str = "") -> str:
    """Queue kept changes on the agent's tip, as one experiment; joins the one that waits already (not a rebase's)."""
    waiting = None
    if onto is None:
        waiting = w.ledger.one(
            Experiment, "WHERE campaign=? AND agent=? AND origin='stack' AND stage='queued' AND rebase_onto IS NULL",
            w.campaign.id, agent.name,
        )  # fmt: skip
    if waiting is not None:
        together = json.loads(waiting.stack_of or "[]") + members
        w.set_experiment(
            waiting.id,
            stack_of=json.dumps(together),
            depth=max(depth, waiting.depth),
            description=_title(together, onto),
        )
        return waiting.id
    ident = w.ledger.next_experiment()
    w.ledger.add(
        "experiments", id=ident, campaign=w.campaign.id, agent=agent.name, origin="stack", kind=_kind(w, members),
        description=_title(members, onto), stage="queued", base=agent.tip, stack_of=json.dumps(members),
        rebase_onto=onto, depth=depth, created=w.now,
    )  # fmt: skip
    control.unheard(w, ident)
    if onto is None:
        w.say("stacked", agent.name, ident, stack=ident, members=members, why=why)
    return ident


def _kind(w: World, members: list[str]) -> str:
    return "code" if any(w.ledger.experiment(m).kind == "code" for m in members) else "const"


def _title(members: list[str], onto: str | None) -> str:
    return f"{' + '.join(members)}" + (f" on {onto}" if onto else "")
