"""The kinds of agents by name. A new one is a module with a class like `CommandKind` and a line here."""

from __future__ import annotations

from importlib import import_module

from swarm.agents.clients import recipes
from swarm.errors import SwarmError
from swarm.ports import AgentKind

KINDS = {
    "tuner": ("swarm.agents.tuner", "TunerKind"),
    "command": ("swarm.agents.command", "CommandKind"),
    "scripted": ("swarm.agents.scripted", "ScriptedKind"),
    "claude": ("swarm.agents.claude", "ClaudeKind"),
    "codex": ("swarm.agents.codex", "CodexKind"),
}


def kinds() -> list[str]:
    """The names of the kinds that can be spawned."""
    return list(KINDS)


def kind(name: str) -> AgentKind:
    """The kind of this name, imported only now. Raises SwarmError for one that is not there (yet)."""
    if name in KINDS:
        module, cls = KINDS[name]
        made: AgentKind = getattr(import_module(module), cls)()
        return made
    raise SwarmError(
        f"there are no agents of kind {name}.",
        f'There are: {", ".join([*KINDS, *recipes()])}. Name a program of yours in swarm.yaml: commands: {{{name}: "… {{brief}}"}}',
    )
