"""`swarm tell`."""

from __future__ import annotations

from swarm.cli.places import owner
from swarm.errors import UsageError


def run(agent: str, text: str) -> None:
    """Hand a message to an agent's next contact."""
    if not text.strip():
        raise UsageError("tell it what?", f'swarm tell {agent} "try the data order"')
    owner().post(f"agents/{agent}/tell", text=text)
    print(f"  {agent} reads it at its next contact.")
