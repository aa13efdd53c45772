"""What a tuner tries next."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.agents.proposing import Seen, bad, propose, signature, spoiled, suggested
from swarm.agents.space import placed, space
from swarm.research.constants import constants, with_values

SOURCE = "".join(
    f"{line}\n"
    for line in (
        "DEPTH = 2", "TOTAL_BATCH_SIZE = 512", "MATRIX_LR = 0.04", "EMBEDDING_LR = 0.3", "ADAM_BETA1 = 0.8",
        "WARMDOWN_RATIO = 0.5", "WARMUP_RATIO = 0.0", "WEIGHT_DECAY = 0.0", "QK_NORM = False", "SOFTCAP = 15.0",
    )
)  # fmt: skip
DIMS = space(constants(SOURCE))


@given(st.integers(0, 1 << 32))
def test_a_proposal_changes_one_to_three_constants_and_fits_the_file(seed: int) -> None:
    change = propose(DIMS, [], [], set(), seed)
    assert change is not None
    assert 1 <= len(change) <= 3
    before, after = constants(SOURCE), constants(with_values(SOURCE, change))
    for name, text in change.items():
        assert after[name].value != before[name].value
        assert type(after[name].value) is type(before[name].value)
        assert after[name].text == text


def test_the_same_seed_gives_the_same_proposal_another_gives_another() -> None:
    assert propose(DIMS, [], [], set(), 7) == propose(DIMS, [], [], set(), 7)
    assert len({str(propose(DIMS, [], [], set(), seed)) for seed in range(10)}) > 5


def test_nothing_is_proposed_twice() -> None:
    dims = space(constants("FLAG = False\nDEPTH = 2\n"))
    now = {name: d.text(d.now) for name, d in dims.items()}
    taken: set[str] = set()
    for seed in range(40):
        change = propose(dims, [], [], taken, seed)
        if change is None:
            break
        sign = signature(now, change)
        assert sign not in taken
        taken.add(sign)
    assert len(taken) == 7  # two flags × depths 1 to 4, but for the tip itself
    assert propose(dims, [], [], taken, 1000) is None


def test_without_constants_nothing() -> None:
    assert propose({}, [], [], set(), 1) is None


def measured(loss: object, count: int, seed: int = 0) -> list[Seen]:
    """`count` measurements of random values of MATRIX_LR."""
    rng = random.Random(seed)
    d = DIMS["MATRIX_LR"]
    base = {name: x.now for name, x in DIMS.items()}
    spots = [d.low + rng.random() * (d.high - d.low) for _ in range(count)]
    return [Seen({**base, "MATRIX_LR": at}, loss(at)) for at in spots]  # type: ignore[operator]


def test_tpe_learns_from_what_was_measured() -> None:
    d = DIMS["MATRIX_LR"]
    target = d.now + 1.2
    seen = measured(lambda at: (at - target) ** 2, 60)
    found = [suggested([d], seen, [], seed)["MATRIX_LR"] for seed in range(10)]
    near = sum(abs(at - target) < 0.6 for at in found)
    assert near >= 7, found


def test_tpe_stays_away_from_what_failed() -> None:
    d = DIMS["MATRIX_LR"]
    seen = measured(lambda at: None if at > d.now else 1.0 - 0.001 * at, 60)
    found = [suggested([d], seen, [], seed)["MATRIX_LR"] for seed in range(10)]
    assert sum(at <= d.now for at in found) >= 8, found


def test_a_failure_is_worse_than_everything() -> None:
    assert bad([Seen({}, 1.0), Seen({}, 3.0), Seen({}, None)]) > 3.0
    assert bad([]) == 1.0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-10, 10)), max_size=20), st.integers(0, 1000))
def test_whatever_was_measured_a_proposal_is_legal(losses: list[float | None], seed: int) -> None:
    rng = random.Random(seed)
    seen = []
    for loss in losses:
        at = {n: d.low + rng.random() * (d.high - d.low) for n, d in DIMS.items()}
        at = {n: float(round(v)) if DIMS[n].whole else v for n, v in at.items()}
        seen.append(Seen({n: v for n, v in at.items() if rng.random() < 0.9}, loss))
    flying = [s.at for s in seen[:2]]
    change = propose(DIMS, seen, flying, set(), seed)
    assert change
    after = constants(with_values(SOURCE, change))
    assert set(placed(DIMS, {n: c.value for n, c in after.items()})) >= set(change) - {"WARMUP_RATIO"}


SIZES = space(constants("VOCAB_SIZE = 1024\nDEPTH = 2\nMATRIX_LR = 0.04\nFLAG = False\n"))


def row(loss: float | None, **values: object) -> Seen:
    now: dict[str, object] = {"VOCAB_SIZE": 1024, "DEPTH": 2, "MATRIX_LR": 0.04, "FLAG": False}
    return Seen(placed(SIZES, {**now, **values}), loss)


def test_a_value_that_broke_the_training_is_not_tried_again() -> None:
    """As a vocabulary that was not prepared does, whatever else is changed with it."""
    seen = [row(None, VOCAB_SIZE=2048), row(1.9, VOCAB_SIZE=512), row(None, VOCAB_SIZE=4096, MATRIX_LR=0.02)]
    seen += [row(None, VOCAB_SIZE=4096, DEPTH=3), row(1.8, DEPTH=3), row(None, MATRIX_LR=0.3)]
    tried = [change for seed in range(400) if (change := propose(SIZES, seen, [], set(), seed))]
    assert {c["VOCAB_SIZE"] for c in tried if "VOCAB_SIZE" in c} == {"256", "512"}
    assert any("MATRIX_LR" in c for c in tried) and any(c.get("DEPTH") == "3" for c in tried)


def test_one_crash_in_company_convicts_nobody_and_a_success_acquits() -> None:
    assert spoiled(SIZES, [row(None, VOCAB_SIZE=2048, FLAG=True)]) == set()
    assert spoiled(SIZES, [row(None, VOCAB_SIZE=2048, FLAG=True), row(1.9, FLAG=True)]) == {("VOCAB_SIZE", "2048")}
    assert spoiled(SIZES, [row(None, VOCAB_SIZE=2048), row(1.9, VOCAB_SIZE=2048)]) == set()
    assert spoiled(SIZES, [row(None)] * 3) == set()  # the tip itself once crashed: a fault of the machine


def test_a_tuner_whose_other_values_are_all_broken_still_finds_something() -> None:
    dims = space(constants("FLAG = False\nMATRIX_LR = 0.04\n"))
    seen = [Seen({"FLAG": 1.0, "MATRIX_LR": dims["MATRIX_LR"].now}, None)]
    tried = [propose(dims, seen, [], set(), seed) for seed in range(50)]
    assert all(change is not None and list(change) == ["MATRIX_LR"] for change in tried)
