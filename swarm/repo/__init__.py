"""The only place that talks to git: the hub, the agents' worktrees, and replaying a change."""

from swarm.repo.call import Failed
from swarm.repo.hub import Hub
from swarm.repo.proof import Damaged, verify
from swarm.repo.replay import Conflict, replay
from swarm.repo.worktrees import Worktrees

__all__ = ["Conflict", "Damaged", "Failed", "Hub", "Worktrees", "replay", "verify"]
