"""Who may have an idea; and against the real ledger, whatever agents do in whatever order: one holder at most."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swarm.coordinator import idea as verb
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.ledger import backlog
from swarm.ledger.ledger import Ledger
from swarm.research import ideas
from swarm.research.ideas import Idea, Standing, bounded, of_list, order, refusal, stands


def idea(**more: Any) -> Idea:
    values: dict[str, Any] = {
        "id": 1, "campaign": 1, "author": None, "text": "t", "evidence": None, "priority": 1.0, "state": "open",
        "holder": None, "until": None, "experiment": None, "outcome": None, "at": 0.0, "ended": None,
    }  # fmt: skip
    return Idea(**{**values, **more})


HELD = idea(state="claimed", holder="a", until=10.0)


def test_a_lease_ends_with_its_time_or_its_holder() -> None:
    assert stands(HELD, True, None, 9.0) == Standing("claimed", "a")
    assert stands(HELD, True, None, 10.0) == stands(HELD, False, None, 9.0) == Standing("open")
    flying = idea(state="claimed", holder="a", until=10.0, experiment="e0002")
    assert stands(flying, False, None, 99.0) == Standing("claimed", "a"), "what is measured stays whose it is"
    assert stands(flying, True, "discard", 0.0) == stands(flying, True, "crash", 0.0) == Standing("done")
    assert stands(flying, True, "conflict", 0.0) == stands(flying, True, "cancelled", 0.0) == Standing("open")
    assert stands(idea(state="dropped"), True, None, 0.0) == Standing("dropped")


def test_who_may_have_one() -> None:
    assert refusal(HELD, Standing("claimed", "a"), "a", 9) == ""
    assert "is a's" in refusal(HELD, Standing("claimed", "a"), "b", 0)
    assert refusal(idea(), Standing("open"), "b", 0) == ""
    assert "hold 3" in refusal(idea(), Standing("open"), "b", ideas.MOST_HELD)
    assert "tried as e0002 (keep)" in refusal(idea(experiment="e0002", outcome="keep"), Standing("done"), "b", 0)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(allow_nan=False))
def test_a_persons_list_comes_first_in_its_order(a: int, b: int, priority: float) -> None:
    first, second = sorted([idea(id=9, priority=of_list(a)), idea(id=8, priority=of_list(b))], key=order)
    assert a == b or first.priority == of_list(min(a, b))
    assert bounded(priority) <= 10.0 and bounded(priority, True) <= 100.0 < ideas.LISTED < second.priority


AGENTS = ("a", "b", "c")


class Backlog(RuleBasedStateMachine):
    """Three agents and a clock; what is true of the rows after every step is looked up in the ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        ledger = Ledger(Path(self.folder.name) / "results.db")
        ledger.db.execute("PRAGMA synchronous=OFF")
        ledger.add(
            "campaigns",
            id=1,
            name="c",
            task="{}",
            stop="{}",
            state="searching",
            metric="m",
            better="lower",
            created=1.0,
        )
        for n, name in enumerate(AGENTS):
            ledger.add(
                "agents", name=name, campaign=1, kind="scripted", state="thinking", base="e", tip="e", created=float(n)
            )
        nothing: Any = SimpleNamespace()
        self.world = World(nothing, ledger, nothing, nothing, nothing, nothing, nothing, now=1000.0)
        self.ledger = ledger
        self.count = 0

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    def rows(self) -> dict[int, Idea]:
        return {i.id: i for i in (Idea(*row) for row in self.ledger.rows(f"SELECT {verb.COLUMNS} FROM ideas"))}

    @rule(who=st.sampled_from([None, *AGENTS]), n=st.integers(0, 5), priority=st.floats(0, 5))
    def add(self, who: str | None, n: int, priority: float) -> None:
        verb.add(self.world, who, f"idea {n}", priority)

    @rule(who=st.sampled_from(AGENTS), ident=st.none() | st.integers(1, 6))
    def claim(self, who: str, ident: int | None) -> None:
        seen = {i.id: (i.state, i.holder) for i in backlog.listed(self.ledger, 1, self.world.now, 99, over=True)}
        try:
            got = verb.claim(self.world, who, ident)
        except Refused:
            if ident in seen and seen[ident] == ("open", None):
                held = [h for _, h in seen.values() if h == who]
                assert len(held) >= ideas.MOST_HELD, "a free one is refused only to who has enough"
            return
        assert got["holder"] == who
        assert seen[got["idea"]] in (("open", None), ("claimed", who)), "it was nobody else's"

    @rule(who=st.sampled_from(AGENTS), ident=st.integers(1, 6))
    def submit(self, who: str, ident: int) -> None:
        try:
            verb.may_try(self.world, who, ident)
        except Refused:
            return
        self.count += 1
        name = f"e{self.count:04d}"
        self.ledger.add("experiments", id=name, campaign=1, agent=who, origin="submit", kind="const", description="d",
                        stage="queued", created=1.0)  # fmt: skip
        with self.ledger.tx():
            verb.tried(self.world, who, name, ident)

    @precondition(lambda self: self.count)
    @rule(
        n=st.integers(1, 30),
        verdict=st.sampled_from(["keep", "discard", "crash", "conflict", "cancelled"]),
        hooked=st.booleans(),
    )
    def judge(self, n: int, verdict: str, hooked: bool) -> None:
        name = f"e{(n - 1) % self.count + 1:04d}"
        if self.ledger.value("SELECT verdict FROM experiments WHERE id=?", name) is None:
            self.ledger.change("experiments", {"id": name}, stage="done", verdict=verdict)
            if hooked:  # else whoever asks next finds out
                verb.judged(self.world, name, verdict)

    @rule(who=st.sampled_from(AGENTS), ident=st.integers(1, 6), drop=st.booleans())
    def done(self, who: str, ident: int, drop: bool) -> None:
        before = self.rows().get(ident)
        try:
            verb.done(self.world, who, ident, drop=drop)
        except Refused:
            return
        assert before is not None
        assert self.rows()[ident].state in ("done", "dropped")

    @rule(seconds=st.sampled_from([1.0, ideas.LEASE / 2, ideas.LEASE, -50.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(who=st.sampled_from(AGENTS))
    def hear(self, who: str) -> None:
        verb.heard_of(self.world, who)

    @rule(who=st.sampled_from(AGENTS), state=st.sampled_from(["thinking", "stopped", "crashed"]))
    def agent(self, who: str, state: str) -> None:
        self.ledger.change("agents", {"name": who}, state=state)

    @invariant()
    def screens_see_what_a_claim_would(self) -> None:
        shown = {i.id: (i.state, i.holder) for i in backlog.listed(self.ledger, 1, self.world.now, 99, over=True)}
        with self.ledger.tx():
            verb.refresh(self.world)
        rows = self.rows()
        assert {n: (i.state, i.holder) for n, i in rows.items()} == shown
        for i in rows.values():
            assert (i.state == "claimed") == (i.holder is not None) == (i.until is not None)
            assert (i.state in ("done", "dropped")) == (i.ended is not None)
        for who in AGENTS:
            mine = [i for i in rows.values() if i.holder == who and i.experiment is None]
            assert len(mine) <= ideas.MOST_HELD


TestBacklog = Backlog.TestCase
TestBacklog.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_an_agent_that_only_writes_ideas_is_told_to_try_one() -> None:
    machine = Backlog()
    try:
        for n in range(ideas.MOST_OPEN):
            verb.add(machine.world, "a", f"idea number {n}")
        with pytest.raises(Refused, match="nobody has tried them"):
            verb.add(machine.world, "a", "one more")
        assert verb.add(machine.world, "a", "idea number 3")["known"]
        assert not verb.add(machine.world, "b", "one more")["known"]
        verb.done(machine.world, "a", 1, drop=True)
        verb.add(machine.world, "a", "now there is room")
        verb.add(machine.world, None, "a person's")
    finally:
        machine.teardown()
