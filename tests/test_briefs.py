"""Briefs: pure text. What others wrote stays in its place, and nothing grows without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.briefs import Scene, brief, budget_text

SCENE = Scene("gpu0-claude", ("train.py",), "/w", "Look at the optimizer.", budget="wall:300", tip="e0004")
TEXT = st.text(max_size=400)


def test_the_job_the_rules_and_the_program() -> None:
    text = brief(SCENE)
    assert text.startswith("# gpu0-claude: one experiment\n")
    assert "should lower val_bpb" in text
    assert "Edit train.py and nothing else" in text
    assert "Each run has 300 seconds of training." in text
    assert "your files stand on e0004" in text
    assert text.endswith("## The program, by the person you work for\n\nLook at the optimizer.\n")
    assert "Since your last turn" not in text and "What works" not in text


def test_higher_may_be_better() -> None:
    assert "should raise tokens_per_s" in brief(
        Scene("a", ("kernel.py", "b.py"), metric="tokens_per_s", better="higher")
    )
    assert "kernel.py and b.py" in brief(Scene("a", ("kernel.py", "b.py")))


def test_a_crash_shows_its_traceback() -> None:
    result = {
        "experiment": "e0005",
        "verdict": "crash",
        "reason": "Traceback\n  line 3\nValueError: x",
        "description": "wider",
    }
    text = brief(Scene("a", ("train.py",), results=[result]))
    assert "- e0005 crashed: wider\n      Traceback\n        line 3\n      ValueError: x" in text


def test_many_results_are_cut_to_the_newest() -> None:
    results = [{"experiment": f"e{n:04d}", "verdict": "discard"} for n in range(50)]
    text = brief(Scene("a", ("train.py",), results=results))
    assert "- 30 older results are left out here" in text
    assert "e0029 " not in text and "e0030 " in text and "e0049 " in text


@given(TEXT)
def test_what_others_wrote_is_one_short_line(words: str) -> None:
    row = {"experiment": "e0002", "estimate": 1.5, "state": "tied", "description": words}
    lines = brief(Scene("a", ("train.py",), board=[row])).split("## What works so far")[1].split("\n")
    (line,) = (line for line in lines if line.startswith("- e0002"))
    assert line.startswith("- e0002 1.5 tied: ") and len(line) < 340
    assert lines[-1] == "" and lines[-2] == line


@given(st.lists(TEXT, max_size=5), st.lists(TEXT, max_size=5), TEXT)
def test_any_words_make_a_brief(notes: list[str], news: list[str], program: str) -> None:
    text = brief(Scene("a", ("train.py",), notes=notes, news=news, program=program))
    assert text.endswith("\n") and program.strip() in text


def test_budgets_in_words() -> None:
    assert budget_text("wall:300") == "300 seconds of training"
    assert budget_text("flops:2e12") == "2e12 FLOPs"
    assert budget_text("") == ""
