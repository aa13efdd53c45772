"""prepare.Budget: four kinds, each from 0 to 1 and then done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Template


def test_steps(template: Template) -> None:
    budget = template.prepare.Budget("steps:3")
    budget.start()
    seen = []
    while not budget.done:
        seen.append(budget.progress)
        with budget.step():
            pass
    assert seen == pytest.approx([0, 1 / 3, 2 / 3])
    assert budget.progress == 1


@pytest.mark.parametrize(("kind", "clock"), [("wall", "perf_counter"), ("cpu", "process_time")])
def test_time_counts_from_start(template: Template, monkeypatch: pytest.MonkeyPatch, kind: str, clock: str) -> None:
    now = [100.0]
    monkeypatch.setattr(template.prepare.time, clock, lambda: now[0])
    budget = template.prepare.Budget(f"{kind}:10")
    now[0] = 200.0
    assert budget.progress == 0
    budget.start()
    now[0] = 205.0
    assert budget.progress == pytest.approx(0.5)
    assert not budget.done
    now[0] = 211.0
    assert budget.done
    assert budget.progress == 1


def flops_of(template: Template, **sizes: int) -> float:
    for name, value in sizes.items():
        setattr(template.train, name, value)
    run = template.train.Run(template.prepare.load(300), template.train.sdpa_kernel(), 1)
    budget = template.prepare.Budget("flops:1e12")
    budget.start()
    with budget.step():
        run.learn(0.5)
    return float(budget.used)


def test_flops_are_the_same_every_time_and_price_size(template: Template) -> None:
    once = flops_of(template)
    assert once == flops_of(template)
    assert flops_of(template, TOTAL_BATCH_SIZE=128) > once
    assert flops_of(template, TOTAL_BATCH_SIZE=64, DEPTH=4) > 1.5 * once


def test_half_a_batch_costs_more_than_half(template: Template) -> None:
    whole = flops_of(template, TOTAL_BATCH_SIZE=128)
    half = flops_of(template, TOTAL_BATCH_SIZE=64)
    assert whole / 2 < half < whole


def test_metering_changes_no_result(template: Template) -> None:
    def losses(kind: str) -> list[float]:
        run = template.train.Run(template.prepare.load(300), template.train.sdpa_kernel(), 1)
        budget = template.prepare.Budget(kind)
        found = []
        for _ in range(3):
            with budget.step():
                found.append(run.learn(0.1))
        return found

    assert losses("flops:1e12") == losses("steps:9")


def test_the_environment_gives_the_budget(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_BUDGET", "flops:2.5e11")
    budget = template.prepare.Budget()
    assert (budget.kind, budget.limit) == ("flops", 2.5e11)


@pytest.mark.parametrize("text", ["steps", "steps:0", "steps:-1", "hours:3", "wall:nan", "wall:inf", "cpu:x", "1e9"])
def test_what_is_no_budget_is_refused(template: Template, text: str) -> None:
    with pytest.raises(SystemExit, match="a budget is"):
        template.prepare.Budget(text)


def test_progress_never_falls(template: Template) -> None:
    @given(st.integers(1, 50), st.integers(0, 60))
    def check(limit: int, steps: int) -> None:
        budget = template.prepare.Budget(f"steps:{limit}")
        before = 0.0
        for _ in range(steps):
            with budget.step():
                pass
            assert before <= budget.progress <= 1
            before = budget.progress
        assert budget.done == (steps >= limit)

    check()
