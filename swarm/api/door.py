"""The door: the FastAPI application behind the gate, its errors as one sentence and what to do next."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from swarm import __version__
from swarm.api import punctual
from swarm.api.desk import Desk
from swarm.api.gate import Gate
from swarm.api.routes import routes
from swarm.api.toolbox import PATH, Toolbox
from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace

log = logging.getLogger(__name__)


GRACE = 3  # seconds that answers under way get at the end


class Json(JSONResponse):
    """JSON that every reader accepts: what is not a finite number is null."""

    def render(self, content: Any) -> bytes:
        try:
            return _dumped(content)
        except ValueError:
            return _dumped(_finite(content))


def make(desk: Desk, workspace: Workspace) -> FastAPI:
    """The application. It listens to the story from its start-up to its shutdown. `app.state.gate` counts requests."""

    toolbox = Toolbox(desk, workspace)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        desk.open()
        toolbox.open()
        yield
        desk.close()
        await toolbox.close()

    app = FastAPI(
        title="swarm",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        default_response_class=Json,
        lifespan=life,
    )
    app.include_router(routes(desk, workspace))
    app.router.routes.append(Route(PATH, toolbox))
    app.add_exception_handler(SwarmError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)
    return app


def guarded(desk: Desk, workspace: Workspace) -> Gate:
    """What is served: the application behind its gate."""
    return Gate(make(desk, workspace), desk.tokens)


def serving(gate: Gate, head_seconds: float = punctual.HEAD_SECONDS) -> uvicorn.Config:
    """How the gate is served; a request's head has to be here within `head_seconds`.

    Uvicorn writes no access log: a path may hold anything, a token too."""
    logging.getLogger("uvicorn.access").disabled = True
    return uvicorn.Config(
        gate,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        loop="asyncio",
        http=punctual.within(head_seconds),
        ws="none",
    )


def _refused(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, Refused) else 409
    return _said(status, getattr(error, "message", str(error)), getattr(error, "hint", ""))


def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    lines = [f"{_where(e['loc'])}: {str(e['msg']).removeprefix('Value error, ')}" for e in error.errors()[:10]]
    return _said(422, "that request is malformed: " + "; ".join(lines), "")


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _said(404, "there is no such thing at this door.", "")
    if error.status_code == 405:
        return _said(405, "not with this verb.", "")
    if error.status_code == 400:
        return _said(422, "that is not JSON.", "")
    return _said(error.status_code, str(error.detail), "")


def _broken(_: Request, error: Exception) -> Response:
    log.error("a route broke", exc_info=error)
    return _said(500, f"something unexpected broke: {type(error).__name__}", "See .swarm/coordinator.log")


def _said(status: int, error: str, hint: str) -> Response:
    return Json({"error": error, "hint": hint}, status_code=status)


def _where(place: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in place if part not in ("body", "query", "path")) or "the body"


def _dumped(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
