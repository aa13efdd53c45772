"""Briefs: pure text. What others wrote stays in its place, and nothing grows without end."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.briefs import MOST, PROGRAM, Scene, brief, budget_text, onward, session

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
    lines = brief(Scene("a", ("train.py",), board=[row])).split("## What works so far", 1)[1].split("\n")
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


SETTING = {
    "where": "GPU 3, NVIDIA H100",
    "facts": ["limits: peak_vram_mb at most 60000", "one run of the same code spreads by 0.002 (sd)"],
    "constraints": ["DEPTH >= 6", "VOCAB_SIZE unchanged"],
    "best": {
        "experiment": "e0031",
        "agent": "gpu1-codex",
        "estimate": 0.9812,
        "stderr": 0.001,
        "runs": 2,
        "diff": "+LR = 0.03",
    },
    "findings": ["gpu2-claude noted: warm-up only costs"],
    "next": "H3: no warm-up",
}
BOARD = [{"experiment": "e0031", "estimate": 0.9812, "state": "best", "description": "LR"}]


def test_the_place_the_facts_and_the_constraints() -> None:
    for text in (
        brief(Scene("a", ("train.py",), setting=SETTING)),
        session(Scene("a", ("train.py",), setting=SETTING)),
    ):
        assert "- your experiments run on GPU 3, NVIDIA H100\n- limits: peak_vram_mb at most 60000" in text
        assert "checked when you submit: DEPTH >= 6; VOCAB_SIZE unchanged" in text


def test_the_best_with_its_change_and_the_findings() -> None:
    scene = Scene("a", ("train.py",), board=BOARD, setting=SETTING)
    for text in (brief(scene), session(scene)):
        assert "## The best so far: e0031 by gpu1-codex, val_bpb 0.9812 ± 0.001 (2 runs)" in text
        assert "\n    +LR = 0.03\n" in text
        assert "- gpu2-claude noted: warm-up only costs" in text
    again = onward(Scene("a", ("train.py",), setting=SETTING), 1)
    assert "+LR" not in again and "noted" not in again, "a session that goes on has heard it"


def test_the_next_idea_of_the_person_comes_every_turn() -> None:
    scene = Scene("a", ("train.py",), setting=SETTING)
    for text in (brief(scene), session(scene), onward(scene, 1)):
        assert "## Next on the person's list\n\nH3: no warm-up\n" in text and "with H3." in text


def test_what_agents_are_told_of_working_here() -> None:
    text = session(Scene("a", ("train.py",)))
    for words in (
        "Think",
        "prepare the next",
        "Write down what failed",
        "never stop",
        "shorter code wins",
        "leaderboard",
    ):
        assert words in text


HOSTILE = st.text(max_size=50).map(lambda text: text * 2000) | st.sampled_from(
    ["\n" * 50_000, "x" * 300_000, "\n# H\n" * 9000]
)


@settings(max_examples=25, deadline=None)
@given(HOSTILE, HOSTILE, st.integers(0, 300))
def test_no_brief_is_longer_than_it_may_be(words: str, other: str, many: int) -> None:
    result = {
        "experiment": "e0001",
        "verdict": "crash",
        "reason": words,
        "description": other,
        "noise": 0.1,
        "score": 1.0,
    }
    row = {"experiment": "e0002", "estimate": 1.5, "state": "tied", "description": words}
    setting = {
        "where": words, "facts": [other] * many, "constraints": [words] * many, "findings": [words] * many, "next": f"H1: {words}",
        "best": {"experiment": "e0002", "agent": other, "estimate": 1.0, "stderr": 0.1, "runs": 1, "diff": words, "left_out": 9},
    }  # fmt: skip
    program = "the program begins\n" + other
    scene = Scene(
        "gpu0-claude", ("train.py",), "/w", program, budget="wall:300", tip="e0004", notes=[words] * many, news=[other] * many,
        results=[result] * many, board=[row] * many, setting=setting,
    )  # fmt: skip
    for text in (brief(scene), session(scene), onward(scene, 2)):
        assert len(text) <= MOST
        assert "the program begins" in text, "what others wrote does not push the person's own words out"
        assert "You are gpu0-claude" in text or text.startswith(("## Since", "Nothing new"))


def test_what_is_cut_is_said_and_the_newest_stays() -> None:
    news = [f"news {n} {'x' * 200}" for n in range(100)]
    results = [{"experiment": f"e{n:04d}", "verdict": "crash", "reason": "y" * 1400} for n in range(20)]
    text = onward(Scene("a", ("train.py",), news=news, results=results, program="z" * (PROGRAM + 1000)), 1)
    assert "news 99 " in text and "news 1 " not in text and "earlier lines are left out here" in text
    assert "e0019 crashed" in text and "e0001 crashed" not in text
    assert "characters more are left out)" in text


def test_a_program_in_the_usual_size_is_never_cut() -> None:
    for path in (Path(__file__).resolve().parents[1] / "programs").glob("*.md"):
        assert path.read_text().strip() in brief(Scene("a", ("train.py",), program=path.read_text()))


def test_who_submits_nothing_is_told_what_it_does_instead() -> None:
    analyst = Scene("analyst-1", ("train.py",), "/w", "the program", role="analyst", results=[
        {"experiment": "e0002", "verdict": "keep", "foretold": "you expected −0.2, it was +0.1"}])  # fmt: skip
    for text in (session(analyst), onward(analyst, 1)):
        assert "improve" in text and "submit" not in text and "Edit train.py" not in text
    assert session(analyst).startswith("# analyst-1: analyst\n") and "you change nothing" in session(analyst)
    assert "(you expected −0.2, it was +0.1)" in onward(Scene("a", ("train.py",), results=analyst.results), 1)
    own = session(Scene("a", ("train.py",)))
    assert "expect" in own and "idea_claim" in own and "notebook" in own
