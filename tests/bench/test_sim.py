"""The simulator itself: its clock, its books, its played git, and that the truth is what the landscape says."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest

from bench.sim.campaign import START, Campaign, Setting
from bench.sim.landscape import ORIGIN, Assumptions, Landscape, values_of
from bench.sim.loop import loops
from bench.sim.outcome import Outcome
from bench.sim.table import mean, table

PLAIN = Assumptions()
FIXED = {"id", "commit", "tree", "parent", "base", "origin", "verdict", "reason", "raw", "estimate", "stderr", "created",
         "bound_at", "judged_at", "dropped", "runs", "description"}  # fmt: skip

HEADING = re.compile(r"(@@ .* @@).*")  # git names the line above a hunk there


class Slow(Campaign):
    """Looks every few seconds too, as the coordinator does that knows nothing of what is to come."""

    def _next(self) -> float:
        return min(super()._next(), self.now + 7.0)


def played(folder: Path, setting: Setting, assumptions: Assumptions = PLAIN, seed: int = 1, kind: type[Campaign] = Campaign
           ) -> tuple[Campaign, Outcome]:  # fmt: skip
    campaign = kind(folder / f"campaign {len(list(folder.iterdir()))}", assumptions, setting, seed)
    return campaign, campaign.run()


def told(campaign: Campaign) -> list[object]:
    """Everything that was recorded of experiments, runs and best."""
    columns = ", ".join(f'"{name}"' for name in sorted(FIXED))
    return [
        *campaign.ledger.rows(f"SELECT {columns} FROM experiments ORDER BY id"),
        *(
            HEADING.sub(r"\1", patch or "")
            for (patch,) in campaign.ledger.rows("SELECT patch FROM experiments ORDER BY id")
        ),
        *campaign.ledger.rows("SELECT id, experiment, purpose, slot, status, score, queued, started, ended FROM runs"),
        *campaign.ledger.rows("SELECT experiment, previous, by, p, at, withdrawn FROM promotions"),
        *campaign.ledger.rows('SELECT name, "commit" FROM refs ORDER BY name'),
    ]


def test_the_played_git_answers_as_git_does(tmp_path: Path) -> None:
    """The same campaign with both: the same commits, patches, verdicts, refs, but for the headings of hunks."""
    setting = Setting(slots=2, hours=0.8)
    (fast, one), (slow, two) = played(tmp_path, setting), played(tmp_path, replace(setting, real_git=True))
    assert one.experiments > 8
    assert told(fast) == told(slow)
    assert one == two


def test_the_same_seed_is_the_same_campaign_and_another_is_another(tmp_path: Path) -> None:
    setting = Setting(slots=2, hours=1.0)
    first, again, other = (played(tmp_path, setting, seed=seed)[1] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_nothing_happens_between_the_moments_that_the_clock_jumps_to(tmp_path: Path) -> None:
    setting = Setting(slots=2, hours=1.0, policy={"queue": 0})  # agents think in turn, idle slots have appointments
    (jumping, one), (looking, two) = played(tmp_path, setting), played(tmp_path, setting, kind=Slow)
    assert told(jumping) == told(looking)
    assert one == two


def test_all_time_is_virtual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asleep(seconds: float) -> NoReturn:
        raise AssertionError("a simulation never sleeps")

    monkeypatch.setattr(time, "sleep", asleep)
    campaign, outcome = played(tmp_path, Setting(slots=2, hours=1.0))
    end = START + 3600 + 2 * PLAIN.run
    assert list(moments(campaign))
    assert [m for m in moments(campaign) if not START <= m <= end] == []
    assert outcome.gpu_s == pytest.approx(2 * 3600, abs=2)


def moments(campaign: Campaign) -> Iterator[float]:
    """Every time in the ledger."""
    times = {
        "campaigns": "created searching ended", "agents": "created ended", "experiments": "created bound_at judged_at",
        "runs": "queued started ended", "attempts": "started ended", "promotions": "at withdrawn", "events": "at",
        "slots": "free_since",
    }  # fmt: skip
    for where, names in times.items():
        for row in campaign.ledger.rows(f"SELECT {', '.join(names.split())} FROM {where}"):
            yield from (moment for moment in row if moment is not None)


@pytest.mark.parametrize("queue", [0, 1, 2])
def test_the_books_add_up(tmp_path: Path, queue: int) -> None:
    campaign, outcome = played(tmp_path, Setting(slots=2, hours=1.0, policy={"queue": queue}))
    assert outcome.booked == pytest.approx(sum(outcome.used.values()))
    assert sum(outcome.used.values()) + outcome.idle_s == pytest.approx(outcome.gpu_s)
    assert outcome.idle_s >= 0
    for slot in ("0", "1"):
        spans = sorted((since, to) for where, since, to in campaign.executor.spans if where == slot)
        assert all(to <= since for (_, to), (since, _) in pairwise(spans))


@pytest.mark.parametrize("queue", [0, 1, 2])
def test_no_agent_has_more_in_flight_than_its_queue_allows(tmp_path: Path, queue: int) -> None:
    campaign, _ = played(tmp_path, Setting(slots=2, hours=1.0, policy={"queue": queue}))
    most = 0
    for agent in campaign.agents:
        spans = campaign.ledger.rows(
            "SELECT created, judged_at FROM experiments WHERE agent=? AND origin='submit'", agent
        )
        most = max([most, *(sum(c <= at < j for c, j in spans) for at, _ in spans)])
    assert most == 1 + queue


def test_without_noise_best_only_gets_better_and_is_believed_as_it_is(tmp_path: Path) -> None:
    exact = replace(PLAIN, noise=0.0)
    _, outcome = played(tmp_path, Setting(slots=2, hours=3.0), exact)
    assert len(outcome.records) > 3
    assert all(after < before for _, before, after in outcome.records)
    assert all(a[2] == b[1] for a, b in pairwise(outcome.records))
    assert outcome.false == 0
    assert outcome.gain == pytest.approx(outcome.claimed, abs=1e-4)
    assert outcome.gain == pytest.approx(exact.start - outcome.records[-1][2])


def test_a_loop_thinks_while_its_gpu_waits_and_keeps_what_looked_better() -> None:
    even = replace(PLAIN, think_spread=0.0, run_spread=0.0, crashes=0.0)
    outcome = loops(even, Setting(slots=2, hours=10.0), 1)
    assert outcome == loops(even, Setting(slots=2, hours=10.0), 1)
    assert outcome.busy == pytest.approx(300 / 360, abs=0.01)
    assert outcome.claimed > outcome.gain  # the winner's curse
    assert loops(replace(even, noise=0.0), Setting(hours=10.0), 1).false == 0


def test_the_landscape_is_one_of_its_seed_and_its_noise_is_its_own() -> None:
    one, again, other = (Landscape(PLAIN, seed) for seed in (1, 1, 2))
    moved = {name: ORIGIN + 1 for name in one.names if (name, ORIGIN + 1) not in one.broken}
    assert one.truth(moved) == again.truth(moved) != other.truth(moved)
    assert one.truth({}) == PLAIN.start
    assert values_of(one.source(moved)) == moved
    rng = random.Random(0)
    scores = [score for _, score in (one.measured(moved, rng) for _ in range(2000)) if score is not None]
    assert sum(scores) / len(scores) == pytest.approx(one.truth(moved), abs=4 * PLAIN.noise / 2000**0.5)
    assert scores[0] != scores[1]
    assert one.measured(dict([next(iter(one.broken))]), rng) == (PLAIN.crash, None)


def test_a_seed_brings_its_luck_again_and_part_of_it_to_all_files() -> None:
    land = Landscape(replace(PLAIN, alike=0.5, crashes=0.0), 1)
    files = [{name: ORIGIN + 1} for name in land.names] + [{name: ORIGIN - 1} for name in land.names]
    rng = random.Random(0)

    def lucks(seed: int) -> list[float]:
        return [(land.measured(file, rng, seed)[1] or 0.0) - land.truth(file) for file in files]

    by_seed = [lucks(seed) for seed in range(60)]
    again = [a - b for seed in range(3) for a, b in zip(lucks(seed), by_seed[seed], strict=True)]
    assert math.sqrt(sum(x * x for x in again) / len(again)) == pytest.approx(PLAIN.noise * 0.1 * math.sqrt(2), rel=0.2)
    everything = [x for found in by_seed for x in found]
    whole = sum(x * x for x in everything) / len(everything)
    shared = sum((sum(found) / len(found)) ** 2 for found in by_seed) / len(by_seed)
    assert math.sqrt(whole) == pytest.approx(PLAIN.noise, rel=0.15)
    assert shared / whole == pytest.approx(0.5, abs=0.15)


def test_gains_do_not_add_up_beyond_the_ceiling_and_some_do_not_go_together() -> None:
    land = Landscape(PLAIN, 1)
    at_best = {name: ORIGIN + steps for name, steps in land.best_at.items()}
    alone = {name: PLAIN.start - land.truth({name: value}) for name, value in at_best.items()}
    assert 0 < PLAIN.start - land.truth(at_best) < min(sum(alone.values()), PLAIN.ceiling)
    x, y = next(pair for pair in land.against if set(pair) <= set(at_best))
    assert PLAIN.start - land.truth({x: at_best[x], y: at_best[y]}) < alone[x] + alone[y]


def test_an_interval_and_a_table() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    found = mean(values)  # t(0.975, 9) = 2.262, standard deviation 3.0277
    assert (found.value, found.n) == (5.5, 10)
    assert found.half == pytest.approx(2.262 * 3.0277 / 10**0.5, rel=0.02)
    assert table(["a", "long"], [["b", "c"]]).splitlines() == ["| a | long |", "|---|------|", "| b | c    |"]
