"""adopt: an agent goes on from an experiment of its choice, with its own kept changes measured again on top."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import pollinate, promote, rights
from swarm.coordinator.planting import put_on_tip
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.research.experiment import Agent, Experiment


def adopt(w: World, name: str, what: str) -> dict[str, Any]:
    """tip := `what`: any measured experiment of this campaign that did not crash. Own kept changes become one stack on it.

    Raises Refused for anything else, KeyError for what is nothing here.
    """
    rights.check(w, name, "adopt")
    agent = w.agent(name)
    if w.campaign.state != "searching" or agent.state not in LIVE:
        raise Refused("nothing can be adopted now: the campaign is not searching.", "See: status.")
    e = _measured(w, what)
    if w.policy.apart and e.agent not in (None, name):
        raise Refused(f"{e.id} is another agent's, and here each works for itself.", "Edit, then submit.")
    if e.id == agent.tip:
        raise Refused(f"you build on {e.id} already.", "Edit, then submit.")
    with w.ledger.tx():
        stack, kept = pollinate.move(w, agent, e.id)
        w.say("adopted", name, e.id, was=agent.tip, stack=stack, kept=kept)
    clean = _untouched(w, agent)
    if clean:
        put_on_tip(w, name)
    return {"tip": e.id, "was": agent.tip, "stack": stack, "kept": kept, "moved": clean, "base": w.agent(name).base}


def _measured(w: World, what: str) -> Experiment:
    e = promote.find(w, what)
    if e is None:
        raise KeyError(what)
    if e.same_as is not None:
        e = w.ledger.experiment(e.same_as)
    if e.verdict == "crash" or e.commit is None or not e.runs or e.campaign != w.campaign.id:
        why = "it crashed" if e.verdict == "crash" else "it has no result in this campaign"
        raise Refused(f"{e.id} cannot be built on: {why}.", "Adopt one with a score: see leaderboard.")
    return e


def _untouched(w: World, agent: Agent) -> bool:
    """Whether the worktree has no edits that were not submitted."""
    try:
        files = w.worktrees.editable(agent.name)
    except Refused:
        return False
    base = w.commit_of(agent.base)
    return all(w.hub.read(base, path) == data for path, data in files.items())
