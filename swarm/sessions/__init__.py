"""Where agents' processes live: tmux sessions on a private server, or plain processes where tmux is absent."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from swarm.workspace import Workspace

if TYPE_CHECKING:
    from swarm.ports import Sessions


def best(workspace: Workspace) -> Sessions:
    """The sessions of a workspace, in tmux where it is installed. Nothing is started yet."""
    folder = workspace.hidden / "sessions"
    if shutil.which("tmux"):
        from swarm.sessions.tmux import Tmux

        return Tmux(workspace.session_name, folder)
    from swarm.sessions.plain import Plain

    return Plain(folder)
