"""What a step costs with many slots: it is taken after every submission, so it must not look everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import git
import pytest

from tests.coordinator.play import Play

SLOTS = 64


def _counted(play: Play, do: Callable[[], Any]) -> tuple[int, int]:
    """Statements and rows read of the ledger while `do` works."""
    found = [0, 0]
    ledger = play.world.ledger
    plain = ledger.all

    def all_(*args: Any) -> list[Any]:
        rows = plain(*args)
        found[1] += len(rows)
        return rows

    ledger.all = all_  # type: ignore[method-assign]
    ledger.db.set_trace_callback(lambda _: found.__setitem__(0, found[0] + 1))
    try:
        do()
    finally:
        ledger.db.set_trace_callback(None)
        ledger.all = plain  # type: ignore[method-assign]
    return found[0], found[1]


def test_a_step_reads_the_slots_once_and_not_once_per_slot_and_agent(play: Play) -> None:
    play.begin(8, pool=SLOTS)
    statements, rows = _counted(play, play.step)
    assert statements < 10 * SLOTS
    assert rows < 10 * SLOTS


def test_what_was_read_is_read_again_after_every_change(play: Play) -> None:
    play.begin(2)
    w = play.world
    assert [s.state for s in w.slots()] == ["open", "open"]
    w.ledger.change("slots", {"id": "1"}, state="closed")
    assert [s.id for s in w.slots()] == ["0"]

    def fail() -> None:
        with w.ledger.tx():
            w.ledger.change("slots", {"id": "0"}, state="closed")
            assert w.slots() == []
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [s.id for s in w.slots()] == ["0"]
    w.slots().clear()
    assert [s.id for s in w.slots()] == ["0"]


def test_who_has_something_queued(play: Play) -> None:
    play.begin(2)
    assert play.world.queueing() == set()
    play.submit("a1", B=1.0)
    assert play.world.queueing() == {"a1"}
    play.settle()
    assert play.world.queueing() == set()


def _scans(play: Play, do: Callable[[], Any]) -> set[str]:
    """Statements of `do` that read one of the big tables from end to end."""
    said: set[str] = set()
    db = play.world.ledger.db
    db.set_trace_callback(said.add)
    try:
        do()
    finally:
        db.set_trace_callback(None)
    found = set()
    for sql in said:
        if not sql.startswith(("SELECT", "UPDATE")):
            continue
        plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
        found |= {f"{step}: {sql}" for step in plan if step in BIG}
    return found


# without an index a MAX is a "SEARCH", too; that of a rowid is one look
BIG = {
    "SEARCH experiments",
    *(f"SCAN {table}" for table in ("experiments", "runs", "attempts", "events", "ideas", "pages")),
}


def test_nothing_that_is_done_over_and_over_reads_a_whole_table(play: Play) -> None:
    play.begin(2)
    for n in range(4):
        play.story.idea_add(None, text=f"idea {n}")

    def work() -> None:
        for n in range(4):
            play.edit(f"a{n % 2}", A=0.9 - n / 10, B=2.0 + n / 100)
            play.story.submit(f"a{n % 2}", "x", expect=-0.1, p=0.9, idea=play.story.idea_claim(f"a{n % 2}")["idea"])
            play.settle()
            play.story.contact(f"a{n % 2}", final=True)

    assert _scans(play, work) == set()
    assert play.world.ledger.value("SELECT COUNT(*) FROM runs WHERE purpose='confirm'")


def test_what_the_swarm_queues_itself_reads_no_whole_table_either(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "swarm.coordinator.confirm.review", lambda w: False
    )  # else one of the two is best, and no stack
    play.begin(2, policy={"blank": 0.25, "rebase_every": 1e9})

    def work() -> None:
        play.submit("a0", A=0.9)
        play.submit("a1", B=1.9)
        play.settle()
        play.story.grid(["B=1.9,5", "C=3,4"], repeats=2)
        play.settle()
        for _ in range(20):
            play.step(400.0)

    # at the door, once per wave, and where an experiment is begun: what each of its experiments is called
    named = {s for s in _scans(play, work) if "MAX(CAST(SUBSTR(id, 2)" not in s}
    assert named == set()
    for origin in ("wave", "blank", "stack"):
        assert play.world.ledger.value("SELECT COUNT(*) FROM experiments WHERE origin=? AND agent='swarm'", origin), (
            origin
        )


def test_many_slots_ask_for_a_wave_once(play: Play) -> None:
    play.begin(8, pool=SLOTS)
    play.story.grid(["A=" + ",".join(map(str, range(8))), "B=" + ",".join(map(str, range(8)))])
    statements, rows = _counted(play, play.step)
    assert statements < 20 * SLOTS
    assert rows < 10 * SLOTS


def test_what_an_experiment_costs_in_git_processes(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes longer than all else that the story does for it."""
    play.begin(2)
    play.measured("a0", A=0.9)
    started: list[object] = []
    execute = git.Git.execute

    def counted(self: git.Git, command: Any, *args: Any, **named: Any) -> Any:
        started.append(command)
        return execute(self, command, *args, **named)

    monkeypatch.setattr(git.Git, "execute", counted)
    play.story.submit_values("a1", {"A": "5.7"})
    assert len(started) <= 7  # worktree, blob, listing, tree, commit, diff, ref
    started.clear()
    play.settle()
    assert len(started) <= 5  # three levels of objects looked at, checkout, ref
