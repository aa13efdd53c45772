"""Programs: edited while agents work, what they forbid, what they list, and what a brief is told of the campaign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swarm.coordinator import scene
from swarm.errors import Refused
from tests.coordinator.play import Play

BOUND = "Be bold.\n\n# Constraints\n- A >= 0.5\n- B unchanged\n- think first\n"
LISTED = "# Hypotheses\n1. lower A\n2. lower B\n3. lower C\n"


def written(play: Play, text: str, name: str = "mine") -> Path:
    play.workspace.programs.mkdir(exist_ok=True)
    path = play.workspace.programs / f"{name}.md"
    path.write_text(text)
    return path


def begin(play: Play, text: str, agents: int = 2, kind: str = "command") -> dict[str, Any]:
    """Agents of this program on a measured baseline."""
    written(play, text)
    named = [{"name": f"a{i}", "kind": kind, "slot": str(i), "program": "mine"} for i in range(agents)]
    slots = [{"id": str(i), "devices": f"cpu:{i}", "accelerator": "core", "torch": "2"} for i in range(agents)]
    task = {"path": str(play.task_folder), "run": "python train.py", "budget": "steps:100"}
    answer = play.story.spawn(task=task, agents=named, slots=slots, stop={"hours": 10})
    play.settle()
    return answer


def told(play: Play) -> list[str]:
    rows = play.ledger.rows("SELECT data FROM events WHERE kind='machine' ORDER BY seq")
    return [json.loads(data)["text"] for (data,) in rows]


def hashes(play: Play) -> dict[str, str]:
    """The edition each experiment was made under, as its text."""
    rows = play.ledger.rows("SELECT e.id, p.text FROM experiments e JOIN programs p ON p.hash=e.program_hash")
    return dict(rows)


# --- edited while it runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["command", "claude", "codex"])
def test_an_edit_is_told_at_the_next_contact_and_stored_with_what_follows(tmp_path: Path, kind: str) -> None:
    play = Play(tmp_path)
    begin(play, "first", kind=kind)
    play.story.contact("a0", final=True)
    before = play.submit("a0", A=0.9)
    written(play, "second")
    still = play.submit("a1", A=0.8)  # a1 has not heard of it when it submits
    heard = play.story.contact("a0", final=True)
    assert "the program was edited: read it again" in heard["news"]
    assert heard["program"] == "second"
    assert (play.workspace.agents / "a0" / "brief.md").read_text() == "second"
    assert play.story.contact("a0", final=True)["program"] == ""
    after = play.submit("a0", B=1.9)
    assert hashes(play) == {before: "first", still: "first", after: "second"}


def test_submitting_is_a_contact_too(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, "first")
    written(play, "second")
    play.edit("a0", A=0.9)
    answer = play.story.submit("a0", "A")
    assert answer["program"] == "second"
    assert hashes(play) == {answer["experiment"]: "first"}
    play.edit("a0", A=0.8)
    again = play.story.submit("a0", "A again")
    assert (again["program"], hashes(play)[again["experiment"]]) == ("", "second")
    assert [e for e in play.kinds() if e == "program"] == ["program"]


def test_a_file_that_is_being_written_changes_nothing(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, "first\n# Constraints\nA >= 0.5\n")
    (play.task_folder / "program.md").write_text("the task's own")
    path = written(play, "")
    assert play.story.contact("a0", final=True)["program"] == ""
    path.unlink()
    assert play.story.contact("a0", final=True)["program"] == ""
    play.edit("a0", A=0.1)
    with pytest.raises(Refused, match=r"A >= 0\.5"):
        play.story.submit("a0", "too low")
    path.mkdir()
    assert play.story.contact("a0", final=True)["program"] == ""
    assert hashes(play) == {}


def test_a_restarted_agent_is_under_the_newest_edition(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, "first")
    written(play, "second")
    play.sessions.die("a0", 1)
    for _ in range(10):
        play.step(5)
    assert (play.workspace.agents / "a0" / "brief.md").read_text() == "second"
    assert hashes(play) == {}
    ident = play.submit("a0", A=0.9)
    assert hashes(play) == {ident: "second"}


# --- constraints --------------------------------------------------------------------------------------------------


def test_what_breaks_one_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, BOUND)
    play.edit("a0", A=0.4, B=1.5)
    text = (play.workspace.worktree("a0") / "train.py").read_text()
    with pytest.raises(Refused) as caught:
        play.story.submit("a0", "both down")
    assert "A >= 0.5: A is 0.4; B unchanged: B is 1.5, it was 2.0" in caught.value.message
    assert "untouched" in caught.value.message
    assert (play.workspace.worktree("a0") / "train.py").read_text() == text
    assert play.ledger.value("SELECT COUNT(*) FROM experiments WHERE origin='submit'") == 0
    assert play.submit("a0", A=0.5, B=2.0) == "e0002"


def test_a_tuner_is_bound_by_what_others_read_here(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, BOUND)
    written(play, "# Constraints\nC < 0\n", "elsewhere")  # nobody was dealt it
    play.ledger.change("agents", {"name": "a1"}, program=None, kind="tuner")
    assert play.story.constants("a1")["constraints"] == ["A >= 0.5", "B unchanged"]
    with pytest.raises(Refused, match=r"A >= 0\.5: A is 0\.4"):
        play.story.submit_values("a1", {"A": "0.4"})
    assert play.story.submit_values("a1", {"C": "2.5"})["experiment"] == "e0002"


def test_tuners_alone_are_bound_by_all_that_lies_there(tmp_path: Path) -> None:
    play = Play(tmp_path)
    written(play, BOUND)
    play.begin()
    assert play.story.constants("a0")["constraints"] == ["A >= 0.5", "B unchanged"]


def test_a_constraint_that_is_added_counts_at_once(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, "Be bold.")
    written(play, BOUND)
    play.edit("a0", A=0.4)
    with pytest.raises(Refused, match=r"A >= 0\.5"):
        play.story.submit("a0", "down")
    assert play.story.contact("a0", final=True)["program"] == BOUND


def test_whoever_was_moved_onto_a_broken_one_is_not_stuck(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, BOUND)
    play.ledger.change("agents", {"name": "a1"}, program="free")
    written(play, "anything goes", "free")
    play.submit("a1", A=0.1)
    play.settle()
    play.story.promote("e0002", force=True)
    play.settle()
    play.story.contact("a0", final=True)
    assert play.a("a0").base == "e0002"
    assert play.submit("a0", C=2.5)
    play.edit("a0", A=0.2)
    with pytest.raises(Refused, match=r"A is 0\.2"):
        play.story.submit("a0", "still too low")


def test_lines_that_cannot_be_checked_are_said_at_spawn_and_at_an_edit(tmp_path: Path) -> None:
    play = Play(tmp_path)
    answer = begin(play, BOUND)
    note = "mine.md, # Constraints: cannot be checked: think first"
    assert answer["notes"] == [note]
    assert told(play) == [note]
    written(play, BOUND + "- A >= 3\n- D > 1\n")
    play.story.contact("a0", final=True)
    play.story.contact("a1", final=True)
    assert told(play)[1:] == [
        note,
        "mine.md, # Constraints: A >= 3: in the task as given A is 1.0",
        "mine.md, # Constraints: D > 1: the task has no constant D",
    ]


# --- hypotheses ---------------------------------------------------------------------------------------------------


def test_the_list_is_dealt_in_order_and_its_state_is_what_was_submitted(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, LISTED)
    assert [play.story.scene(a)["next"] for a in ("a0", "a1")] == ["H1: lower A", "H2: lower B"]
    play.edit("a0", A=0.9)
    answer = play.story.submit("a0", "A down", hypothesis="H1, as it was said")
    assert answer["next"] == "H3: lower C"
    assert play.story.scene("a1")["next"] == "H2: lower B"
    written(play, "# Hypotheses\n1. lower C\n2. something new\n3. lower A\n")
    play.story.contact("a0", final=True)
    assert play.story.scene("a0")["next"] == "H1: lower C"
    play.open()  # nothing of it is in memory
    assert play.story.scene("a1")["next"] == "H2: something new"


def test_what_was_never_run_was_not_tried(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, LISTED, agents=1)
    ident = play.submit("a0", "H1 lower A", A=0.9)
    assert play.story.scene("a0")["next"] == "H2: lower B"
    play.ledger.change("experiments", {"id": ident}, stage="done", verdict="conflict")
    assert play.story.scene("a0")["next"] == "H1: lower A"


def test_what_was_tried_before_the_list_had_rows_stays_tried(tmp_path: Path) -> None:
    """A campaign that an older swarm began."""
    play = Play(tmp_path)
    begin(play, LISTED, agents=1)
    play.submit("a0", "H1 lower A", A=0.9)
    play.ledger.db.executescript("DROP TRIGGER ideas_stay; DELETE FROM ideas; DELETE FROM words WHERE rowid<0")
    assert play.story.scene("a0")["next"] == "H2: lower B"
    rows = dict(play.ledger.rows("SELECT text, state FROM ideas"))
    assert rows == {"lower A": "done", "lower B": "claimed", "lower C": "open"}


def test_the_list_is_in_the_backlog_with_its_outcome(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, LISTED, agents=1)
    assert play.story.scene("a0")["next"] == "H1: lower A"
    ident = play.submit("a0", "H1: as it was said", A=0.5)
    play.settle()
    assert play.ledger.rows("SELECT author, state, holder, experiment, outcome FROM ideas ORDER BY priority DESC") == [
        (None, "done", None, ident, "keep"), (None, "claimed", "a0", None, None), (None, "open", None, None, None),
    ]  # fmt: skip


def test_what_is_taken_off_the_list_is_nobodys_until_it_is_on_it_again(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, LISTED, agents=1)
    assert play.story.scene("a0")["next"] == "H1: lower A"
    written(play, "# Hypotheses\n1. lower C\n")
    assert play.story.scene("a0")["next"] == "H1: lower C"
    states = dict(play.ledger.rows("SELECT text, state FROM ideas"))
    assert states == {"lower A": "dropped", "lower B": "dropped", "lower C": "claimed"}
    written(play, "no list any more")
    assert play.story.scene("a0")["next"] == ""
    assert play.ledger.value("SELECT COUNT(*) FROM ideas WHERE state!='dropped'") == 0
    written(play, LISTED)
    assert play.story.scene("a0")["next"] == "H1: lower A"
    states = dict(play.ledger.rows("SELECT text, state FROM ideas"))
    assert states == {"lower A": "claimed", "lower B": "open", "lower C": "open"}


def test_without_a_list_there_is_nothing_next(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, BOUND)
    assert play.story.scene("a0")["next"] == ""
    play.edit("a0", A=0.9)
    assert play.story.submit("a0", "H1")["next"] == ""


# --- the scene ----------------------------------------------------------------------------------------------------


def test_the_scene_tells_the_task_the_place_the_best_and_the_findings(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, BOUND)
    first = play.story.scene("a0")
    assert first["where"] == "core 0, core"
    assert first["best"] == {} and first["findings"] == []
    assert first["constraints"] == ["A >= 0.5", "B unchanged"]
    assert any(fact.startswith("the task as given scores val_bpb 6") for fact in first["facts"])
    assert any("less than" in fact for fact in first["facts"])
    play.story.note("a1", "A points downhill")
    play.measured("a0", A=0.6)
    play.story.promote("e0002", force=True)
    later = play.story.scene("a0")
    assert later["best"]["experiment"] == "e0002" and "+A = 0.6" in later["best"]["diff"]
    assert later["findings"] == ["a1 noted: A points downhill"]


def test_a_scene_is_bounded(tmp_path: Path) -> None:
    play = Play(tmp_path)
    begin(play, BOUND)
    path = play.workspace.worktree("a0") / "train.py"
    path.write_text(path.read_text() + "".join(f"# line {n} {'x' * 80}\n" for n in range(2000)))
    play.story.submit("a0", "much text")
    play.settle()
    play.story.promote("e0002", force=True)
    best = play.story.scene("a0")["best"]
    assert len(best["diff"]) <= scene.DIFF and best["left_out"] > 100_000
