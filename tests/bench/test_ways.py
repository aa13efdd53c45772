"""The ways that are compared: their books, their luck, what they may know, and that outcomes are remembered rightly."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import policies
from bench.sim import cache
from bench.sim.cache import Task, outcomes, read
from bench.sim.campaign import Setting
from bench.sim.landscape import Assumptions, Landscape
from bench.sim.numeric import Space, Tpe, drawn
from bench.sim.outcome import Outcome
from bench.sim.path import gains_at, reached, thinned, together
from bench.sim.table import mean, median, ratio
from bench.sim.ways import NAMES, parsed, play
from swarm.coordinator import beliefs
from swarm.research import effects

PLAIN = Assumptions()
SHORT = Setting(slots=2, hours=0.6)


@pytest.mark.parametrize("way", [*NAMES, "tpe:favour=1:startup=2", "swarm:queue=0"])
def test_the_books_of_every_way_add_up_and_its_luck_is_its_seeds(way: str) -> None:
    outcome = play(way, PLAIN, SHORT, 3)
    assert outcome == play(way, PLAIN, SHORT, 3)
    assert outcome != play(way, PLAIN, SHORT, 4)
    assert outcome.gpu_s == pytest.approx(2 * 3600 * SHORT.hours, abs=2)
    assert outcome.booked == pytest.approx(sum(outcome.used.values()))
    assert 0 < outcome.busy <= 1
    assert outcome.experiments > 3
    assert outcome.path[-1][1] == pytest.approx(outcome.gain)
    assert all(0 <= at <= outcome.gpu_s + 2 for at, _, _ in outcome.path)


@pytest.mark.parametrize("way", NAMES)
def test_without_noise_what_is_claimed_is_true_and_called_best_never_gets_worse(way: str) -> None:
    setting = replace(SHORT, hours=1.5)
    outcome = play(way, replace(PLAIN, noise=0.0, crashes=0.0), setting, 5)
    assert outcome.claimed == pytest.approx(outcome.gain, abs=1e-4)
    gains = [gain for _, gain, _ in outcome.path]
    assert gains == sorted(gains)
    assert outcome.false == 0


@pytest.mark.parametrize("way", ["tpe:startup=2", "random", "loops", "sharing", "best of many", "swarm"])
def test_no_way_knows_more_than_what_was_measured(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers with another truth behind them: the same search, whatever it is worth."""

    def lucky(self: Landscape, values: Mapping[str, int], rng: random.Random, seed: int) -> tuple[float, float]:
        return 300.0, rng.gauss(1.0, 0.01)

    monkeypatch.setattr(Landscape, "measured", lucky)
    real = play(way, PLAIN, SHORT, 3)
    monkeypatch.setattr(Landscape, "truth", lambda self, values: 7.0)
    blind = play(way, PLAIN, SHORT, 3)
    assert blind.gain == 0.0 != real.gain
    assert (blind.claimed, blind.score, blind.experiments) == (real.claimed, real.score, real.experiments)
    assert [at for at, *_ in blind.records] == [at for at, *_ in real.records]


def test_tpe_hears_of_a_crash_as_worse_than_all_that_ran() -> None:
    tpe = Tpe(["K00", "K01"], Space(startup=1), 1)
    tpe.tell(None, {}, 1.0)
    for score in (0.9, 1.4, None, 1.2):
        tpe.tell(*tpe.ask(), score)
    values = [trial.value for trial in tpe.study.trials]
    assert values == [1.0, 0.9, 1.4, pytest.approx(1.9), 1.2]
    assert tpe.study.trials[0].params == {"K00": 100, "K01": 100}


def test_tpe_finds_more_than_chance_where_nothing_is_noisy() -> None:
    easy, setting = replace(PLAIN, noise=0.0, crashes=0.0, harm=0.001), Setting(slots=2, hours=3.0)
    gains = [
        [play(way, easy, setting, seed).gain for seed in range(3)]
        for way in ("tpe:favour=1:dims=6", "random:favour=1:dims=6")
    ]
    assert sum(gains[0]) > sum(gains[1]) + 0.003


def test_a_favour_is_one_and_without_it_nobody_says_which_constants_matter() -> None:
    land = Landscape(PLAIN, 1)
    told = drawn(land, Space(favour=True), 1)
    assert len(told) == 14 and set(told) <= set(land.best_at)
    assert not set(drawn(land, Space(), 1)) <= set(land.best_at)
    assert drawn(land, Space(dims=60), 1) == land.names
    assert drawn(land, Space(), 1) != drawn(Landscape(PLAIN, 2), Space(), 2)


# --- words --------------------------------------------------------------------------------------------------------


def test_settings_are_read_as_what_they_are() -> None:
    assert parsed("swarm:queue=0:confirm_share=0.3") == ("swarm", {"queue": 0, "confirm_share": 0.3})
    assert parsed("tpe:dims=60:favour=1") == ("tpe", {"dims": 60, "favour": True})
    assert parsed("apart:research.judging.LIMIT=0") == ("apart", {"research.judging.LIMIT": 0.0})
    assert parsed("swarm:idle=confirm") == ("swarm", {"idle": "confirm"})


@pytest.mark.parametrize(
    "way", ["swan", "swarm:hurry=1", "swarm:queue", "loops:queue=1", "tpe:queue=1", "swarm:research.judging.LIMITS=1",
            "swarm:research.juggling.LIMIT=1"],
)  # fmt: skip
def test_what_there_is_not_is_said(way: str) -> None:
    with pytest.raises(SystemExit):
        parsed(way)


def test_a_constant_of_the_code_is_another_for_one_way_only() -> None:
    before, setting = beliefs.ENOUGH, replace(SHORT, hours=2.0)
    changed = play("swarm:coordinator.beliefs.ENOUGH=5", PLAIN, setting, 3)
    assert before == beliefs.ENOUGH == effects.ENOUGH
    assert changed != play("swarm", PLAIN, setting, 3)


# --- over time ----------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.floats(0, 100), st.floats(-1, 1), st.floats(-1, 1)), max_size=12).map(
    lambda steps: sorted(steps)
)


def test_of_searches_side_by_side_the_one_that_claims_most_is_called_best() -> None:
    first = [(1.0, 0.0, 10.0), (5.0, 0.3, 8.0), (7.0, 0.3, 9.5)]  # its belief fell later
    other = [(2.0, 0.0, 10.0), (4.0, 0.1, 9.0)]
    assert together([first, other], 2) == ((2.0, 0.0, 10.0), (8.0, 0.1, 9.0), (10.0, 0.3, 8.0), (14.0, 0.1, 9.0))
    assert together([first], 1) == tuple(first)


def test_who_went_back_was_not_there() -> None:
    path = ((1.0, 0.0, 1.0), (2.0, 0.5, 0.5), (3.0, 0.2, 0.4), (4.0, 0.6, 0.3), (5.0, 0.7, 0.2))
    assert (reached(path, 0.5), reached(path, 0.7), reached(path, 0.71)) == (4.0, 5.0, math.inf)
    assert gains_at(path, [0.5, 2.0, 3.9, 9.0]) == [0.0, 0.5, 0.2, 0.7]


@given(STEPS, st.floats(-1, 1))
def test_thinned_out_a_path_says_the_same(path: list[tuple[float, float, float]], target: float) -> None:
    few, moments = thinned(path), [at for at, _, _ in path]
    assert gains_at(few, moments) == gains_at(path, moments)
    assert reached(few, target) == reached(path, target)
    assert all(a[1] != b[1] for a, b in pairwise(few))


@pytest.mark.parametrize(("n", "low", "high"), [(30, 10, 21), (12, 3, 10), (25, 8, 18), (6, 1, 6)])
def test_the_interval_of_a_median_is_the_one_of_the_tables(n: int, low: int, high: int) -> None:
    """Ranks of the 95 % interval: Conover, table of the sign test's quantiles."""
    assert median([float(i) for i in range(n, 0, -1)]) == ((n + 1) / 2, low, high)


def test_a_median_of_those_who_never_came_there() -> None:
    assert median([1.0, 2.0, math.inf, math.inf, math.inf, math.inf, math.inf]) == (math.inf, 1.0, math.inf)
    assert median([1.0, 2.0, 3.0]) == (2.0, 0.0, math.inf)  # three cannot say it


def test_a_ratio_and_its_interval() -> None:
    assert ratio([(1.0, 2.0), (2.0, 4.0), (4.0, 8.0)]) == "0.50 ± 0.00"
    assert ratio([(0.0, 0.0), (0.0, 0.0)]) == "–"
    pairs = [(1.0, 4.0), (3.0, 4.0), (2.0, 4.0)] * 5  # equal sizes: the interval of the mean share
    assert ratio(pairs, 100) == f"50 ± {mean(a / b for a, b in pairs).half * 100:.0f}"


# --- what is remembered -------------------------------------------------------------------------------------------


def tasks(ways: str = "loops,random", seeds: int = 2) -> list[Task]:
    return [Task(way, PLAIN, SHORT, seed) for way in ways.split(",") for seed in range(seeds)]


def silent(text: str) -> None:
    pass


def test_what_was_played_is_not_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, played = tmp_path / "cache.jsonl", []

    def counted(*task: object) -> Outcome:
        played.append(task)
        return play(*task)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "play", counted)
    found = outcomes(tasks(), 1, file, silent)
    assert found == [play(*task) for task in tasks()]
    assert outcomes(list(reversed(tasks())), 1, file, silent) == found[::-1]
    assert len(played) == 4
    text = file.read_text()
    file.write_text(text[: len(text) - 40])  # cut off in its last line
    assert outcomes(tasks(), 1, file, silent) == found
    assert outcomes(tasks(), 1, file, silent) == found
    assert len(played) == 5
    outcomes([replace_seed(tasks()[0], 9), Task("loops", replace(PLAIN, think=20.0), SHORT, 0)], 1, file, silent)
    assert len(played) == 7


def replace_seed(task: Task, seed: int) -> Task:
    return task._replace(seed=seed)


def test_other_code_is_another_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [task] = tasks("loops", 1)
    before = task.key
    monkeypatch.setattr(cache, "version", lambda name: "another")
    assert task.key != before


def test_in_processes_it_comes_to_the_same(tmp_path: Path) -> None:
    assert outcomes(tasks(), 2, tmp_path / "a", silent) == outcomes(tasks(), 1, tmp_path / "b", silent)


# --- the comparison -----------------------------------------------------------------------------------------------


def test_the_whole_comparison_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(policies, "OTHERS", ({"noise": 0.004}, {"clashes": 0.15, "clash": 0.003}))
    words = ["--repeats", "3", "--few", "2", "--slots", "2", "--hours", "0.15", "--ways", "loops,random", "--jobs", "1",
             "--settings", "swarm:queue=0", "--tries", "3", "--target", "0.001", "--cache", str(tmp_path / "c"), "--out", str(tmp_path / "o"),
             "--set", "think=10", "run=60", "crash=20"]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["policies", *words])
    policies.main()
    text = (tmp_path / "o.md").read_text()
    assert text.split("\n", 2)[2].strip() in capsys.readouterr().out
    assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")
    rows = [line.strip("| ").split("|")[0].strip() for line in text.splitlines() if line.startswith("|")]
    named = [row for row in rows if not row.startswith("-")]
    assert named == ["way", "loops", "random", "swarm", "swarm −", "loops", "random", "assumption", "as assumed", "noise 0.004", "clashes 0.15, clash 0.003",
                     "way", "swarm", "swarm:queue=0"]  # fmt: skip
    assert "think 10" in text
    assert len(read(tmp_path / "c")) == 3 * 3 + (3 * 4 - 2) * 2 + 3  # what is asked twice is played once


def test_our_own_settings_that_are_tried_are_there() -> None:
    assert [parsed(way)[0] for way in policies.tried()] == ["swarm"] * len(policies.tried())
    assert "swarm:queue=0" in policies.tried()
