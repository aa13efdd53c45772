"""The coordinator's process: takes the workspace, builds the story, opens the door, and leaves it all in order."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from swarm import procs
from swarm.api.desk import Desk, Story
from swarm.api.door import guarded, serving
from swarm.api.gate import Gate
from swarm.api.tokens import Tokens
from swarm.client import Client
from swarm.coordinator.loop import Loop
from swarm.daemon import owner, start
from swarm.daemon import program as programs
from swarm.daemon.keeper import take
from swarm.errors import SwarmError, of_system
from swarm.workspace import Workspace

log = logging.getLogger(__name__)

BEAT = 5.0  # seconds between heartbeats
STARTING = 10.0  # seconds a coordinator may take until it answers
QUIET = 20.0  # seconds without a request before a coordinator with nothing to do ends


def main(
    workspace: Workspace,
    build: Callable[[Workspace], Story],
    program: Sequence[str] = programs.PROGRAM,
    quiet: float = QUIET,
    beat: float = BEAT,
) -> int:
    """Run the coordinator until TERM or until the story is over. Returns the exit status for the keeper.

    `quiet` and `beat` are seconds.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        workspace.make()
        lock = take(workspace.lock)
        if lock is None:
            return 0 if _answers(workspace) else 1
        try:
            owner.check(workspace)
            owner.tidy(workspace)
            owner.beat(workspace)
            return Coordinator(workspace, build(workspace), program, quiet, beat).run()
        finally:
            os.close(lock)
    except SwarmError as error:
        log.error("%s\n  %s", error.message, error.hint)
        return programs.UNFIT
    except OSError as error:
        known = of_system(error)
        if known is None:
            raise
        log.error("%s\n  %s", known.message, known.hint)
        return programs.UNFIT


class Server(uvicorn.Server):
    """Uvicorn that says when the door is open, and sends those who wait home before it waits for them."""

    def __init__(self, config: uvicorn.Config, opened: Callable[[], None], closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._opened, self._closing = opened, closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing()
        await super().shutdown(sockets)


class Coordinator:
    """One life of the coordinator's process."""

    def __init__(self, workspace: Workspace, story: Story, program: Sequence[str], quiet: float, beat: float) -> None:
        self._workspace = workspace
        self._program = program
        self._quiet = quiet
        self._interval = beat
        self._story = story
        self._loop: Loop[Any] = Loop(story)
        tokens = Tokens(workspace.tokens)
        for who in ("owner", "viewer"):
            tokens.make(who)
        desk = Desk(self._loop, tokens)
        self._gate: Gate = guarded(desk, workspace)
        self._socket = bound(workspace)
        self._server = Server(serving(self._gate), self._opened, desk.close)
        self._over = False
        self._ended = threading.Event()
        self._status = 0

    def run(self) -> int:
        """Serve until told to stop, lost or over. Returns the exit status."""
        for sign in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises again, for us, what it caught itself
            signal.signal(sign, lambda *_: setattr(self._server, "should_exit", True))
        self._loop.start()
        pulse = threading.Thread(target=self._pulse, name="pulse", daemon=True)
        pulse.start()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ended.set()
            pulse.join(BEAT)  # its last heartbeat must not come after we have left
            if self._loop.close():
                self._story.close()
            self._leave()
        if not self._server.started:
            return 1
        return self._status

    def _opened(self) -> None:
        host, port = self._socket.getsockname()[:2]
        owner.replace(self._workspace.door, json.dumps({"url": f"http://{host}:{port}", **owner.note()}))
        log.info("listening on %s:%d", host, port)

    def _leave(self) -> None:
        """The next coordinator, on whatever machine, may start at once. The address stays unless all is over."""
        if self._status == 0:
            self._workspace.owner.unlink(missing_ok=True)
        if self._over:
            self._workspace.door.unlink(missing_ok=True)
            log.info("nothing is left to do; ended")

    def _pulse(self) -> None:
        """Beside everything: the heartbeat, a keeper that died, and whether there is still something to do."""
        beaten = time.monotonic()
        while not self._ended.wait(min(1.0, self._interval)):
            try:
                if time.monotonic() - beaten >= self._interval:
                    beaten = time.monotonic()
                    self._beat()
                if self._gate.quiet() >= self._quiet and self._nothing_left():
                    self._over = self._server.should_exit = True
            except OSError as error:  # a full disk, say: the story goes on as far as it can
                log.warning("the pulse missed a beat: %s", error)
            except Exception:
                log.exception("the pulse missed a beat")

    def _nothing_left(self) -> bool:
        try:
            over = self._loop.ask(lambda story: story.over(), news=False).result(BEAT)
        except TimeoutError:
            return False  # a long step; the heartbeat goes on
        return bool(over) and self._gate.quiet() >= self._quiet

    def _beat(self) -> None:
        try:
            owner.check(self._workspace)
        except SwarmError as error:
            log.error("%s Ending here.", error.message)
            self._status = programs.UNFIT
            self._server.should_exit = True
            return
        owner.beat(self._workspace)
        if not self._server.should_exit and not procs.held(self._workspace.keeper):
            log.warning("the keeper died; starting another")
            start.keep(self._workspace, self._program)


def _answers(workspace: Workspace) -> bool:
    """Whether the coordinator that has the lock answers, or will in a moment."""
    end = time.monotonic() + STARTING
    while not (found := Client.at(workspace).alive()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def bound(workspace: Workspace) -> socket.socket:
    """A listening socket on this machine only: at the last coordinator's port when it is free, so agents keep theirs."""
    for port in (_last_port(workspace), 0):
        line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(("127.0.0.1", port))
            line.listen(1024)
        except OSError:
            line.close()
            if port == 0:
                raise
            continue
        return line
    raise AssertionError("port 0 is always free")


def _last_port(workspace: Workspace) -> int:
    try:
        return int(json.loads(workspace.door.read_text())["url"].rpartition(":")[2])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
