"""Worktrees follow the ledger. While one is being written the ledger does not say where its branch belongs: a worktree
without that word was left by halves, and is put right before it is used."""

from __future__ import annotations

from swarm.coordinator.world import World
from swarm.repo import Failed


def plant(w: World, names: list[str]) -> None:
    """A worktree at its tip for each agent. Edits that stand in one from before are kept in the agent's folder."""
    if not names:
        return
    tips = {name: w.agent(name).tip for name in names}
    wanted = {name: w.commit_of(tip) for name, tip in tips.items()}
    for name in names:
        _keep(w, name)
    with w.ledger.tx():
        for name in names:
            w.ledger.drop_ref(branch(name))
    w.worktrees.add_all(wanted)
    with w.ledger.tx():
        for name, commit in wanted.items():
            w.set_agent(name, base=tips[name])
            w.ledger.set_ref(branch(name), commit)
            w.unmoved.pop(branch(name), None)  # the hub has it there already


def put_on_tip(w: World, name: str, tell: bool = False) -> None:
    """The worktree goes to the agent's tip. Only while the agent is inside a call, or has no live turn.

    `tell`: the agent hears of it with its next news.
    """
    agent = w.agent(name)
    commit = w.commit_of(agent.tip)
    w.ledger.drop_ref(branch(name))  # from here to the end it is torn, and what stands in it is nobody's edit
    w.worktrees.put(name, commit)
    with w.ledger.tx():
        if tell and agent.base != agent.tip:
            w.say("moved", name, None, was=agent.base, to=agent.tip)
        w.set_agent(name, base=agent.tip)
        w.pin(branch(name), commit)


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


def refs_follow(w: World) -> None:
    """The hub's refs are the ledger's again. What an agent committed on its branch by itself is pinned first."""
    there = w.hub.refs()
    with w.ledger.tx():
        for name, commit in w.ledger.refs().items():
            own = there.get(name)
            if own not in (None, commit) and name.startswith(branch("")) and not _ours(w, own):
                w.pin(f"refs/stray/{name.removeprefix(branch(''))}/{own[:12]}", own)
    w.hub.set_refs({name: commit for name, commit in w.ledger.refs().items() if there.get(name) != commit})


def _ours(w: World, commit: str) -> bool:
    return w.ledger.value('SELECT 1 FROM experiments WHERE "commit"=?', commit) is not None


def _keep(w: World, name: str) -> None:
    """Editable files that are in no commit of the hub's branch for this agent are copied before they are written over."""
    there = [w.workspace.worktree(name) / path for path in w.task.edit]
    if not any(file.is_file() for file in there):
        return
    commit = w.hub.refs().get(branch(name))
    for path, file in zip(w.task.edit, there, strict=True):
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
