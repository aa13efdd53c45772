"""A queued change becomes a commit on its agent's tip of this moment, and gets its one parent."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.coordinator import house, seeding, waves
from swarm.coordinator.world import World
from swarm.repo import Conflict, Damaged, Failed, replay, verify
from swarm.research.experiment import NO_WORKERS, Agent, Experiment
from swarm.research.judging import p_less


@dataclass(frozen=True)
class Bound:
    """`commit` None: nothing to run, `verdict` and `reason` say why."""

    parent: str
    commit: str | None
    verdict: str = ""
    reason: str = ""
    left_out: tuple[str, ...] = ()


def bind(w: World, e: Experiment, tip: str) -> Bound:
    """Replay the change of `e` onto the experiment `tip`. Touches objects only: no row, no ref.

    Where the objects of one of them are gone or written over, that is its end: the others' turn comes.
    """
    try:
        return _replayed(w, e, tip)
    except Failed:
        members = [w.ledger.experiment(name).commit for name in waves.members(w, e)]
        for commit in (e.submitted, w.commit_of(e.base or tip), w.commit_of(tip), *members):
            try:
                if commit:
                    verify(w.hub, commit)
            except Damaged as damage:
                return Bound(tip, None, "crash", f"machine: {damage.message}")
        raise  # a full disk, say: it is tried again


def _replayed(w: World, e: Experiment, tip: str) -> Bound:
    onto = w.commit_of(tip)
    if e.exact:
        return _exact(w, e, tip)
    if e.agent == house.NAME:
        return _whole(w, e, tip, onto)
    if e.stack_of:
        return _stack(w, e, tip, onto)
    assert e.base and e.submitted
    files = replay(w.hub, w.commit_of(e.base), e.submitted, onto, w.task.edit)
    if isinstance(files, Conflict):
        return Bound(tip, None, "conflict", f"{files.path}: it no longer fits what {tip} changed there")
    return _made(w, e, tip, onto, files)


def _made(w: World, e: Experiment, tip: str, onto: str, files: dict[str, bytes]) -> Bound:
    """These files as one commit on the parent, if they are any other than the parent's."""
    commit = w.hub.commit(files, onto, _message(e))
    if w.hub.tree(commit) == w.hub.tree(onto):
        return Bound(tip, None, "answered", f"already in {tip}")
    return Bound(tip, commit)


def _exact(w: World, e: Experiment, tip: str) -> Bound:
    assert e.submitted
    return Bound(tip, e.submitted)


def _whole(w: World, e: Experiment, tip: str, onto: str) -> Bound:
    """An experiment of the swarm's own: all of it fits, or nothing is run."""
    if e.origin == "blank":
        there = {p: w.hub.read(onto, p) for p in w.task.edit if p in w.hub.paths(onto)}
        return Bound(tip, w.hub.commit(there, onto, _message(e)))
    files = waves.files_of(w, e) if e.origin == "wave" else waves.together(w, waves.members(w, e), tip, _message(e))
    if isinstance(files, Conflict):
        return Bound(tip, None, "conflict", f"{files.path}: {files.text}")
    return _made(w, e, tip, onto, files)


def _stack(w: World, e: Experiment, tip: str, onto: str) -> Bound:
    """Members one after another; one that does not fit is left out and named."""
    at, left_out = onto, []
    for name in waves.members(w, e):
        member = w.ledger.experiment(name)
        if member.parent is None or member.commit is None:
            continue
        files = replay(w.hub, w.commit_of(member.parent), member.commit, at, w.task.edit)
        if isinstance(files, Conflict):
            left_out.append(name)
            continue
        at = w.hub.commit(files, at, f"{name}: {member.description}")
    if w.hub.tree(at) == w.hub.tree(onto):
        verdict, reason = (
            ("conflict", f"none of {', '.join(left_out)} fits {tip}") if left_out else ("answered", f"already in {tip}")
        )
        return Bound(tip, None, verdict, reason, tuple(left_out))
    # one commit on the parent, whatever the number of members
    files = {p: w.hub.read(at, p) for p in w.task.edit if p in w.hub.paths(at)}
    return Bound(tip, w.hub.commit(files, onto, _message(e)), left_out=tuple(left_out))


def _message(e: Experiment) -> str:
    return f"{e.id}: {e.description}"[:2000]


def settle_binding(w: World, e: Experiment, agent: Agent | None, bound: Bound, klass: int) -> Experiment | None:
    """Write the binding down (inside the caller's transaction) and queue its run.

    Returns the bound experiment, or None when it is done without a run: a conflict, nothing new, or a tree that was
    measured under this key already (judged from that).
    """
    key = w.key(klass)
    order = w.ledger.next_bound()
    if bound.commit is None:
        w.set_experiment(
            e.id, stage="done", parent=bound.parent, verdict=bound.verdict, reason=bound.reason, bound=order,
            bound_at=w.now, judged_at=w.now, key=key, klass=klass,
        )  # fmt: skip
        w.say("judged", e.agent, e.id, verdict=bound.verdict, reason=bound.reason)
        return None
    tree = w.hub.tree(bound.commit)
    w.set_experiment(
        e.id, parent=bound.parent, commit=bound.commit, tree=tree, stage="bound", bound=order, bound_at=w.now,
        key=key, klass=klass, patch=w.hub.diff(w.commit_of(bound.parent), bound.commit),
        lines=w.hub.lines(w.commit_of(bound.parent), bound.commit),
    )  # fmt: skip
    w.pin(f"refs/experiments/{e.id}", bound.commit)
    w.say("bound", e.agent, e.id, parent=bound.parent, left_out=list(bound.left_out))
    twin = None if e.exact or e.origin == "blank" else _measured(w, e, tree, key)
    if twin is not None:
        _answer(w, e, agent, twin, bound.parent, klass)
        return None
    purpose = "person" if e.agent == "you" else "screen"
    w.ledger.add_run(e.id, purpose, klass, key, w.now, seeding.screening(w, e.id, klass))
    return w.ledger.experiment(e.id)


def _measured(w: World, e: Experiment, tree: str, key: str) -> Experiment | None:
    """The same file, measured under this key; where agents work apart, by the same one or as the baseline."""
    own, whose = (" AND (agent IS NULL OR agent=?)", (e.agent,)) if w.policy.apart else ("", ())
    return w.ledger.one(
        Experiment,
        f"WHERE campaign=? AND tree=? AND key=? AND id!=? AND runs>0 AND origin!='blank'{own} ORDER BY bound",
        w.campaign.id, tree, key, e.id, *whose,
    )  # fmt: skip


def _answer(w: World, e: Experiment, agent: Agent | None, twin: Experiment, parent: str, klass: int) -> None:
    """The same tree was measured: its result is the answer, and the agent builds on it if it is the better one."""
    mine, theirs = w.beliefs.of(parent, klass), w.beliefs.of(twin.id, klass)
    p = p_less(theirs, mine) if mine and theirs else None
    better = p is not None and p >= 0.5 and twin.verdict in ("keep", None)
    reason = f"the same file was measured as {twin.id} ({twin.raw:.6g}, {twin.verdict or 'baseline'})"
    w.set_experiment(
        e.id, stage="done", same_as=twin.id, verdict="answered", reason=reason, p_better=p, judged_at=w.now
    )  # fmt: skip
    if agent is not None and agent.kind not in NO_WORKERS and better and agent.tip == parent:
        w.set_agent(agent.name, tip=twin.id)
    w.say("judged", e.agent, e.id, verdict="answered", reason=reason, p=p, same_as=twin.id)
