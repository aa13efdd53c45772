"""The story's thread: one thing after the other, and nothing that fails ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from swarm.coordinator import loop as loops
from swarm.coordinator.loop import Loop
from swarm.errors import Refused


class Steps:
    """A story that counts."""

    def __init__(self) -> None:
        self.changed = 0
        self.steps = 0
        self.error: Exception | None = None
        self.idle = 1000.0
        self.threads: set[int] = set()

    def step(self, now: float) -> bool:
        self.threads.add(threading.get_ident())
        self.steps += 1
        if self.error:
            raise self.error
        return False

    def next_wake(self, now: float) -> float:
        return now + self.idle

    def change(self) -> int:
        self.threads.add(threading.get_ident())
        self.changed += 1
        return self.changed


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def loop(steps: Steps) -> Iterator[Loop[Steps]]:
    made = Loop(steps)
    made.start()
    yield made
    assert made.close()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_commands_are_answered_in_order_on_one_thread(loop: Loop[Steps], steps: Steps) -> None:
    futures = [loop.ask(lambda s: s.change()) for _ in range(50)]
    assert [f.result(60) for f in futures] == list(range(1, 51))
    assert len(steps.threads) == 1
    assert threading.get_ident() not in steps.threads


def test_an_exception_goes_to_who_asked(loop: Loop[Steps]) -> None:
    def bad(_: Steps) -> None:
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        loop.ask(bad).result(60)
    assert loop.ask(lambda s: s.change()).result(60) == 1


def test_a_change_brings_a_step_and_tells_the_listeners(loop: Loop[Steps], steps: Steps) -> None:
    told = threading.Event()
    loop.listen(told.set)
    until(lambda: steps.steps == 1)
    loop.ask(lambda s: s.change()).result(60)
    assert told.wait(60)
    until(lambda: steps.steps == 2)


def test_a_look_tells_nobody(loop: Loop[Steps], steps: Steps) -> None:
    told: list[int] = []
    end = loop.listen(lambda: told.append(1))
    until(lambda: steps.steps == 1)
    loop.ask(lambda s: s.change(), news=False).result(60)
    loop.ask(lambda s: s.steps).result(60)
    assert told == []
    assert steps.steps == 1
    end()
    loop.ask(lambda s: s.change()).result(60)
    until(lambda: steps.steps == 2)
    assert told == []


def test_steps_come_when_they_are_due(steps: Steps) -> None:
    steps.idle = 0.01
    loop = Loop(steps)
    loop.start()
    until(lambda: steps.steps > 5)
    assert loop.close()


@pytest.mark.parametrize("jump", [-50.0, -1e6, 1e6])
def test_a_clock_that_is_set_delays_no_step(steps: Steps, jump: float) -> None:
    steps.idle = 0.01
    loop = Loop(steps, now=lambda: time.time() + (jump if steps.steps else 0.0))
    loop.start()
    until(lambda: steps.steps > 5)
    assert loop.close()


def test_a_step_that_fails_is_tried_again(
    loop: Loop[Steps], steps: Steps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.05)
    steps.error = RuntimeError("a bug")
    loop.ask(lambda s: s.change()).result(60)
    until(lambda: loop.trouble)
    assert "a bug" in (loop.trouble or "")
    assert loop.ask(lambda s: s.steps).result(60) > 0  # commands are answered meanwhile
    steps.error = None
    until(lambda: loop.trouble is None)
    assert "Traceback" in caplog.text


def test_a_listener_that_fails_harms_nobody(loop: Loop[Steps]) -> None:
    def bad() -> None:
        raise RuntimeError("a listener's bug")

    loop.listen(bad)
    loop.ask(lambda s: s.change()).result(60)
    assert loop.ask(lambda s: s.change()).result(60) == 2


def test_after_the_end_everybody_is_sent_away(steps: Steps) -> None:
    loop = Loop(steps)
    loop.start()
    gate, entered = threading.Event(), threading.Event()

    def slow(s: Steps) -> str:
        entered.set()
        gate.wait(60)
        return "done"

    first = loop.ask(slow)
    assert entered.wait(60)
    second = loop.ask(lambda s: s.change())
    closer = threading.Thread(target=loop.close)
    closer.start()
    until(lambda: loop.ask(lambda s: s.change()).done())
    gate.set()
    closer.join(60)
    assert first.result(60) == "done"
    with pytest.raises(Refused) as refused:
        second.result(60)
    assert refused.value.status == 503
    with pytest.raises(Refused):
        loop.ask(lambda s: s.change()).result(60)
    assert not loop.alive
