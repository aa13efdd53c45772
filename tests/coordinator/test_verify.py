"""What idle slots measure again, and with which seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.config import parse
from swarm.coordinator import verify
from tests.coordinator.play import Play

REFERENCES = "SELECT experiment, seed FROM runs WHERE purpose='reference' ORDER BY id"


def idle(play: Play, runs: int) -> list[tuple[str, int]]:
    """Let the slots idle until so many runs were added (or nothing more comes)."""
    for _ in range(40 * runs):
        if len(play.ledger.rows(REFERENCES)) >= runs:
            break
        play.step(20)
    play.settle()
    return [(e, s) for e, s in play.ledger.rows(REFERENCES)]


def test_the_noise_is_studied_first_and_some_seed_again(play: Play) -> None:
    play.begin(agents=1, policy={"idle_after": 5})
    assert play.world.beliefs.noise(1).df == 2
    found = idle(play, 8)
    assert {e for e, _ in found} == {"e0001"}
    assert play.world.beliefs.noise(1).df >= 5
    assert play.world.beliefs.noise(1).repeat is not None
    seeds = [s for (s,) in play.ledger.rows("SELECT seed FROM runs WHERE experiment='e0001'")]
    assert len(seeds) - len(set(seeds)) == verify.REPEATS


def test_it_ends(play: Play) -> None:
    play.begin(agents=1, policy={"idle_after": 5})
    assert len(idle(play, 99)) <= verify.MOST


def test_what_is_not_noisy_is_measured_no_more(tmp_path: Path) -> None:
    play = Play(tmp_path, noise=0.0)
    play.begin(agents=1, policy={"idle_after": 5})
    assert play.world.beliefs.noise(1).exact
    assert idle(play, 2) == []


def test_where_nothing_takes_a_seed_every_run_has_its_own(play: Play) -> None:
    play.begin(agents=2, task={"seed": "none"}, policy={"idle_after": 5})
    play.measured("a0", A=0.5)
    idle(play, 4)
    seeds = [s for (s,) in play.ledger.rows("SELECT seed FROM runs")]
    assert len(seeds) == len(set(seeds))


def test_close_rivals_are_told_apart(tmp_path: Path) -> None:
    """Kept, unconfirmed for its odds, and close to best: one more run may change what is best."""
    play = Play(tmp_path, noise=0.05)
    play.begin(agents=1, policy={"idle_after": 5, "paired": "off", "confirm_drop": 0.99, "confirm_p": 0.995})
    for n in range(6):
        play.measured("a0", A=0.999 - n / 1000)
    kept = {e for (e,) in play.ledger.rows("SELECT id FROM experiments WHERE verdict='keep'")}
    assert kept
    found = {e for e, _ in idle(play, 24)}
    assert found & kept


def test_the_old_way_is_still_there(play: Play) -> None:
    play.begin(agents=1, policy={"idle_after": 5, "verify": "least"})
    assert {e for e, _ in idle(play, 4)} == {"e0001"}


@pytest.mark.parametrize("paired", ["auto", "on", "off"])
def test_screens_share_the_baselines_seeds_and_confirmations_have_others(play: Play, paired: str) -> None:
    play.begin(agents=2, policy={"paired": paired, "screen_seeds": 2})
    few = [s for (s,) in play.ledger.rows("SELECT seed FROM runs WHERE purpose='baseline' ORDER BY id LIMIT 2")]
    ids = [play.measured(f"a{n % 2}", **{"ABC"[n % 3]: 0.9 - n / 10}).id for n in range(8)]
    screened = [s for (s,) in play.ledger.rows("SELECT seed FROM runs WHERE purpose='screen'")]
    if paired == "off":
        assert not set(screened) & set(few)
        assert len(set(screened)) == len(screened)
    else:
        assert set(screened) == set(few)
    again = "SELECT r.experiment, r.seed FROM runs r WHERE r.purpose='confirm'"
    rows = play.ledger.rows(again)
    assert rows
    for ident, seed in rows:
        line, at = [], ident
        while at is not None and at != "e0001":
            line += [
                s for (s,) in play.ledger.rows("SELECT seed FROM runs WHERE experiment=? AND purpose='screen'", at)
            ]
            at = play.e(at).parent or ""
        assert seed not in line
    assert len(ids) == 8


def test_a_seed_that_moves_all_alike_is_taken_off(play: Play) -> None:
    """The played noise is the seed's alone: once that is clear, small gains are seen through it."""
    play.begin(agents=2)
    for n in range(8):
        play.measured(f"a{n % 2}", **{"ABC"[n % 3]: 0.9 - n / 10})
    seeds = play.world.beliefs.seeds(1)
    assert seeds is not None
    assert seeds.correlation > 0.9
    assert play.world.beliefs.spread(1) < 0.2 * play.world.beliefs.noise(1).sd


def test_figures_for_screens_follow(play: Play) -> None:
    play.begin(agents=2)
    kept = play.measured("a0", A=0.5)
    noise = play.ledger.figure(1, "noise")
    assert noise["1"]["sd"] == pytest.approx(play.world.beliefs.noise(1).sd)
    told = play.ledger.figure(1, "effects")
    assert told["kept"] == 1
    assert told["real"] == pytest.approx(play.world.beliefs.effect(kept.id, 1).gain, abs=0.01)  # type: ignore[union-attr]
    play.open()
    play.measured("a1", B=9.0)
    assert play.ledger.figure(1, "effects")["kept"] == 1


@pytest.mark.parametrize(("said", "meant"), [(True, "on"), (False, "off"), ("auto", "auto"), ("off", "off")])
def test_on_and_off_as_yaml_reads_them(said: object, meant: str) -> None:
    assert parse({"policy": {"paired": said}}).policy.paired == meant
