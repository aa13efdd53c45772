"""Runs that are ended by their loss so far, where the policy asks for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarm.coordinator import early
from swarm.research.experiment import Run
from swarm.research.hopeless import Rule
from swarm.runner.curve import Point
from swarm.runner.spec import RunResult, RunSpec
from tests.coordinator.play import Play

PARENT = {"early": "parent", "early_by": 6, "baseline_runs": 5, "idle_after": 1e9}


class Curved(Play):
    """The training's loss falls towards the score in a straight line."""

    def score(self, spec: RunSpec) -> RunResult:
        result = super().score(spec)
        return result if result.score is None else replace(result, curve=until(1.0, result.score, spec.seed))

    def going(self, ident: str, share: float, loss: float, seed: int = 0) -> None:
        """The run of an experiment has come so far, and would come to `loss`."""
        self.executor.curves[self.run(ident).id] = until(share, loss, seed)

    def run(self, ident: str) -> Run:
        (run,) = self.ledger.all(Run, "WHERE experiment=?", ident)
        return run

    def started(self, agent: str, **values: float) -> str:
        """Submitted, and on its slot."""
        ident = self.submit(agent, **values)
        self.step()
        assert self.run(ident).status == "running"
        return ident


def until(share: float, loss: float, seed: int) -> list[Point]:
    luck = random.Random(seed).gauss(0, 0.005)
    return [(n / 20, loss + luck + 2 * (1 - n / 20)) for n in range(1, round(20 * share) + 1)]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Curved]:
    made = Curved(tmp_path)
    yield made
    made.story.close()


def begun(play: Curved, **policy: Any) -> None:
    play.begin(2, policy={**PARENT, **policy})
    play.executor.manual = True


def test_curves_are_recorded_with_the_result(play: Curved) -> None:
    play.begin(1)
    rows = play.ledger.rows("SELECT run, COUNT(*), MIN(fraction), MAX(fraction) FROM curves GROUP BY run")
    assert [(n, low, high) for _, n, low, high in rows] == [(20, 0.05, 1.0)] * 3


def test_what_a_result_says_of_its_curve_may_be_anything(play: Curved) -> None:
    play.begin(1)
    odd: Any = [(float("nan"), 1), ("x", None), (0.5, 3.0), (0.5, 4.0), (0.1, float("inf"))]
    play.executor._scorer = lambda spec: replace(play.score(spec), curve=odd)
    run = play.measured("a0", A=9).id
    assert play.ledger.rows("SELECT fraction, loss FROM curves WHERE run=?", play.run(run).id) == [(0.5, 3.0)]


def test_off_nothing_is_ended(play: Curved) -> None:
    begun(play, early="off")
    ident = play.started("a0", A=9)
    play.going(ident, 0.9, 99)
    play.step(10)
    assert play.run(ident).status == "running"


def test_a_hopeless_run_is_ended_and_counts_nowhere_as_measured(play: Curved) -> None:
    begun(play)
    ident = play.started("a0", A=9)
    play.going(ident, 0.25, 14)
    play.step(10)
    assert play.run(ident).status == "running"  # not before 30 %
    play.going(ident, 0.4, 14)
    play.step(10)
    e, run = play.e(ident), play.run(ident)
    assert (run.status, run.score) == ("cancelled", None)
    assert (e.verdict, e.stage, e.runs, e.raw, e.estimate, e.p_better) == ("discard", "done", 0, None, None, None)
    assert e.reason is not None and e.reason.startswith(
        "ended at 30 % of its budget: loss 15.4 where its parent had 7.4"
    )
    assert play.ledger.rows("SELECT outcome, why FROM attempts WHERE run=?", run.id) == [("cancelled", e.reason)]
    assert play.ledger.value("SELECT COUNT(*) FROM curves WHERE run=?", run.id) == 8
    assert [s for s in play.executor.running() if s.run == run.id] == []
    play.executor.manual = False
    play.settle()
    assert play.ledger.value("SELECT COUNT(*) FROM runs WHERE experiment=?", ident) == 1
    (told,) = play.story.contact("a0")["results"]
    assert (told["experiment"], told["verdict"], told["score"], told["reason"]) == (ident, "discard", None, e.reason)
    assert play.story.constants("a0")["experiments"] == []
    assert play.ledger.value("SELECT COUNT(*) FROM events WHERE kind='judged' AND experiment=?", ident) == 1


def test_it_is_no_result_that_another_is_answered_by(play: Curved) -> None:
    begun(play)
    ident = play.started("a0", A=9)
    play.going(ident, 0.4, 14)
    play.step(10)
    again = play.started("a1", A=9)
    assert play.e(again).tree == play.e(ident).tree
    assert play.e(again).verdict is None


def test_its_slot_goes_on_with_the_next(play: Curved) -> None:
    begun(play)
    first, second = play.started("a0", A=9), play.submit("a0", B=1.5)
    play.going(first, 0.4, 14)
    play.step(10)
    play.step()
    assert play.run(second).status == "running"


def test_as_good_as_its_parent_it_goes_on(play: Curved) -> None:
    begun(play)
    ident = play.started("a0", A=1.001)
    play.going(ident, 0.95, 6.01)
    play.step(10)
    assert play.run(ident).status == "running"
    play.executor.manual = False
    play.settle()
    assert play.e(ident).runs >= 1


def test_the_noise_must_be_known(play: Curved) -> None:
    begun(play, baseline_runs=3)
    ident = play.started("a0", A=9)
    play.going(ident, 0.9, 99)
    play.step(10)
    assert play.run(ident).status == "running"


@pytest.mark.parametrize("early", ["parent", "median", "halving"])
def test_only_first_runs_of_agents_changes_are_ended(play: Curved, early: str) -> None:
    begun(play, early=early, early_by=None)
    play.executor.manual = False
    for n in range(6):
        play.measured("a0", C=3.1 + 0.1 * n)
    play.executor.manual = True
    mine = play.story.try_file({"train.py": "A = 9\n"}, "mine")["experiment"]
    play.step()
    with play.ledger.tx():
        again = play.ledger.add_run(play.world.campaign.baseline or "", "reference", play.world.home, "k", play.now)
    play.step()
    going = play.ledger.open_runs("running")
    assert {r.experiment for r in going} == {mine, play.world.campaign.baseline}
    for run in going:
        play.executor.curves[run.id] = until(0.9, 99, 0)
    play.step(10)
    assert {r.status for r in (play.run(mine), play.ledger.run(again))} == {"running"}


def test_the_baseline_is_never_ended(play: Curved) -> None:
    play.executor.manual = True
    play.spawn(2, policy=PARENT)
    play.step()
    for run in play.ledger.open_runs("running"):
        play.executor.curves[run.id] = until(0.9, 99, 0)
    play.step(10)
    assert len(play.ledger.open_runs("running")) == 2


@pytest.mark.parametrize(("early", "share"), [("median", 0.3), ("halving", 0.35)])
def test_rules_that_compare_with_all_the_others(play: Curved, early: str, share: float) -> None:
    begun(play, early=early, early_by=None)
    play.executor.manual = False
    for n in range(5):
        play.measured("a0", C=3.1 + 0.1 * n)
    play.executor.manual = True
    good, bad = play.started("a0", A=0.9), play.started("a1", A=2)
    play.going(good, 0.9, 5.9)
    play.going(bad, 0.9, 7)
    play.step(10)
    assert (play.run(good).status, play.run(bad).status) == ("running", "cancelled")
    assert (play.e(bad).reason or "").startswith(f"ended at {share:.0%}".replace("%", " %"))


def test_every_mark_is_looked_at_once(play: Curved, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(play)
    asked: list[float] = []

    def bar(w: object, rule: Rule, e: object, run: object, mine: object, mark: float) -> None:
        asked.append(mark)

    monkeypatch.setattr(early, "_bar", bar)
    ident = play.started("a0", A=9)
    for share in (0.1, 0.35, 0.35, 0.5, 0.5, 1.0, 1.0):
        play.going(ident, share, 14)
        play.step(10)
    assert asked == [n / 20 for n in range(6, 20)]


@pytest.mark.parametrize(("where", "index"), [("r.experiment=?", "runs_by_experiment"), ("r.purpose=?", "runs_over")])
def test_other_curves_are_found_by_index(play: Curved, monkeypatch: pytest.MonkeyPatch, where: str, index: str) -> None:
    """However many runs the ledger holds."""
    play.begin(1)
    run = play.ledger.run(1)
    asked: list[str] = []
    rows = play.ledger.rows

    def explained(sql: str, *args: Any) -> list[tuple[Any, ...]]:
        asked.extend(str(row[-1]) for row in rows(f"EXPLAIN QUERY PLAN {sql}", *args))
        return []

    monkeypatch.setattr(play.ledger, "rows", explained)
    early._curves(play.world, where, "e0001", run)
    assert any(index in line for line in asked), asked
    assert not [line for line in asked if line.startswith("SCAN") and line not in ("SCAN n", "SCAN (subquery-1)")], (
        asked
    )
