"""Screened on many kinds of hardware, judged on one: a slot of another kind never says what is best."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from swarm import views
from swarm.errors import Refused
from swarm.executors.inline import InlineExecutor
from swarm.ledger.reader import Reader
from swarm.research.hardware import home
from swarm.runner.spec import RunResult, RunSpec
from tests.coordinator.play import Play, total


def slots(*kinds: str) -> list[dict[str, Any]]:
    return [
        {"id": str(i), "devices": f"cpu:{i}", "accelerator": kind, "torch": "2", "device_nodes": []}
        for i, kind in enumerate(kinds)
    ]


class Two(Play):
    """Two kinds of hardware: the cheap one has an offset, and does not see what `B` costs."""

    def score(self, spec: RunSpec) -> RunResult:
        run = self.ledger.run(spec.run)
        name = self.ledger.value("SELECT accelerator FROM classes WHERE id=?", run.klass)
        plain = self.loss
        if name == "cheap":
            self.loss = lambda source: total(re.sub(r"^B = .*$", "B = 2.0", source, flags=re.M)) + 5
        try:
            return super().score(spec)
        finally:
            self.loss = plain


@pytest.fixture
def two(tmp_path: Path) -> Two:
    play = Two(tmp_path)
    assert isinstance(play.executor, InlineExecutor)
    return play


def begin(play: Play, *kinds: str, **policy: Any) -> None:
    play.begin(len(kinds), slots=slots(*kinds), policy=policy)


def measured_on(play: Play, ident: str) -> list[str]:
    sql = "SELECT c.accelerator FROM runs r JOIN classes c ON c.id=r.klass WHERE r.experiment=? ORDER BY r.id"
    return [name for (name,) in play.ledger.rows(sql, ident)]


def test_the_named_one_judges_though_it_has_fewer_slots(two: Two) -> None:
    begin(two, "cheap", "cheap", "H100 80GB", confirm_on="h100")
    assert measured_on(two, "e0001").count("H100 80GB") >= 1
    assert two.ledger.value("SELECT accelerator FROM classes WHERE id=?", two.world.home) == "H100 80GB"
    assert two.e("e0001").klass == two.world.home
    with Reader(two.workspace.ledger) as reader:
        assert reader.home(1) == two.world.home


def test_a_find_of_another_kind_is_measured_at_home_before_it_is_best(two: Two) -> None:
    begin(two, "cheap", "cheap", "H100", confirm_on="H100")
    e = two.measured("a0", A=0.5)
    assert e.verdict == "keep"
    assert two.world.campaign.best == e.id
    on = measured_on(two, e.id)
    assert on[0] == "cheap"
    assert on.count("H100") >= 2  # both runs that made it best
    assert two.e(e.id).klass == two.world.home
    assert two.e(e.id).estimate == pytest.approx(5.5, abs=0.05)
    assert two.e(e.id).runs == on.count("H100")


def test_what_only_another_kind_likes_is_never_best(two: Two) -> None:
    """Rankings flip between kinds of GPUs."""
    begin(two, "cheap", "cheap", "H100", confirm_on="H100")
    e = two.measured("a0", A=0.9, B=7.0)
    assert e.verdict == "keep"  # on the cheap one, that does not see B
    assert "H100" in measured_on(two, e.id)
    assert two.world.campaign.best == "e0001"
    assert "promoted" not in two.kinds()


def test_no_score_of_one_kind_is_compared_with_another_kinds(two: Two) -> None:
    """All of the cheap one's are 5 higher: nothing is kept or discarded for that."""
    begin(two, "H100", "H100", "cheap", confirm_on="H100")
    e = two.measured("a2", A=0.9)
    assert (e.verdict, measured_on(two, e.id)[0]) == ("keep", "cheap")
    worse = two.measured("a0", C=9.0)
    assert worse.verdict == "discard"


def test_what_crashes_at_home_holds_nothing_up(two: Two) -> None:
    begin(two, "cheap", "cheap", "H100", confirm_on="H100")
    plain = two.score

    def score(spec: RunSpec) -> RunResult:
        if two.ledger.run(spec.run).klass == two.world.home and "A = 0.3" in (Path(spec.work) / "train.py").read_text():
            return RunResult(spec.run, spec.attempt, "crashed", "out of memory", tail="Boom")
        return plain(spec)

    two.executor = two.world.executor = InlineExecutor(score)
    e = two.measured("a0", A=0.3)
    assert (e.verdict, two.e(e.id).dropped) == ("keep", 1)
    other = two.measured("a1", A=0.6)
    assert two.world.campaign.best == other.id


def test_a_restart_believes_the_same(two: Two) -> None:
    begin(two, "cheap", "cheap", "H100", confirm_on="H100")
    e = two.measured("a0", A=0.5)
    before = two.world.beliefs.of(e.id, two.world.home)
    two.open()
    after = two.world.beliefs.of(e.id, two.world.home)
    assert before is not None
    assert after is not None
    assert after.m == pytest.approx(before.m, abs=1e-3)


def test_hardware_that_is_not_there_is_refused_by_name(two: Two) -> None:
    with pytest.raises(Refused, match="H200") as said:
        two.spawn(2, slots=slots("cheap", "H100"), policy={"confirm_on": "H200"})
    assert "cheap" in said.value.message
    assert not two.world.has_campaign


def test_screens_show_the_home_class(two: Two) -> None:
    begin(two, "cheap", "cheap", "H100", confirm_on="H100")
    two.measured("a0", A=0.5)
    seen = views.look(two.workspace, two.now)
    assert seen.hardware == "H100"
    assert seen.best is not None
    assert seen.best.hardware == "H100"


def test_the_one_with_most_slots_else() -> None:
    assert home([(1, "A", 2), (2, "B", 3)], None) == 2
    assert home([(1, "A", 2), (2, "B", 2)], None) == 1
    assert home([(1, "NVIDIA H100", 1), (2, "H200", 7)], "h100") == 1
    assert home([(1, "A", 2), (2, "B", 3)], "gone") == 2
    assert home([], "A") is None
