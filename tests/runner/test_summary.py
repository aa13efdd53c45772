"""Exactly one summary, however the output looks."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.runner.summary import Summary, parse

UPSTREAM = """step 00953 (100.0%) | loss: 2.9\r
---
val_bpb:          0.997900
training_seconds: 300.1
total_seconds:    325.9
peak_vram_mb:     45060.2
mfu_percent:      39.80
total_tokens_M:   499.6
num_steps:        953
num_params_M:     50.3
depth:            8
"""


def test_upstreams_block() -> None:
    summary = parse(UPSTREAM, "val_bpb")
    assert summary.score == 0.9979
    assert summary.problem == ""
    assert list(summary.values) == [
        "val_bpb", "training_seconds", "total_seconds", "peak_vram_mb", "mfu_percent", "total_tokens_M", "num_steps",
        "num_params_M", "depth",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "score", "problem"),
    [
        ("", None, "no summary"),
        ("---\n", None, "no summary"),
        ("val_bpb: 1.5\n", 1.5, ""),
        ("val_bpb: 1.5\nval_bpb: 1.4\n", None, "two summaries"),
        ("---\nother: 2\nval_bpb: 1.5\nend\nval_bpb: 1.2\n", 1.5, ""),
        ("val_bpb: 9\n---\nval_bpb: 1.5\n", 1.5, ""),
        ("val_bpb: 9\n---\nsomething else\n", None, "no summary"),
        ("---\nval_bpb: 1.5\nval_bpb: 1.5\n", None, "two summaries"),
        ("---\nval_bpb: 1.5\n---\nval_bpb: 1.5\n", None, "two summaries"),
        ("---\nloss: 3\n---\nval_bpb: 1.5\n", 1.5, ""),
        ("---\n\nval_bpb: 1.5\n", None, "no summary"),
        ("---\nval_bpb: FAIL\n", None, "nan"),
        ("---\nval_bpb: NaN\n", None, "nan"),
        ("---\nval_bpb: Infinity\n", None, "nan"),
        ("---\nval_bpb: good\n", None, "no summary"),
        ("---\nval_bpb: 0.000000\n", None, "score 0 means crash"),
        ("---\nval_bpb: 1e-3\n", 0.001, ""),
        ("step 3\r---\r\nval_bpb: 1.5\r\n", 1.5, ""),
    ],
)
def test_one_block_or_none(text: str, score: float | None, problem: str) -> None:
    summary = parse(text, "val_bpb")
    assert (summary.score, summary.problem) == (score, problem)


def test_zero_is_a_score_for_other_metrics() -> None:
    assert parse("---\nloss: 0.0\n", "loss").score == 0.0


def test_words_and_what_is_not_finite_are_no_values() -> None:
    assert parse("---\nval_bpb: 1\nkernel: sdpa\nmfu: nan\n", "val_bpb") == Summary(1.0, {"val_bpb": 1.0}, "sdpa")


def test_a_kernel_may_be_named_anywhere() -> None:
    assert parse("kernel: flex \x1b[0m\n---\nval_bpb: 1\n", "val_bpb").kernel == "flex [0m"


@pytest.mark.parametrize(
    "text", ["---\n" * 100_000, "---\na: b\n" * 50_000, "a:" + " " * 2_000_000 + "b", "a: b\n" * 100_000]
)
def test_hostile_output_is_read_in_no_time(text: str) -> None:
    begun = time.process_time()
    assert parse(text, "val_bpb").problem == "no summary"
    assert time.process_time() - begun < 5


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert (parse(text, "val_bpb").score is None) == (parse(text, "val_bpb").problem != "")


noise = st.lists(st.text(alphabet="abc |=.0123456789%", max_size=30).filter(lambda t: t.strip() != "---"), max_size=5)


@given(noise, noise, st.floats(min_value=1e-6, max_value=1e6))
def test_a_block_is_found_among_other_lines(before: list[str], after: list[str], score: float) -> None:
    text = "\n".join([*before, "---", f"val_bpb: {score!r}", "", *after])
    assert parse(text, "val_bpb").score == score
    assert parse(text + "\n---\nval_bpb: 0.1\n", "val_bpb").problem == "two summaries"
