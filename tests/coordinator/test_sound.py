"""A best whose objects are damaged on disk: it goes back to what is whole, agents go on, and a person is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from swarm.errors import Refused, SwarmError
from swarm.ledger.reader import Reader
from swarm.repo import Failed
from swarm.views import Snapshot, snapshot
from tests.coordinator.play import Play


def spoil(play: Play, ident: str, what: str = "blob", gone: bool = True) -> None:
    """Lose (or write over) the experiment's own train.py, or its commit; nothing of it is remembered in memory."""
    commit = play.e(ident).commit or ""
    name = play.hub.files(commit)["train.py"][1] if what == "blob" else commit
    path = play.hub.dir / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    path.unlink() if gone else path.write_bytes(b"garbage")
    play.ledger.close()
    play.open()


def goes_on(play: Play, agent: str, **values: float) -> None:
    for _ in range(4):  # a client asks again where it is told to
        with contextlib.suppress(Refused):
            play.story.contact(agent, final=True)
            break
    ident = play.submit(agent, **values)
    play.settle()
    assert play.e(ident).verdict == "keep", play.e(ident).reason


@pytest.mark.parametrize("gone", [True, False])
def test_best_goes_back_to_what_is_whole_and_agents_go_on(play: Play, gone: bool) -> None:
    play.begin()
    found = play.measured("a0", A=0.1)
    assert play.world.campaign.best == found.id
    spoil(play, found.id, gone=gone)
    goes_on(play, "a1", B=0.5)
    goes_on(play, "a0", C=0.5)
    assert play.world.campaign.best not in (found.id, None)
    text = " ".join(p.text for p in look(play).problems)
    assert f"{found.id} is damaged" in text and "best is e0001 again" in text and "copy of .swarm/.git" in text
    assert (
        play.ledger.value("SELECT COUNT(*) FROM promotions WHERE experiment=? AND withdrawn IS NOT NULL", found.id) == 1
    )


def test_agents_that_stand_on_it_go_on_too(play: Play) -> None:
    """Their worktrees are of the damaged commit, with edits in them."""
    play.begin()
    found = play.measured("a0", A=0.1)
    for agent in ("a0", "a1"):
        play.story.contact(agent, final=True)
        assert play.a(agent).base == found.id
    play.edit("a1", B=0.5)
    spoil(play, found.id)
    with pytest.raises(SwarmError):
        play.story.submit("a1", "on nothing")
    goes_on(play, "a1", B=0.25)
    goes_on(play, "a0", C=0.5)
    kept = play.workspace.agents.glob("a1/kept/*/train.py")
    assert any("B = 0.5" in path.read_text() for path in kept)


def test_with_nothing_whole_it_is_said_once(play: Play) -> None:
    play.begin()
    spoil(play, "e0001")
    for agent in ("a0", "a1"):
        play.edit(agent, A=0.5)
        for _ in range(2):
            with pytest.raises(SwarmError):
                play.story.submit(agent, "on nothing")
    assert play.world.campaign.best == "e0001"
    told = [p.text for p in look(play).problems if "is damaged" in p.text]
    assert len(told) == 1 and "swarm stop" in told[0]


def test_a_git_that_cannot_run_gives_nothing_up(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    play.begin()
    found = play.measured("a0", A=0.1)

    def broken(verb: str) -> Callable[..., object]:
        def fail(*_: object, **__: object) -> object:
            raise Failed(f"git {verb}: fork: Resource temporarily unavailable")

        return fail

    with monkeypatch.context() as patch:
        patch.setattr(play.hub, "ask", broken("ask"))
        patch.setattr(play.hub, "git", broken("git"))
        with pytest.raises(SwarmError):
            play.submit("a1", B=0.5)
    assert play.world.campaign.best == found.id
    assert "withdrawn" not in play.kinds()


def look(play: Play) -> Snapshot:
    with Reader(play.workspace.ledger) as reader:
        return snapshot(reader, play.now, alive=True)
