"""The one thread on which the story runs: commands and steps, one after the other, so that the story needs no locks."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from swarm import clock
from swarm.errors import Refused

log = logging.getLogger(__name__)

REST = 1.0  # seconds to listen for commands at once
LONGEST_REST = 60.0  # seconds without a step
SOON = 0.02  # seconds after a step that did something: there may be more to do
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between steps that fail


class Steps(Protocol):
    """What the loop needs of a story."""

    @property
    def changed(self) -> int:
        """Grows with everything that a waiting person or agent might want to know."""

    def step(self, now: float) -> bool:
        """Do what is due. Returns whether anything happened."""

    def next_wake(self, now: float) -> float:
        """When the next step is due if nothing is asked until then, in seconds since 1970."""


S = TypeVar("S", bound=Steps)
T = TypeVar("T")


def stopping() -> Refused:
    """The answer to whoever asks while the coordinator ends; the client tries again at the next one."""
    return Refused("the coordinator is stopping.", "Ask again in a moment, or start it: swarm resume", status=503)


@dataclass(frozen=True)
class Command(Generic[S]):
    """What was asked. `news`: others may want to know that it was done."""

    do: Callable[[S], Any]
    future: Future[Any]
    news: bool


class Loop(Generic[S]):
    """Owns the story's thread. `trouble` says what the last failing step died of, None when all is well."""

    def __init__(self, story: S, now: Callable[[], float] = clock.now) -> None:
        self._story = story
        self._now = now
        self._commands: queue.SimpleQueue[Command[S] | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._door = threading.Lock()  # nothing is queued after the last look at the queue
        self._thread = threading.Thread(target=self._run, name="story", daemon=True)
        self._seen = story.changed
        self._pause = 0.0
        self._due = 0.0  # monotonic, whatever becomes of the clock on the wall; the next step
        self._not_before = 0.0  # monotonic; no step before it, after one that failed
        self.trouble: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float = 30.0) -> bool:
        """Let the command or step at work finish, refuse the rest and end. Returns whether it ended in `timeout` s."""
        with self._door:
            self._closing.set()
            self._commands.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the story's thread after each change. Returns what ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def ask(self, command: Callable[[S], T], news: bool = True) -> Future[T]:
        """Run `command(story)` on the story's thread; its answer or exception comes in the future.

        With `news=False` (a command that only looks) nobody is told and no step is taken for it.
        """
        future: Future[T] = Future()
        with self._door:
            if self._closing.is_set():
                future.set_exception(stopping())
            else:
                self._commands.put(Command(command, future, news))
        return future

    def _run(self) -> None:
        while not self._closing.is_set():
            self._step_if_due()
            try:
                command = self._commands.get(timeout=self._wait())
            except queue.Empty:
                continue
            if command is not None:
                self._answer(command)
        self._refuse_the_rest()

    def _wait(self) -> float:
        """Seconds to listen for commands."""
        return min(max(max(self._not_before, self._due) - time.monotonic(), 0.0), REST)

    def _step_if_due(self) -> None:
        begun = time.monotonic()
        if begun < max(self._due, self._not_before):
            return
        now = self._now()
        try:
            happened = self._story.step(now)
            self._due = begun + (SOON if happened else min(self._story.next_wake(now) - now, LONGEST_REST))
        except Exception as error:
            self._failed(error)
            self._tell(False)
            return
        self._pause, self.trouble = 0.0, None
        self._tell(happened)

    def _failed(self, error: Exception) -> None:
        """A step that fails must not end the campaign: say so, wait longer each time, go on."""
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._not_before = time.monotonic() + self._pause
        self.trouble = f"{type(error).__name__}: {error}"[:500]
        log.exception("a step failed; the next one is tried in %.0f s", self._pause)

    def _answer(self, command: Command[S]) -> None:
        if not command.future.set_running_or_notify_cancel():
            return  # nobody waits for it any more
        try:
            answer = command.do(self._story)
        except BaseException as error:
            command.future.set_exception(error)
        else:
            command.future.set_result(answer)
        if not command.news:
            self._seen = self._story.changed
        elif self._story.changed != self._seen:
            self._due = 0.0
            self._tell(False)

    def _tell(self, happened: bool) -> None:
        changed = self._story.changed
        if not happened and changed == self._seen:
            return
        self._seen = changed
        for callback in list(self._listeners):
            try:
                callback()
            except Exception:
                log.exception("a listener failed")

    def _refuse_the_rest(self) -> None:
        with self._door:
            while True:
                try:
                    command = self._commands.get_nowait()
                except queue.Empty:
                    return
                if command is not None and command.future.set_running_or_notify_cancel():
                    command.future.set_exception(stopping())
