"""Who of the agents gets which slots."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from swarm.errors import UsageError

DEFAULT_AGENTS = "tuner"
KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class Dealt(NamedTuple):
    """An agent to be. `slots` None: it shares the pool."""

    name: str
    kind: str
    slots: tuple[str, ...] | None


def parse_agents(text: str | Mapping[str, int] | None) -> list[tuple[str, int | None]]:
    """`claude,codex` or `claude:3,codex:1`, in order; a count is None where none was given. Raises UsageError."""
    if isinstance(text, Mapping):
        text = ",".join(f"{kind}:{n}" for kind, n in text.items())
    found: list[tuple[str, int | None]] = []
    for word in (text or DEFAULT_AGENTS).replace(" ", "").split(","):
        kind, colon, count = word.partition(":")
        if not KIND.fullmatch(kind) or (colon and not re.fullmatch(r"[1-9]\d{0,3}", count)):
            raise UsageError(
                f"--agents {text}: kinds of agents, with or without counts.",
                "--agents tuner   or   --agents claude:3,codex:1",
            )
        found.append((kind, int(count) if colon else None))
    return found


def deal(
    agents: str | Mapping[str, int] | None, slots: int | Sequence[str], prefix: str = "gpu", names: Collection[str] = ()
) -> list[Dealt]:
    """Who works where. Without counts one agent per slot, the kinds in turn. With counts exactly that many agents:
    one slot each where the counts match, else one pool for all. `names` are in use and not given again.

    Raises UsageError when there are more kinds than slots and no counts.
    """
    ids = [str(i) for i in range(slots)] if isinstance(slots, int) else list(slots)
    wishes = parse_agents(agents)
    if any(count for _, count in wishes):
        kinds = [kind for kind, count in wishes for _ in range(count or 1)]
        if len(kinds) != len(ids):
            return _pool(kinds, names)
    else:
        kinds = [wishes[i % len(wishes)][0] for i in range(len(ids))]
        if len(wishes) > len(ids):
            raise UsageError(
                f"{len(wishes)} kinds of agents for {len(ids)} {prefix.upper()}{'s' if len(ids) != 1 else ''}: some would get none.",
                f"Let them share: --agents {','.join(f'{kind}:1' for kind, _ in wishes)}",
            )
    return [Dealt(f"{prefix}{i}-{kind}", kind, (i,)) for i, kind in zip(ids, kinds, strict=True)]


def _pool(kinds: Sequence[str], names: Collection[str]) -> list[Dealt]:
    used = set(names)
    dealt = []
    for kind in kinds:
        n = next(n for n in range(1, len(used) + 2) if f"{kind}-{n}" not in used)
        used.add(f"{kind}-{n}")
        dealt.append(Dealt(f"{kind}-{n}", kind, None))
    return dealt
