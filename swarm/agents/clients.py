"""The clients that swarm knows how to run as `command` agents: read from clients.toml, which a person extends in swarm.yaml."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("clients.toml")


@dataclass(frozen=True)
class Recipe:
    """One client: see the head of clients.toml."""

    command: str
    install: str = ""
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def program(self) -> str:
        """The program that is to be on the PATH."""
        return shlex.split(self.command)[0]

    def options(self) -> dict[str, object]:
        """As options of an agent of kind `command`."""
        found: dict[str, object] = {"command": self.command}
        return (
            found | ({"install": self.install} if self.install else {}) | ({"env": dict(self.env)} if self.env else {})
        )


@cache
def recipes() -> dict[str, Recipe]:
    """All by name, as they are shipped."""
    raw = tomllib.loads(FILE.read_text())
    return {name: Recipe(**{**fields, "needs": tuple(fields.get("needs", ()))}) for name, fields in raw.items()}
