"""Agents as processes: each kind knows how to start one; what it does, it does through the door like everybody."""

from swarm.agents.kinds import kind, kinds

__all__ = ["kind", "kinds"]
