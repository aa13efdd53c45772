"""When nothing gets better programs change, once, and everybody hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.ledger.reader import Reader
from swarm.views import snapshot
from tests.coordinator.play import Play

PROGRAMS = {"architecture": "# Wider\n", "data": "# Order\n", "optimizer": "# Steps\n"}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    play = Play(tmp_path)
    play.workspace.programs.mkdir(exist_ok=True)
    for name, text in PROGRAMS.items():
        (play.workspace.programs / f"{name}.md").write_text(text)
    return play


def begin(play: Play, plateau: int = 3) -> None:
    """a0 and a1 were dealt theirs, a person named that of a2, a3 reads none."""
    named = [{"name": f"a{i}", "kind": "scripted", "slot": str(i)} for i in range(4)]
    for agent, program in zip(named, ("architecture", "optimizer", "data"), strict=False):
        agent["program"] = program
    for agent in named[:2]:
        agent["programs"] = list(PROGRAMS)  # type: ignore[assignment]
    play.begin(4, named=named, policy={"plateau": plateau})
    for i in range(4):
        play.story.contact(f"a{i}", final=True)


def tries(play: Play, count: int, first: float = 5.0) -> None:
    """Experiments that are no better."""
    for n in range(count):
        play.measured(f"a{n % 4}", C=first + n / 100)
    for _ in range(3):
        play.step(31)


def programs(play: Play) -> list[str | None]:
    return [play.a(f"a{i}").program for i in range(4)]


def test_programs_change_in_turn_when_nothing_gets_better(play: Play) -> None:
    begin(play)
    tries(play, 11)
    assert "plateau" not in play.kinds()
    tries(play, 1, 6.0)
    assert play.kinds().count("plateau") == 1
    assert programs(play) == ["data", "architecture", "data", None]
    heard = play.story.contact("a0", final=True)
    assert heard["program"] == PROGRAMS["data"]
    assert any("a plateau" in line for line in heard["news"])
    assert any("follow the program data from now on" in line for line in heard["news"])
    assert "a plateau" in str(play.story.contact("a3", final=True)["news"])  # told, and nothing else
    by_hand = play.story.contact("a2", final=True)
    assert by_hand["program"] == "" and "a plateau" in str(by_hand["news"]) and "follow" not in str(by_hand["news"])
    with Reader(play.workspace.ledger) as reader:
        found = snapshot(reader, play.now, True).plateau
    assert found and found["switched"] == {"a0": "data", "a1": "architecture"} and found["experiments"] == 12
    tries(play, 11, 7.0)
    assert play.kinds().count("plateau") == 1  # not again before another twelve
    tries(play, 2, 8.0)
    assert play.kinds().count("plateau") == 2
    assert programs(play) == ["optimizer", "data", "data", None]


def test_while_it_gets_better_nothing_changes(play: Play) -> None:
    begin(play)
    for n in range(16):
        play.story.contact(f"a{n % 4}", final=True)
        play.measured(f"a{n % 4}", A=0.9 - n / 20)
    for _ in range(3):
        play.step(31)
    assert "plateau" not in play.kinds()
    assert play.world.campaign.best != play.world.campaign.baseline


def test_a_gain_ends_it_on_the_screens(play: Play) -> None:
    begin(play)
    tries(play, 12)
    play.measured("a0", A=0.2)
    for _ in range(5):
        play.step(30)
    with Reader(play.workspace.ledger) as reader:
        assert snapshot(reader, play.now, True).plateau is None
    assert play.world.campaign.best != play.world.campaign.baseline


def test_a_program_that_is_gone_is_not_given(play: Play) -> None:
    begin(play)
    (play.workspace.programs / "data.md").unlink()
    tries(play, 12)
    assert programs(play) == ["optimizer", "architecture", "data", None]


def test_who_takes_its_place_inherits_the_choice(play: Play) -> None:
    begin(play)
    play.story.replace("a0", "scripted", name="b0")
    play.story.replace("a1", "scripted", name="b1", program="optimizer")  # named by a person
    tries_on = ("b0", "b1", "a2", "a3")
    for n in range(12):
        play.measured(tries_on[n % 4], C=5 + n / 100)
    for _ in range(3):
        play.step(31)
    assert play.a("b0").program == "data" and play.a("b1").program == "optimizer"


def test_off(play: Play) -> None:
    begin(play, plateau=0)
    tries(play, 14)
    assert "plateau" not in play.kinds()
