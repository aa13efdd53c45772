"""`swarm replace`: another kind of agent on an agent's GPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from swarm.cli.places import here, owner, rows
from swarm.errors import UsageError
from swarm.workspace import Workspace


def run(agent: str, kind: str, source: str = "tip", command: str | None = None, models: Sequence[str] = ()) -> None:
    """End `agent` (a name, or `gpu3`) and start one of `kind` there, on what it builds on or on best."""
    from swarm.agents import kind as kind_named
    from swarm.cli import spawn, wishes
    from swarm.config import load

    if source not in ("tip", "best", "diverse"):
        raise UsageError(
            f"--from {source}: it is tip (what the agent builds on), best, or diverse (good, but nobody's)."
        )
    workspace = here()
    config = load(workspace)
    wishes.check(models, [kind])
    asked = spawn.Asked(command=command, model=tuple(models))
    sort, options = spawn.kind_of(kind, asked, config, prefix_of(workspace))
    if sort in spawn.CLIENTS:
        options = {**rights_of(workspace, agent), **options}
    kind_named(sort).check(options)
    wish = wishes.of(kind, config)
    stop = wish.stop.model_dump() if wish.stop else None
    answer = owner().post(
        f"agents/{agent}/replace", kind=sort, options=options, source=source, program=wish.program, stop=stop
    )
    print("\n".join(lines(answer)))


def rights_of(workspace: Workspace, agent: str) -> dict[str, Any]:
    """What the agent (or the one on GPU `gpu3`) may do and where it shows, as it was spawned; empty where nothing was said."""
    found = rows(
        workspace,
        "SELECT a.options FROM agents a WHERE a.campaign=(SELECT MAX(id) FROM campaigns) AND (a.name=? OR a.name="
        "(SELECT s.agent FROM slots s WHERE s.campaign=a.campaign AND s.id=?)) ORDER BY a.name!=?",
        agent, agent[3:], agent,
    )  # fmt: skip
    options = json.loads(found[0]["options"]) if found else {}
    return {name: options[name] for name in ("permissions", "interactive") if name in options}


def prefix_of(workspace: Workspace) -> str:
    """Whether agents here work on `cpu` cores or a `gpu` each."""
    found = rows(workspace, "SELECT devices FROM slots ORDER BY campaign DESC LIMIT 1")
    return "cpu" if found and str(found[0]["devices"]).startswith("cpu") else "gpu"


def lines(answer: Mapping[str, Any]) -> list[str]:
    """Who ended, who began, and where."""
    old, new, slots = answer["ended"], answer["agent"], answer.get("slots") or []
    kept = "its edits are kept" if answer.get("edits") else "all it did is kept"
    dropped = answer.get("dropped") or []
    rest = f" · not run: {', '.join(dropped)}" if dropped else ""
    place = f"takes {', '.join(slots)}" if slots else "takes its place"
    onto = {"best": "best, ", "diverse": "another good one, "}.get(str(answer.get("source")), "")
    return [
        f"  {old}  ended; {kept}{rest}",
        f"  {new}  {place} and builds on {onto}{answer.get('tip')}   swarm attach {new}",
    ]
