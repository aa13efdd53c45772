"""What a person says of agents beyond their number: `agents:` of swarm.yaml, and --model of the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarm.config import Agents, Config, Stop
from swarm.errors import UsageError
from swarm.workspace import CONTROL

IDLER = "tuner"  # the name of the agent that uses idle GPUs


@dataclass(frozen=True)
class Wish:
    """Of the agents of one name. `kind` None: the name is the kind."""

    kind: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    program: str | None = None
    stop: Stop | None = None


def counts(agents: Mapping[str, Agents] | str | None) -> str | None:
    """`agents:` of swarm.yaml as --agents says it: `claude:4,codex`."""
    if not isinstance(agents, Mapping):
        return agents
    return ",".join(name if a.count is None else f"{name}:{a.count}" for name, a in agents.items()) or None


def of(word: str, config: Config, models: Sequence[str] = ()) -> Wish:
    """What is said of the agents called `word`. Raises UsageError for a --model that cannot be read."""
    said = config.agents.get(word) if isinstance(config.agents, Mapping) else None
    wish = Wish(said.kind, said.options, said.program, said.stop) if said else Wish()
    model = _models(models).get(word)
    return wish if model is None else Wish(wish.kind, {**wish.options, "model": model}, wish.program, wish.stop)


def check(models: Sequence[str], words: Collection[str]) -> None:
    """Raises UsageError for a model of agents that nobody asked for."""
    odd = [name for name in _models(models) if name not in words]
    if odd:
        raise UsageError(
            f"--model {odd[0]}=…: there is no {odd[0]} among these agents.",
            f"There are: {', '.join(sorted(set(words)))}",
        )


def _models(models: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in models:
        name, equals, model = text.partition("=")
        if not name or not equals or not model.strip():
            raise UsageError(f"--model {text}: whose model, and which?", "--model claude=MODEL   (again for others)")
        found[name] = model.strip()
    return found


def tunes(config: Config, prefix: str) -> bool:
    """Whether idle GPUs try a tuner's proposals; idle CPU cores only when they were told to."""
    return config.policy.idle == "tune" or (config.policy.idle == "auto" and prefix != "cpu")


def control(prefix: str) -> dict[str, Any]:
    """The agent that works for itself alone, as the door takes it."""
    options = {"device": "cpu" if prefix == "cpu" else "cuda", "idle": True, "control": True}
    return {"name": CONTROL, "kind": "tuner", "options": options, "program": None, "slot": None}


def idler(prefix: str) -> dict[str, Any]:
    """The agent that uses them, as the door takes it."""
    options = {"device": "cpu" if prefix == "cpu" else "cuda", "idle": True}
    return {"name": IDLER, "kind": "tuner", "options": options, "program": None, "slot": None}
