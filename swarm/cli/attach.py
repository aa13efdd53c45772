"""`swarm attach`: become the terminal that shows an agent."""

from __future__ import annotations

import os
import sys

from swarm.errors import SwarmError
from swarm.workspace import Workspace


def run(workspace: Workspace, agent: str) -> None:
    """Show the agent's session; this process becomes the viewer. Raises SwarmError when there is no such session."""
    from swarm import sessions

    there = sessions.best(workspace)
    panes = there.list()
    if agent not in panes:
        names = ", ".join(sorted(panes)) or "none"
        raise SwarmError(f"no agent {agent} has a session here.", f"Sessions: {names}. All agents: swarm status")
    argv = there.attach_argv(agent)
    sys.stdout.flush()
    env = {k: v for k, v in os.environ.items() if k != "TMUX"}  # also from inside another tmux
    os.execvpe(argv[0], argv, env)
