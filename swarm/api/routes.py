"""The verbs of the door. Thin: who may, which fields, and the story's method of the same name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from swarm import __version__
from swarm.api import grid, looking, planned, record, wire
from swarm.api.desk import Desk
from swarm.errors import Refused
from swarm.workspace import Workspace

Answer: TypeAlias = dict[str, Any]
AGENT = "agent."

Name = Annotated[str, Path(pattern=wire.NAME)]
Experiment = Annotated[str, Path(pattern=wire.EXPERIMENT)]
Patience = Annotated[float, Query(ge=0, le=wire.LONGEST_WAIT, allow_inf_nan=False)]
Rows = Annotated[int, Query(ge=1, le=1000)]
Named = Annotated[str, Query(min_length=1, max_length=500)]
Asked = Annotated[str, Query(min_length=1, max_length=2000)]
After = Annotated[int, Query(ge=0, lt=1 << 63)]


def owner(request: Request) -> None:
    """Raises Refused when the caller is not the workspace's owner."""
    if request.state.who != "owner":
        raise Refused(
            "only the owner of the swarm may do this.", "Say it as the person who runs the swarm.", status=403
        )


def agent(request: Request) -> str:
    """The calling agent's name. Raises Refused when the caller is none."""
    who: str = request.state.who
    if not who.startswith(AGENT):
        raise Refused("this is for agents.", "Agents have tokens of their own.", status=403)
    return who.removeprefix(AGENT)


Caller = Annotated[str, Depends(agent)]


def routes(desk: Desk, workspace: Workspace) -> APIRouter:
    """All routes of /v1."""
    router = APIRouter(prefix="/v1")
    _for_all(router, desk, workspace)
    grid.routes(router, desk, workspace)
    _for_agents(router, desk, workspace)
    router.include_router(planned.routes(desk, workspace))
    owners = APIRouter(dependencies=[Depends(owner)])
    _for_owner(owners, desk)
    _long_polls(owners, desk)
    router.include_router(owners)
    return router


def _for_all(router: APIRouter, desk: Desk, workspace: Workspace) -> None:
    @router.get("/health")
    async def health() -> Answer:
        return {
            "ok": desk.loop.alive and not desk.closing,
            "pid": os.getpid(),
            "version": __version__,
            "workspace": str(workspace.root),
            "trouble": desk.loop.trouble,
        }

    @router.get("/status")
    async def status() -> Answer:
        return await desk.ask(lambda story: story.status(), news=False)

    @router.get("/leaderboard")
    async def leaderboard(n: Rows = 50) -> Answer:
        return {"experiments": await run_in_threadpool(record.leaderboard, workspace, n)}

    @router.get("/events")
    async def events(request: Request, after: After = 0, timeout: Patience = 0.0) -> Answer:
        async def look() -> list[Answer]:
            return await run_in_threadpool(record.events, workspace, after)

        found = await desk.until(look, bool, timeout, request.is_disconnected)
        return {"events": found or []}

    @router.get("/best")
    async def best() -> Answer:
        return await desk.ask(lambda story: story.experiment("best"), news=False)

    @router.get("/recall")
    async def recall(q: Asked, n: Rows = 8) -> Answer:
        return {"found": await run_in_threadpool(record.recall, workspace, q, n)}

    @router.get("/diff")
    async def diff(a: Named, b: Named | None = None) -> Answer:
        return {"diff": await run_in_threadpool(looking.diff, workspace, a, b)}

    @router.get("/experiments/{experiment}/log")
    async def log(experiment: Experiment) -> Answer:
        return {"log": await run_in_threadpool(looking.log, workspace, experiment)}

    @router.post("/note")
    async def note(request: Request, body: wire.Note) -> Answer:
        who = None if request.state.who == "owner" else agent(request)
        return await desk.ask(lambda story: story.note(who, text=body.text))

    @router.get("/experiments/{experiment}")
    async def show(experiment: Experiment) -> Answer:
        return await desk.ask(lambda story: story.experiment(experiment), news=False)


def _for_agents(router: APIRouter, desk: Desk, workspace: Workspace) -> None:
    @router.get("/read")
    async def read(caller: Caller, file: Named, line: After = 1) -> Answer:
        return {"text": await run_in_threadpool(looking.read, workspace, caller, file, line)}

    @router.post("/submit")
    async def submit(caller: Caller, body: wire.Submit) -> Answer:
        return await desk.ask(lambda story: story.submit(caller, **body.model_dump()))

    @router.post("/submit/values")
    async def values(caller: Caller, body: wire.Values) -> Answer:
        return await desk.ask(lambda story: story.submit_values(caller, **body.model_dump()))

    @router.get("/constants")
    async def constants(caller: Caller) -> Answer:
        return await desk.ask(lambda story: story.constants(caller), news=False)

    @router.get("/scene")
    async def scene(caller: Caller) -> Answer:
        return await desk.ask(lambda story: story.scene(caller), news=False)

    @router.post("/turn")
    async def turn(caller: Caller, body: wire.Turn) -> Answer:
        return await desk.ask(lambda story: story.turn(caller, **body.model_dump()))

    @router.post("/adopt")
    async def adopt(caller: Caller, body: wire.Adopt) -> Answer:
        return await desk.ask(lambda story: story.adopt(caller, **body.model_dump()))

    @router.post("/wait")
    async def wait(caller: Caller, request: Request, body: wire.Wait) -> Answer:
        found = await desk.news(caller, body.timeout, request.is_disconnected, body.heard)
        return {key: value for key, value in (found or {}).items() if key != "due"}


@contextmanager
def _taken_back(desk: Desk, made: list[str]) -> Iterator[None]:
    """Tokens made for agents that are refused go again. After any other fault the agents may be there, and need them."""
    try:
        yield
    except Refused as refused:
        for who in made if refused.status < 500 else ():
            desk.tokens.drop(who)
        raise


def _for_owner(router: APIRouter, desk: Desk) -> None:
    @router.post("/spawn")
    async def spawn(body: wire.Spawn) -> Answer:
        fields = body.model_dump(mode="json", exclude={"sandbox"})
        fields["policy"] |= {"sandbox": body.sandbox} if body.sandbox else {}
        fresh = [who for who in (AGENT + a.name for a in body.agents) if desk.tokens.make(who)]
        with _taken_back(desk, fresh):
            return await desk.ask(lambda story: story.spawn(**fields))

    @router.post("/try")
    async def try_file(body: wire.Try) -> Answer:
        return await desk.ask(lambda story: story.try_file(**body.model_dump()))

    @router.post("/promote")
    async def promote(body: wire.Promote) -> Answer:
        return await desk.ask(lambda story: story.promote(**body.model_dump()))

    @router.post("/promote/undo")
    async def undo(body: wire.Undo | None = None) -> Answer:
        return await desk.ask(lambda story: story.undo(request=body.request if body else None))

    @router.post("/pause")
    async def pause() -> Answer:
        return await desk.ask(lambda story: story.pause())

    @router.post("/resume")
    async def resume(body: wire.Resume | None = None) -> Answer:
        stop = body.stop.model_dump(mode="json") if body and body.stop else None
        return await desk.ask(lambda story: story.resume(stop=stop))

    @router.post("/stop")
    async def stop(body: wire.Halt | None = None) -> Answer:
        fields = (body or wire.Halt()).model_dump()
        return await desk.ask(lambda story: story.stop(**fields))

    @router.post("/agents/{name}/replace")
    async def replace(name: Name, body: wire.Replace) -> Answer:
        fields = body.model_dump(mode="json", exclude={"kind"})
        fresh = (await desk.ask(lambda story: story.successor(name, body.kind), news=False))["name"]
        made = [AGENT + fresh] if desk.tokens.make(AGENT + fresh) else []
        with _taken_back(desk, made):
            return await desk.ask(lambda story: story.replace(name, body.kind, **fields, name=fresh))

    @router.post("/agents/{name}/tell")
    async def tell(name: Name, body: wire.Tell) -> Answer:
        return await desk.ask(lambda story: story.tell(name, **body.model_dump()))


def _long_polls(router: APIRouter, desk: Desk) -> None:
    @router.get("/experiments/{experiment}/wait")
    async def result(request: Request, experiment: Experiment, timeout: Patience = 30.0) -> Answer:
        async def look() -> Answer:
            return await desk.ask(lambda story: story.experiment(experiment), news=False)

        found = await desk.until(look, lambda a: a.get("verdict") is not None, timeout, request.is_disconnected)
        return found if found is not None else await look()
