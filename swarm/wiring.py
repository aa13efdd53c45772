"""The only place where concretes meet: which ledger, hub, executor, sessions and agent kinds a coordinator gets."""

from __future__ import annotations

from collections.abc import Sequence

from swarm import sessions, slots
from swarm.agents import kind
from swarm.coordinator.story import Story
from swarm.executors.local import LocalExecutor
from swarm.ledger.ledger import Ledger
from swarm.repo import Hub, Worktrees
from swarm.workspace import Workspace


def story(workspace: Workspace) -> Story:
    """Everything a coordinator of this workspace needs, made and opened.

    Raises SwarmError when the ledger cannot be written.
    """
    workspace.make()
    hub = Hub(workspace.hidden)
    hub.create()

    def plant(edit: Sequence[str]) -> Worktrees:
        return Worktrees(hub, workspace.worktrees, edit)

    return Story(
        workspace=workspace,
        ledger=Ledger(workspace.ledger),
        hub=hub,
        worktrees=plant,
        executor=LocalExecutor(),
        sessions=sessions.best(workspace),
        kinds=kind,
        strangers=lambda: slots.strangers(workspace.runs),
    )
