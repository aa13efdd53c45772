"""What a group knows, plans and foretells together, in the real story: ideas, the notebook, echoes, forecasts."""

from __future__ import annotations

import json

import pytest

from swarm.errors import Refused
from swarm.research import notebook
from tests.coordinator.play import Play


def state(play: Play, ident: int) -> tuple[str, str | None, str | None, str | None]:
    return play.ledger.rows("SELECT state, holder, experiment, outcome FROM ideas WHERE id=?", ident)[0]


def tried(play: Play, agent: str, idea: int, **values: float) -> str:
    play.edit(agent, **values)
    return str(play.story.submit(agent, "tries it", idea=idea)["experiment"])


# --- ideas --------------------------------------------------------------------------------------------------------


def test_an_idea_from_its_first_word_to_its_outcome(play: Play) -> None:
    play.begin(2)
    assert play.story.idea_add(None, text="lower  A", priority=2.0) == {"idea": 1, "known": False}
    assert play.story.idea_add("a1", text="lower A") == {"idea": 1, "known": True}
    play.story.idea_add("a1", text="lower B", priority=1e9, evidence="e0001")
    assert play.story.idea_claim("a0")["text"] == "lower B", "an agent cannot put its own above all"
    assert play.story.idea_claim("a0")["idea"] == 2, "asked again it is the same"
    with pytest.raises(Refused, match=r"idea 2 is a0's"):
        play.story.idea_claim("a1", 2)
    play.edit("a1", B=1.5)
    with pytest.raises(Refused, match=r"idea 2 is a0's.*untouched"):
        play.story.submit("a1", "B", idea=2)
    ident = tried(play, "a0", 2, B=1.5)
    assert state(play, 2) == ("claimed", "a0", ident, None)
    play.settle()
    assert state(play, 2) == ("done", None, ident, "keep")
    with pytest.raises(Refused, match=f"tried as {ident} \\(keep\\)"):
        play.story.idea_claim("a1", 2)


def test_claims_end_with_their_agent_and_a_try_that_was_never_run_frees_its_idea(play: Play) -> None:
    play.begin(2)
    for text in ("lower A", "lower B"):
        play.story.idea_add(None, text=text)
    play.story.idea_claim("a0", 1)
    play.story.stop(["a0"])
    assert play.story.idea_claim("a1", 1)["holder"] == "a1"
    play.now += 1e5  # nobody hears of a1 for a day
    play.story.idea_add(None, text="lower C")
    assert state(play, 1)[0] == "open"
    play.story.idea_claim("a1", 1)
    for _ in range(12):
        play.now += 2000
        play.story.contact("a1")
    play.story.idea_add(None, text="lower D")
    assert state(play, 1)[:2] == ("claimed", "a1"), "it is heard of"
    ident = tried(play, "a1", 1, A=0.9)
    play.story.stop(["a1"])
    assert play.e(ident).verdict == "cancelled"
    assert state(play, 1) == ("open", None, None, None)


def test_an_idea_is_dropped_or_done_elsewhere_once(play: Play) -> None:
    play.begin(2)
    play.story.idea_add("a0", text="lower A")
    ident = play.measured("a1", A=0.5).id
    play.story.idea_claim("a1", 1)
    with pytest.raises(Refused, match=r"is a1's"):
        play.story.idea_done("a0", 1, drop=True)
    assert play.story.idea_done("a1", 1, experiment=ident)["outcome"] == "keep"
    assert play.story.idea_done("a1", 1, experiment=ident)["state"] == "done"
    with pytest.raises(Refused, match=r"over"):
        play.story.idea_done("a1", 1, drop=True)
    with pytest.raises(Refused, match=r"no idea 99"):
        play.story.idea_done(None, 99)
    with pytest.raises(Refused, match=r"no idea is free"):
        play.story.idea_claim("a0")


# --- the notebook -------------------------------------------------------------------------------------------------


def test_two_that_improve_one_page(play: Play) -> None:
    play.begin(2)
    first = {"page": "warmdown", "text": "longer is better", "version": 0}
    assert play.story.improve("a0", **first) == {"page": "warmdown", "version": 1}
    assert play.story.improve("a0", **first)["version"] == 1, "said again it is the same"
    play.story.improve("a1", page="warmdown", text="longer is better (e0001)", version=1, why="says which")
    with pytest.raises(Refused, match=r"(?s)at version 2 by now, and you read 1.*longer is better \(e0001\)"):
        play.story.improve("a0", page="warmdown", text="shorter", version=1)
    with pytest.raises(Refused, match="newest version is 2"):
        play.story.improve("a0", page="warmdown", text="shorter", version=7)
    rows = play.ledger.rows("SELECT version, agent, text FROM pages ORDER BY version")
    assert rows == [(1, "a0", "longer is better"), (2, "a1", "longer is better (e0001)")]


def test_the_notebook_is_bounded(play: Play) -> None:
    play.begin(2)
    for name, text in (("Warm down", "x"), ("../x", "x"), ("x", " "), ("x", "y" * (notebook.LONGEST + 1))):
        with pytest.raises(Refused):
            play.story.improve("a0", page=name, text=text, version=0)
    for n in range(notebook.EDITS):
        play.story.improve("a0", page=f"p{n}", text="x", version=0)
    with pytest.raises(Refused, match="edits since your last experiment"):
        play.story.improve("a0", page="more", text="x", version=0)
    play.submit("a0", A=0.9)
    play.story.improve("a0", page="more", text="x", version=0)
    for n in range(notebook.PAGES - notebook.EDITS - 1):
        play.story.improve(None, page=f"q{n}", text="x", version=0)
    with pytest.raises(Refused, match="40 pages"):
        play.story.improve(None, page="one-more", text="x", version=0)


def test_a_brief_names_what_there_is_to_read(play: Play) -> None:
    play.begin(2)
    assert play.story.scene("a0")["findings"] == []
    play.story.improve("a0", page="warmdown", text="longer", version=0)
    play.story.idea_add("a1", text="lower A")
    assert play.story.scene("a1")["findings"] == [
        "the notebook has pages about warmdown", "1 idea of the backlog waits for somebody (ideas, idea_claim)"
    ]  # fmt: skip


# --- what is known of a change ------------------------------------------------------------------------------------


def test_a_change_that_repeats_or_undoes_another_is_told_so(play: Play) -> None:
    play.begin(2)
    kept = play.measured("a0", A=0.5)
    assert kept.verdict == "keep"
    play.measured("a0", C=9.0)
    play.story.note("a0", "A below 0.4 explodes")
    play.story.contact("a0", final=True)

    def told(agent: str, **values: float) -> list[str]:
        play.edit(agent, **values)
        return list(play.story.submit(agent, "words that say nothing", hypothesis="H")["notes"])

    back = told("a0", A=1.0)
    assert back[0] == "the same file was submitted before, as e0001: the task as given"
    assert back[1].startswith(f"it undoes {kept.id} keep, 0.") and "on core, steps:100" in back[1]
    assert "note by a0: A below 0.4 explodes" in back
    again = told("a1", C=9.0)
    assert again[0].startswith("it repeats e0003 discard") or "it repeats e0003" in "".join(again)
    assert not [n for n in told("a1", C=3.0, B=1.25) if n.startswith("it ")]


# --- forecasts ----------------------------------------------------------------------------------------------------


def test_forecasts_are_kept_with_the_verdict_and_told(play: Play) -> None:
    play.begin(1)
    play.story.contact("a0", final=True)
    for n in range(6):
        play.edit("a0", A=0.9 - n / 10)
        play.story.submit("a0", f"step {n}", expect=-0.3, p=0.9)
        play.settle()
        heard = play.story.contact("a0", final=True)
    sums = json.loads(play.ledger.value("SELECT value FROM figures WHERE name='calibration'"))["a0"]
    assert sums["n"] == sums["np"] == 6
    assert sums["squares"] == pytest.approx(6 * 0.01)
    assert sums["error"] == pytest.approx(6 * 0.2, abs=0.2)
    told = heard["results"][-1]["foretold"]
    assert told.startswith("you expected −0.3, it was −0.") and "over 6 you expect" in told and "too much" in told
    play.open()
    assert json.loads(play.ledger.value("SELECT value FROM figures WHERE name='calibration'"))["a0"]["n"] == 6
    assert play.e("e0002").expect == -0.3 and play.e("e0002").expect_p == 0.9


def test_a_forecast_reaches_no_verdict(play: Play) -> None:
    play.begin(2)
    play.edit("a0", A=3.0)
    play.story.submit("a0", "sure to be better", expect=-99.0, p=1.0)
    play.edit("a1", A=3.0, B=2.0)
    play.settle()
    e = play.e("e0002")
    assert e.verdict == "discard" and e.p_better is not None and e.p_better < 0.01


def test_a_queue_is_served_by_what_its_authors_forecasts_are_worth(play: Play) -> None:
    play.begin(1, policy={"queue": 3})
    for n in range(6):  # what it expects comes
        play.edit("a0", A=0.9 - n / 10)
        play.story.submit("a0", f"step {n}", expect=-0.1)
        play.settle()
        play.story.contact("a0", final=True)
    play.story.pause()
    play.story.resume()
    for name, expect in (("B", -0.01), ("C", -0.5)):
        play.edit("a0", **{name: 1.5})
        play.story.submit("a0", name, expect=expect)
        play.edit("a0", **{name: {"B": 2.0, "C": 3.0}[name]})
    play.settle()
    bound = [
        d
        for (d,) in play.ledger.rows(
            "SELECT description FROM experiments WHERE description IN ('B','C') ORDER BY bound"
        )
    ]
    assert bound == ["C", "B"]
