"""What is promoted is expected to be better than what it replaces, whatever the luck of the runs."""

from __future__ import annotations

import random

import pytest

from swarm.coordinator import promote
from swarm.coordinator.world import World
from tests.coordinator.play import Play


@pytest.mark.parametrize("luck", range(4))
@pytest.mark.parametrize("policy", [{}, {"prior": "noise"}, {"confirm_by": "better"}], ids=str)
def test_a_confirmed_promotion_never_worsens_the_expected_value_of_best(
    play: Play, monkeypatch: pytest.MonkeyPatch, luck: int, policy: dict[str, str]
) -> None:
    """Changes without effect for the most part, as large as the noise for the rest."""
    rng, seen, move = random.Random(luck), [], promote.promote

    def watched(w: World, ident: str, by: str, p: float | None, hold: bool = False) -> None:
        new, old = w.beliefs.of(ident, w.home), w.beliefs.of(w.campaign.best, w.home)
        assert new is not None and old is not None
        assert len(w.beliefs.losses(ident, w.home)) >= w.policy.confirm_runs
        seen.append(new.m - old.m)
        move(w, ident, by, p, hold)

    monkeypatch.setattr(promote, "promote", watched)
    play.begin(2, policy=policy)
    given = {"A": 1.0, "B": 2.0, "C": 3.0}
    for turn in range(1, 15):
        for agent in ("a0", "a1"):
            play.story.contact(agent, final=True)
            name, effect = rng.choice("ABC"), rng.choice((0.0, 0.0, -0.01, 0.01))
            play.submit(agent, **{name: round(given[name] + effect + turn * 1e-5, 5)})
        play.settle()
    assert seen, "nothing was promoted: nothing was looked at"
    assert max(seen) < 0
