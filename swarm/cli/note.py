"""`swarm note`: an agent's or a person's finding, for everybody's recall."""

from __future__ import annotations

from swarm.cli.places import agent, owner, seated
from swarm.errors import UsageError


def run(text: str) -> None:
    """Keep it. Raises UsageError for nothing."""
    if not text.strip():
        raise UsageError("note what?", 'swarm note "label smoothing hurt at every value"')
    client = agent() if seated() else owner()
    answer = client.post("note", text=text)
    print(f"  noted ({answer['note']}).   swarm recall finds it")
