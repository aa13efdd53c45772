"""Between the door (asyncio) and the story (one thread): asking it something, and waiting until something changes."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from swarm.api.tokens import Tokens
from swarm.coordinator.loop import Loop, Steps, stopping
from swarm.errors import Refused, SwarmError, of_system

log = logging.getLogger(__name__)

Answer: TypeAlias = dict[str, Any]
T = TypeVar("T")

HANGUP = 2.0  # seconds between looks whether a waiting caller is still there
BREATH = 0.05  # seconds after a change, so that a burst of changes is one look
FULL = ("disk is full", "no space left", "quota exceeded")


class Story(Steps, Protocol):
    """What the door asks of the story. All of it runs on the story's thread; an answer is plain JSON data.

    Raises Refused for what it will not do, SwarmError for what it cannot.
    """

    def spawn(self, **wish: Any) -> Answer: ...
    def try_file(self, files: dict[str, str], description: str) -> Answer: ...
    def promote(self, what: str, force: bool, hold: bool) -> Answer: ...
    def undo(self, request: str | None) -> Answer: ...
    def grid(self, words: list[str], agent: str | None, **wish: Any) -> Answer: ...
    def stop_grid(self, number: int, agent: str | None) -> Answer: ...
    def pause(self) -> Answer: ...
    def resume(self, stop: Answer | None) -> Answer: ...
    def stop(self, agents: list[str] | None, now: bool) -> Answer: ...
    def tell(self, agent: str, text: str, request: str | None) -> Answer: ...
    def successor(self, who: str, kind: str) -> Answer: ...
    def replace(self, who: str, kind: str, **wish: Any) -> Answer: ...
    def submit(
        self, agent: str, description: str, hypothesis: str | None = None, expect: float | None = None,
        on: str | None = None, p: float | None = None, idea: int | None = None,
    ) -> Answer: ...  # fmt: skip
    def submit_values(self, agent: str, values: dict[str, str], description: str | None) -> Answer: ...
    def constants(self, agent: str) -> Answer: ...
    def scene(self, agent: str) -> Answer: ...
    def turn(self, agent: str, **said: Any) -> Answer: ...

    def adopt(self, agent: str, experiment: str) -> Answer: ...
    def note(self, agent: str | None, text: str) -> Answer: ...
    def idea_add(self, agent: str | None, **said: Any) -> Answer: ...
    def idea_claim(self, agent: str, ident: int | None = None) -> Answer: ...
    def idea_done(self, agent: str | None, ident: int, **said: Any) -> Answer: ...
    def improve(self, agent: str | None, **said: Any) -> Answer: ...
    def flag(self, agent: str, experiment: str, why: str) -> Answer: ...
    def remeasure(self, agent: str, experiment: str, why: str) -> Answer: ...
    def contact(self, agent: str, final: bool = False, patient: bool = False, heard: int | None = None) -> Answer: ...
    def hear(self, agent: str, seq: int) -> Answer: ...
    def experiment(self, ident: str) -> Answer: ...
    def status(self) -> Answer: ...
    def over(self) -> bool: ...
    def close(self) -> None: ...


class Desk:
    """What the routes hold: the story's loop, the tokens, and a bell that rings at every change."""

    def __init__(self, loop: Loop[Any], tokens: Tokens) -> None:
        self.loop = loop
        self.tokens = tokens
        self.closing = False
        self._asyncio: asyncio.AbstractEventLoop | None = None
        self._bell = asyncio.Event()
        self._unlisten: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Begin to hear changes. To be called in the event loop that serves."""
        self._asyncio = asyncio.get_running_loop()
        self._unlisten = self.loop.listen(self._nudge)

    def close(self) -> None:
        """Send everybody who waits home. Safe to call twice, from the event loop."""
        if not self.closing:
            self.closing = True
            self._unlisten()
            self._ring()

    async def ask(self, command: Callable[[Story], T], news: bool = True) -> T:
        """`command(story)` on the story's thread. `news=False` for one that only looks: it wakes nobody.

        Raises Refused (507 when the disk is full, 500 when it broke) or SwarmError.
        """
        try:
            return await asyncio.wrap_future(self.loop.ask(command, news))
        except SwarmError:
            raise
        except Exception as error:
            raise _explained(error) from error

    async def until(
        self,
        look: Callable[[], Awaitable[T]],
        done: Callable[[T], bool],
        timeout: float,
        gone: Callable[[], Awaitable[bool]],
    ) -> T | None:
        """Look at every change until `done(answer)`; None after `timeout` seconds or when the caller hung up.

        Raises Refused with status 503 when the coordinator ends meanwhile.
        """
        end = time.monotonic() + timeout
        while True:
            bell = self._bell  # taken before the look: no change in between is missed
            answer = await look()
            if done(answer):
                return answer
            while not bell.is_set():
                left = end - time.monotonic()
                if left <= 0 or await gone():
                    return None
                await _rung(bell, min(left, HANGUP))
            if self.closing:
                raise stopping()
            await asyncio.sleep(BREATH)

    async def news(
        self, agent: str, timeout: float, gone: Callable[[], Awaitable[bool]], heard: int | None = None,
        patient: bool = False,
    ) -> Answer | None:  # fmt: skip
        """What an agent that waits is told; None when it hung up. Told again until it is known to be heard: a caller
        says so with its next question (`heard`), or (None) is believed to hear what it is still there for."""
        from_ = 0 if heard is None else heard

        async def look(final: bool = False) -> Answer:
            return await self.ask(
                lambda story: story.contact(agent, final=final, patient=patient, heard=from_), news=False
            )

        found = await self.until(look, lambda answer: bool(answer["due"]), timeout, gone)
        if found is None and not await gone():
            found = await look(final=True)
        if found is None or await gone():
            return None
        if heard is None and "seq" in found:
            seq = int(found["seq"])
            await self.ask(lambda story: story.hear(agent, seq), news=False)
        return found

    def _nudge(self) -> None:
        """On the story's thread."""
        if self._asyncio is not None:
            try:
                self._asyncio.call_soon_threadsafe(self._ring)
            except RuntimeError:
                pass  # the event loop has ended

    def _ring(self) -> None:
        bell = self._bell
        if not self.closing:
            self._bell = asyncio.Event()
        bell.set()


async def _rung(bell: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(bell.wait(), seconds)
    except TimeoutError:
        pass


def _explained(error: Exception) -> Refused:
    text = str(error)
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full or any(words in text.lower() for words in FULL):
        log.error("the disk is full: %s", text[:300])
        return Refused(
            "the disk is full: nothing was changed.", "Make room (swarm clean helps) and say it again.", status=507
        )
    known = of_system(error) if isinstance(error, OSError) else None
    if known is not None:
        log.error("a command could not: %s", known.message)
        return Refused(known.message, known.hint, status=507)
    log.error("a command broke", exc_info=error)
    return Refused(
        f"something unexpected broke in the coordinator: {type(error).__name__}: {text[:200]}",
        "Its log .swarm/coordinator.log has the whole story.",
        status=500,
    )
