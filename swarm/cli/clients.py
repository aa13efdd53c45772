"""The coding agents that people bring, as they are found here: for the screens of spawn and doctor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import SwarmError

CLIENTS = {"claude", "codex"}
WORDS = {"by its own login": "its own login", "by its settings": "its settings"}


@dataclass(frozen=True)
class Client:
    """`trouble`: why no agent of it can start here, with `todo`. `login` in words, never what with; empty: none."""

    name: str
    version: str = ""
    login: str = ""
    plan: bool = False  # not billed by the token
    lone: bool = False  # its login serves one agent at a time
    trouble: str = ""
    todo: str = ""


def look(name: str) -> Client:
    """One of CLIENTS."""
    from swarm.agents import claude, codex, found

    package = claude.PACKAGE if name == "claude" else codex.PACKAGE
    try:
        number = found.version(found.program(name, package), package)
    except SwarmError as error:
        return Client(name, trouble=error.message, todo=error.hint)
    config = codex.configuration() if name == "codex" else {}
    how = claude.login() if name == "claude" else codex.login(config)
    if not how:
        return Client(name, number, trouble="not logged in", todo=f"{name} login, or its key in the environment")
    lone = name == "codex" and codex.rotating(config)
    plan = claude.plan() if name == "claude" else lone
    return Client(name, number, worded(how, plan), plan, lone)


def worded(how: str, plan: bool) -> str:
    """`plan login`, `API key`, else as it is."""
    if plan:
        return "plan login" + (" by CLAUDE_CODE_OAUTH_TOKEN" if how.endswith("OAUTH_TOKEN") else "")
    return "API key" if how.endswith("_KEY") or how == "by a key" else WORDS.get(how, how.removeprefix("by "))


def running(name: str) -> int:
    """How many processes of this client are alive here, of ours or not. 0 where /proc cannot be read."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.geteuid() and (folder / "comm").read_text().strip() == name:
                count += 1
        except OSError:
            continue
    return count
