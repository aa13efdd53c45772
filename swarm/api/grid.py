"""Waves at the door: `grid` for agents (MCP) and for whoever types it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Request
from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from swarm.api import looking, wire
from swarm.api.desk import Desk
from swarm.errors import Refused
from swarm.ledger.reader import Reader
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from mcp.server import MCPServer

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

    @router.post("/grid/{number}/stop")
    async def stop(request: Request, number: Number) -> Answer:
        who = _who(request)
        return await desk.ask(lambda story: story.stop_grid(number, who))

    @router.get("/grid")
    async def waves() -> Answer:
        return {"waves": await run_in_threadpool(_listed, workspace)}

    @router.get("/grid/{number}")
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
    cells, runs, slots = answer["cells"], answer["runs"], answer["slots"]
    known = f" ({cells - runs} known already)" if cells - runs > 0 else ""
    return (
        f"wave {answer['wave']} on {answer['on']}: {cells} cells, {runs} run{'s' * (runs != 1)}{known}, "
        f"about {answer['minutes']:.0f} min on {slots} slot{'s' * (slots != 1)}."
    )


def tool(server: MCPServer[Any], desk: Desk, workspace: Workspace) -> None:
    """`grid` for agents."""
    from swarm.api.tools import Ctx, caller, checked, looked, told

    @server.tool(structured_output=False)
    async def grid(
        ctx: Ctx,
        words: Annotated[
            list[str] | None,
            Field(
                description="Constants with values: ['MATRIX_LR=.02,.04', 'DEPTH=6,8'], or experiments: ['e0012', 'e0015']."
            ),
        ] = None,
        on: Annotated[str | None, Field(description="The experiment to change; else the best.")] = None,
        repeats: Annotated[int, Field(description="Runs of each combination.")] = 1,
        wave: Annotated[int | None, Field(description="Show the answer of this wave instead.")] = None,
    ) -> str:
        """Measure all combinations of some values, or of some kept changes, as one question: what each does, which do not
        stack, the best combination. At most 32 combinations, one question at a time; your own queue stays as it is."""
        if wave is not None:
            return await looked(partial(_shown, workspace, wave))
        who = caller(ctx)
        said = checked(Grid, words=words or [], on=on, repeats=repeats)
        answer = await told(desk.ask(lambda story: story.grid(agent=who, **said)))
        return f"{queued(answer)} wait tells you the answer as news. Submit other changes meanwhile."


def _shown(workspace: Workspace, number: int) -> str:
    return "\n".join(looking.line(text, 1000) for text in _one(workspace, number)["told"])
