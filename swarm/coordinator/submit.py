"""submit: what an agent wrote becomes an experiment in the queue, pinned before anybody answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from swarm.coordinator import control, echo, program, rights
from swarm.coordinator import idea as ideas
from swarm.coordinator.planting import branch, mend, put_on_tip
from swarm.coordinator.promote import find
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused, SwarmError
from swarm.ledger.ledger import Error as LedgerError
from swarm.research.constants import changes, kind_of, with_values
from swarm.research.experiment import Agent, Experiment

log = logging.getLogger(__name__)

DESCRIPTION = 2000  # characters kept
PATCH = 20_000  # characters of a diff told back
READY = 2  # proposals that wait for an idle slot


@dataclass(frozen=True)
class Foretold:
    """What an agent says of a change before it is measured: the change of the score, the chance that it is better; and the
    idea that it tries."""

    change: float | None = None
    chance: float | None = None
    idea: int | None = None


def submit(
    w: World,
    name: str,
    description: str,
    hypothesis: str | None = None,
    expect: float | None = None,
    on: str | None = None,
    p: float | None = None,
    idea: int | None = None,
) -> dict[str, Any]:
    """Queue the agent's editable files as one change against what its worktree stands on, or against `on`. `expect`: the
    change of the score that it expects, `p`: the probability that it is better; `idea`: whose try it is.

    Raises Refused: nothing changed, queue full, other files touched, campaign over, `on` is nothing to build on, the idea is
    another agent's or over.
    """
    if mend(w, [name]):
        raise Refused(
            "your worktree had been left by halves (a fault in the middle of writing it) and was put right.",
            f"Read your files, edit, and submit again; what stood there is in {w.workspace.agents / name / 'kept'}",
        )
    agent = _may_submit(w, name)
    against = _against(w, on)
    if idea is not None:
        ideas.may_try(w, name, idea)
    base = w.commit_of(agent.base)
    trees = w.worktrees
    _restored(w, agent, base)
    files = trees.editable(name)
    program.check(w, agent, w.commit_of(against or agent.base), files)
    head = trees.head(name)
    foretold = Foretold(expect, p, idea)
    answer = queue(w, agent, files, description, hypothesis, foretold, against)
    edited = ""
    try:
        # the ledger's word: the branch in the hub may be the agent's own doing
        ours = w.ledger.value('SELECT "commit" FROM refs WHERE name=?', branch(name))
        if head and head not in (base, ours) and w.hub.resolve(head):
            w.pin(f"refs/stray/{name}/{head[:12]}", head)  # a commit of the agent's own: kept, never built on
        put_on_tip(w, name)
        with w.ledger.tx():
            edited = program.told(w, agent)
    except (SwarmError, OSError, LedgerError):  # it is in the queue all the same, and that is what the agent must hear
        w.unmoved.pop(branch(name), None)
        log.exception("the worktree of %s was not put on its tip; its next question does that", name)
    return {**answer, "program": edited, "next": program.next_idea(w, agent)}


def submit_values(w: World, name: str, values: dict[str, str], description: str | None = None) -> dict[str, Any]:
    """The same for an optimiser: constants set by name in the file of its tip. Raises Refused also for unknown names."""
    agent = _may_submit(w, name)
    put_on_tip(w, name)
    agent = w.agent(name)
    path, source = constants_file(w, agent.tip)
    try:
        after = with_values(source, values)
    except (KeyError, ValueError) as error:
        raise Refused(f"{path} has no such constant: {error}", "GET /v1/constants lists them.", 422) from None
    told = description or ", ".join(changes(source, after)) or "nothing changed"
    files = {p: w.hub.read(w.commit_of(agent.tip), p) for p in w.task.edit}
    changed = {**files, path: after.encode()}
    program.check(w, agent, w.commit_of(agent.tip), changed)
    return queue(w, agent, changed, told, None)


def constants_file(w: World, tip: str) -> tuple[str, str]:
    """The first editable Python file of a measured commit: path and text."""
    commit = w.commit_of(tip)
    for path in w.task.edit:
        if path.endswith(".py"):
            return path, w.hub.read(commit, path).decode(errors="replace")
    raise Refused("no editable file of this task is Python.", "A tuner needs UPPERCASE constants in a .py file.", 422)


def _may_submit(w: World, name: str) -> Agent:
    rights.check(w, name, "submit")
    agent = w.agent(name)
    if w.campaign.state not in ("baseline", "searching") or agent.state not in LIVE:
        raise Refused("the campaign is over: nothing more is taken.", "Stop here.")
    if w.campaign.paused:
        raise Refused("the campaign is paused.", "Wait: call wait.")
    if room(w, agent) <= 0:
        raise Refused(
            f"your queue is full ({limit(w, agent)} in flight). Your files are untouched.",
            "Wait for a result, then submit.",
        )
    return agent


def limit(w: World, agent: Agent) -> int:
    """At most so many submissions of an agent in flight."""
    return w.width(agent) + w.policy.queue


def room(w: World, agent: Agent) -> int:
    if not rights.measures(agent):
        return rights.room(w, agent)
    flying = [e for e in w.unfinished(agent.name) if e.origin == "submit"]
    if w.idles(agent):  # one is always ready, and little is out of date when a slot is free at last
        return READY - len([e for e in flying if e.stage == "queued"])
    return limit(w, agent) - len(flying)


def _restored(w: World, agent: Agent, base: str) -> None:
    trees = w.worktrees
    meddled = trees.meddled(agent.name, base)
    if not meddled:
        return
    keep = w.workspace.agents / agent.name / "kept" / str(int(w.now))
    trees.restore(agent.name, base, keep)
    edit = ", ".join(w.task.edit)
    raise Refused(
        f"only {edit} may be changed, but you changed {', '.join(meddled[:5])}. It was put back (your bytes are kept).",
        f"Make the change inside {edit}, then submit again.",
    )


def _against(w: World, on: str | None) -> str | None:
    """The experiment that the agent says its files are a change of. Raises Refused when it has no commit here."""
    if on is None:
        return None
    found = find(w, on)
    if found is None or found.commit is None or found.campaign != w.campaign.id:
        raise Refused(f"{on} is no experiment that a change can be based on.", "See: leaderboard.", 404)
    return found.id


def queue(
    w: World,
    agent: Agent,
    files: dict[str, bytes],
    description: str,
    hypothesis: str | None,
    foretold: Foretold = Foretold(),
    on: str | None = None,
) -> dict[str, Any]:
    """Objects first, then the row, then the ref; a crash in between loses nothing that was acknowledged.

    `on`: the experiment that the files are a change of, where it is not the one that the worktree stands on.
    """
    against = on or agent.base
    base = w.commit_of(against)
    text = " ".join(description.split())[:DESCRIPTION] or "no description"
    ident = w.ledger.next_experiment()
    commit = w.hub.commit(files, base, f"{ident}: {text}")
    if w.hub.tree(commit) == w.hub.tree(base):
        same = f"{on}" if on else "what you build on"
        raise Refused(f"nothing changed: your files are the same as {same}.", "Edit, then submit.")
    patch = w.hub.diff(base, commit)
    before = _in_flight(w, agent, w.hub.tree(commit))
    if before is not None:
        heard = f"this very change is in flight already, as {before}"
        return {"experiment": before, "diff": patch[:PATCH], "notes": [heard], "room": room(w, agent)}
    with w.ledger.tx():
        w.ledger.add(
            "experiments", id=ident, campaign=w.campaign.id, agent=agent.name, origin="submit", stage="queued",
            kind=_kind(w, base, files), description=text, hypothesis=(hypothesis or "")[:DESCRIPTION] or None,
            expect=foretold.change, expect_p=foretold.chance, base=against, submitted=commit, tree=w.hub.tree(commit), patch=patch, lines=w.hub.lines(base, commit),
            program_hash=agent.program_hash, created=w.now,
        )  # fmt: skip
        control.unheard(w, ident)
        w.pin(f"refs/submitted/{ident}", commit)
        w.set_agent(agent.name, state="thinking")
        w.say("submitted", agent.name, ident, description=text)
        for row in (
            [foretold.idea] if foretold.idea is not None else program.named(w, agent, ident, hypothesis, description)
        ):
            ideas.tried(w, agent.name, ident, row)
    return {
        "experiment": ident,
        "diff": patch[:PATCH],
        "notes": [] if w.policy.apart else _known(w, ident, w.hub.tree(commit)) + echo.notes(w, ident),
        "room": room(w, agent),
    }


def _in_flight(w: World, agent: Agent, tree: str) -> str | None:
    """The same change by the same agent that waits or runs: it asks again because it never heard the answer."""
    for e in w.unfinished(agent.name):
        if e.origin == "submit" and e.base == agent.base and e.submitted and w.hub.tree(e.submitted) == tree:
            return e.id
    return None


def _kind(w: World, base: str, files: dict[str, bytes]) -> str:
    for path, after in files.items():
        before = w.hub.read(base, path)
        if before != after and (
            not path.endswith(".py")
            or kind_of(before.decode(errors="replace"), after.decode(errors="replace")) == "code"
        ):
            return "code"
    return "const"


def _known(w: World, ident: str, tree: str) -> list[str]:
    twin = w.ledger.one(Experiment, "WHERE campaign=? AND tree=? AND id!=? ORDER BY rowid", w.campaign.id, tree, ident)
    if twin is None:
        return []
    came = twin.verdict or ("the task as given" if twin.origin == "baseline" else "not judged yet")
    return [f"the same file was submitted before, as {twin.id}: {came}"]
