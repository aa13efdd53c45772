"""The only place that talks to git: the hub, the agents' worktrees, and replaying a change."""

from swarm.repo.hub import Hub
from swarm.repo.replay import Conflict, replay
from swarm.repo.worktrees import Worktrees

__all__ = ["Conflict", "Hub", "Worktrees", "replay"]
