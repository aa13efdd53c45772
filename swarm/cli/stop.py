"""`swarm stop`: end agents, or the campaign."""

from __future__ import annotations

from collections.abc import Sequence

from swarm.cli.places import ended, here, owner


def run(agents: Sequence[str], now: bool = False) -> None:
    """Stop these agents; without names all, and the campaign."""
    why = ended(here())
    if why is not None and not agents:
        print(f"  nothing runs here: the campaign has ended ({why or 'no reason given'}).")
        return
    answer = owner(start=True).post("stop", agents=list(agents), now=now)
    if agents:
        print(f"  stopped: {', '.join(agents)}. What they did stays: swarm leaderboard")
        return
    running = int(answer.get("running") or 0)
    if running:
        print(f"  ending: {running} run{'s' * (running != 1)} finish first (swarm stop --now ends them). All is kept.")
    else:
        print("  stopped. Everything recorded stays: swarm leaderboard")
