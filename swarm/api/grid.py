"""Waves at the door: asked for, looked at, stopped. The same as a tool: swarm/api/grid_tool.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Request
from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from swarm.api import looking, wire
from swarm.api.desk import Desk
from swarm.errors import Refused
from swarm.ledger.reader import Reader
from swarm.research.grid import cost
from swarm.workspace import Workspace

Answer: TypeAlias = dict[str, Any]
AGENT = "agent."
Number = Annotated[int, Path(ge=1, lt=1 << 31)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]


class Grid(wire.Asked):
    """`words`: NAME=1,2 for each constant, or experiments; `sure`: also a large one."""

    words: list[Word] = Field(min_length=1, max_length=64)
    on: wire.What | None = None
    repeats: Annotated[int, Field(ge=1, le=8)] = 1
    sure: bool = False
    request: wire.Request | None = None


def routes(router: APIRouter, desk: Desk, workspace: Workspace) -> None:
    """Ask for a wave and stop one (a person, or the agent whose it is); look at them (everybody)."""

    @router.post("/grid")
    async def grid(request: Request, body: Grid) -> Answer:
        who = _who(request)
        return await desk.ask(lambda story: story.grid(agent=who, **body.model_dump()))

    @router.post("/waves/{number}/stop")
    async def stop(request: Request, number: Number) -> Answer:
        who = _who(request)
        return await desk.ask(lambda story: story.stop_grid(number, who))

    @router.get("/waves")
    async def waves() -> Answer:
        return {"waves": await run_in_threadpool(_listed, workspace)}

    @router.get("/waves/{number}")
    async def wave(number: Number) -> Answer:
        return await run_in_threadpool(_one, workspace, number)


def _who(request: Request) -> str | None:
    """None for the owner. Raises Refused for who may only look."""
    who: str = request.state.who
    if who == "owner":
        return None
    if not who.startswith(AGENT):
        raise Refused("you may only look.", "Say it as the person who runs the swarm.", status=403)
    return who.removeprefix(AGENT)


def _listed(workspace: Workspace) -> list[Answer]:
    from swarm.views.waves import waves  # the daemon is up sooner without

    with Reader(workspace.ledger) as reader:
        return [{k: v for k, v in asdict(wave).items() if k != "answer"} for wave in waves(reader)]


def _one(workspace: Workspace, number: int) -> Answer:
    from swarm.views.waves import told, wave

    with Reader(workspace.ledger) as reader:
        found = wave(reader, number)
    return {**asdict(found), "told": told(found)}


def queued(answer: Mapping[str, Any]) -> str:
    """A wave that was asked for, in words."""
    cells, runs = answer["cells"], answer["runs"]
    known = f" ({cells - runs} known already)" if cells - runs > 0 else ""
    takes = cost(runs, answer["minutes"], answer["slots"])
    return f"wave {answer['wave']} on {answer['on']}: {cells} cells{known}, {takes}."


def shown(workspace: Workspace, number: int) -> str:
    """A wave's answer, or how far it is. Raises SwarmError when there is none of this number."""
    return "\n".join(looking.line(text, 1000) for text in _one(workspace, number)["told"])
