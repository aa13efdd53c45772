"""Worktrees follow the ledger. While one is being written the ledger does not say where its branch belongs: a worktree
without that word was left by halves, and is put right before it is used."""

from __future__ import annotations

from swarm.coordinator.world import World
from swarm.repo import Failed
from swarm.research.experiment import Agent


def plant(w: World, names: list[str]) -> None:
    """A worktree at its tip for each agent. Edits that stand in one from before are kept in the agent's folder."""
    trees = w.worktrees
    for name in names:
        agent: Agent = w.agent(name)
        commit = w.commit_of(agent.tip)
        _keep(w, name)
        w.ledger.drop_ref(branch(name))
        trees.add(name, commit)
        _stands(w, agent, commit)


def put_on_tip(w: World, name: str) -> None:
    """The worktree goes to the agent's tip. Only while the agent is inside a call, or has no live turn."""
    agent = w.agent(name)
    commit = w.commit_of(agent.tip)
    w.ledger.drop_ref(branch(name))  # from here to the end it is torn, and what stands in it is nobody's edit
    w.worktrees.put(name, commit)
    _stands(w, agent, commit)


def _stands(w: World, agent: Agent, commit: str) -> None:
    with w.ledger.tx():
        w.set_agent(agent.name, base=agent.tip)
        w.pin(branch(agent.name), commit)


def torn(w: World, name: str) -> bool:
    """Whether its worktree was begun to be put somewhere, and the end of that never came (a kill, a full disk)."""
    return w.ledger.value("SELECT 1 FROM refs WHERE name=?", branch(name)) is None


def mend(w: World, names: list[str]) -> list[str]:
    """Put torn worktrees right, before anybody reads them or works in them. Returns which."""
    found = [n for n in names if torn(w, n)]
    plant(w, found)
    return found


def branch(name: str) -> str:
    return f"refs/heads/swarm/{name}"


def _keep(w: World, name: str) -> None:
    """Editable files that are in no commit of the hub's branch for this agent are copied before they are written over."""
    commit = w.hub.refs().get(branch(name))
    for path in w.task.edit:
        file = w.workspace.worktree(name) / path
        if not file.is_file() or file.is_symlink():
            continue
        data = file.read_bytes()
        if commit is None or not _holds(w, commit, path, data):
            kept = w.workspace.agents / name / "kept" / str(int(w.now)) / path
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)


def _holds(w: World, commit: str, path: str, data: bytes) -> bool:
    """Whether it can be had again from there."""
    try:
        return path in w.hub.paths(commit) and w.hub.read(commit, path) == data
    except Failed:  # damaged
        return False
