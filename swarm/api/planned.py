"""The door's verbs of what a group plans and knows together: ideas, the notebook, flags, measuring again."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from swarm.api import record, wire
from swarm.api.desk import Desk
from swarm.errors import Refused
from swarm.workspace import Workspace

Answer: TypeAlias = dict[str, Any]
AGENT = "agent."
Rows = Annotated[int, Query(ge=1, le=1000)]
Page = Annotated[str, Query(min_length=1, max_length=40)]
Version = Annotated[int, Query(ge=1, lt=1 << 53)]


def agent(request: Request) -> str:
    """The calling agent's name. Raises Refused when the caller is none."""
    who: str = request.state.who
    if not who.startswith(AGENT):
        raise Refused("this is for agents.", "Agents have tokens of their own.", status=403)
    return who.removeprefix(AGENT)


def writer(request: Request) -> str | None:
    """The calling agent's name, None for the owner. Raises Refused for who may only look."""
    return None if request.state.who == "owner" else agent(request)


Caller = Annotated[str, Depends(agent)]
Writer = Annotated[str | None, Depends(writer)]


def routes(desk: Desk, workspace: Workspace) -> APIRouter:
    """To be put below /v1."""
    router = APIRouter()
    _looking(router, workspace)
    _doing(router, desk)
    return router


def _looking(router: APIRouter, workspace: Workspace) -> None:
    @router.get("/ideas")
    async def ideas(n: Rows = 20, over: bool = False) -> Answer:
        return await run_in_threadpool(record.ideas, workspace, n, over)

    @router.get("/notebook")
    async def notebook(page: Page | None = None, version: Version | None = None) -> Answer:
        return await run_in_threadpool(record.notebook, workspace, page, version)


def _doing(router: APIRouter, desk: Desk) -> None:
    @router.post("/idea")
    async def idea(who: Writer, body: wire.NewIdea) -> Answer:
        return await desk.ask(lambda story: story.idea_add(who, **body.model_dump()))

    @router.post("/idea/claim")
    async def claim(caller: Caller, body: wire.Claim) -> Answer:
        return await desk.ask(lambda story: story.idea_claim(caller, body.idea))

    @router.post("/idea/done")
    async def done(who: Writer, body: wire.IdeaDone) -> Answer:
        fields = body.model_dump(exclude={"idea"})
        return await desk.ask(lambda story: story.idea_done(who, body.idea, **fields))

    @router.post("/notebook")
    async def improve(who: Writer, body: wire.Improve) -> Answer:
        return await desk.ask(lambda story: story.improve(who, **body.model_dump()))

    @router.post("/flag")
    async def flag(caller: Caller, body: wire.Doubt) -> Answer:
        return await desk.ask(lambda story: story.flag(caller, **body.model_dump()))

    @router.post("/remeasure")
    async def remeasure(caller: Caller, body: wire.Doubt) -> Answer:
        return await desk.ask(lambda story: story.remeasure(caller, **body.model_dump()))
