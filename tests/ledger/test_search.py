"""Recall: any text may be asked, and what is found says what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.ledger.ledger import Ledger
from swarm.ledger.reader import Reader
from swarm.ledger.search import Found, query, search, similar, told


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("search") / "results.db")
    fill(ledger)
    yield ledger
    ledger.close()


def patch(old: str, new: str) -> str:
    return f"diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -1,3 +1,3 @@\n import torch\n-{old}\n+{new}\n"


def fill(ledger: Ledger) -> None:
    task = '{"task": {"path": "."}, "policy": {}}'
    ledger.add(
        "campaigns", id=1, name="c", task=task, stop="{}", state="searching", metric="val_bpb", better="lower", created=1.0
    )  # fmt: skip
    rows = [
        ("e0001", "as given", None, None, None, None),
        ("e0002", "matrix rate down", "MATRIX_LR = 0.04", "MATRIX_LR = 0.028", "keep", "val_bpb 0.98 against 1"),
        ("e0003", "rotary base 60000", "x = rope(q)", "x = rope(q, 60000)", "discard", "val_bpb 1.01 against 1"),
        ("e0004", "wider model", "WIDTH = 64", "WIDTH = 512", "crash", "exit 1\nCUDA out of memory"),
    ]
    for number, (ident, what, old, new, verdict, reason) in enumerate(rows):
        ledger.add(
            "experiments", id=ident, campaign=1, agent="gpu0", origin="submit", kind="code", description=what, stage="queued",
            hypothesis="less noise" if verdict == "keep" else None, created=float(number),
        )  # fmt: skip
        measured = {} if verdict in (None, "crash") else {
            "raw": 0.979, "runs": 2, "estimate": 0.981, "stderr": 0.0012, "parent_m": 1.0, "p_better": 0.97,
        }  # fmt: skip
        where = {"id": ident}
        ledger.change("experiments", where, patch=patch(old, new) if old and new else None)
        ledger.change("experiments", where, stage="done", verdict=verdict, reason=reason, **measured)
    ledger.add("notes", id=1, campaign=1, agent="gpu1", text="the warmdown explodes below 0.5", at=1.0)
    ledger.add("notes", id=2, campaign=1, agent=None, text="look at the data order, says a person", at=2.0)


def ids(found: list[Found]) -> list[str | None]:
    return [f.experiment for f in found]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("matrix rate", "e0002"), ("MATRIX_LR", "e0002"), ("matrix_lr 0.028", "e0002"), ("less noise", "e0002"),
        ("rotary", "e0003"), ("rope(q, 60000)", "e0003"), ("out of memory", "e0004"), ("crash", "e0004"),
        ("warmdown", None), ("explode", None), ("data order", None),
    ],
)  # fmt: skip
def test_it_is_found_by_its_words_wherever_they_stand(ledger: Ledger, text: str, first: str | None) -> None:
    assert ids(search(ledger, text))[0] == first


def test_what_is_found_says_what_it_came_to(ledger: Ledger) -> None:
    (found,) = search(ledger, "matrix_lr", 1)
    assert found.changed == "MATRIX_LR 0.04→0.028"
    assert found.delta == pytest.approx(-0.019)
    text = told(found)
    assert text == (
        "e0002 keep, 0.0190 ± 0.0012 better than what it changed, P(better) 0.97, 2 runs: matrix rate down [MATRIX_LR 0.04→0.028]"
    )
    assert " worse " in told(found, "higher")
    assert told(search(ledger, "wider", 1)[0]) == "e0004 crash (exit 1): wider model [WIDTH 64→512]"
    assert told(search(ledger, "warmdown", 1)[0]) == "note by gpu1: the warmdown explodes below 0.5"
    assert told(search(ledger, "data order", 1)[0]).startswith("note by a person: ")


def test_a_reader_finds_the_same(ledger: Ledger) -> None:
    with Reader(ledger.path) as reader:
        assert search(reader, "matrix rotary warmdown") == search(ledger, "matrix rotary warmdown")


def test_the_words_follow_what_is_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "results.db")
    fill(ledger)
    assert not search(ledger, "zebra")
    ledger.change("experiments", {"id": "e0001"}, reason="a zebra")
    assert ids(search(ledger, "zebra")) == ["e0001"]
    ledger.db.execute("BEGIN")
    ledger.add("notes", id=3, campaign=1, agent=None, text="a giraffe", at=3.0)
    ledger.db.execute("ROLLBACK")
    assert not search(ledger, "giraffe")
    assert ledger.add("notes", id=3, campaign=1, agent=None, text="a giraffe", at=3.0) == 3
    assert [f.description for f in search(ledger, "giraffes")] == ["a giraffe"]
    with pytest.raises(Exception, match="never deleted"):
        ledger.db.execute("DELETE FROM notes")
    ledger.close()


def test_similar_by_the_same_constants_or_much_the_same_words(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "results.db")
    fill(ledger)

    def add(ident: str, what: str, old: str, new: str) -> list[str | None]:
        ledger.add(
            "experiments", id=ident, campaign=1, agent="gpu1", origin="submit", kind="code", description=what, stage="queued",
            patch=patch(old, new), created=9.0,
        )  # fmt: skip
        return ids(similar(ledger, ident))

    assert add("e0005", "another guess", "MATRIX_LR = 0.04", "MATRIX_LR = 0.05") == ["e0002"]
    assert add("e0006", "base of rotary: 60000", "y = 1", "y = f(2)") == ["e0003"]
    assert add("e0007", "a deeper model", "DEPTH = 8", "DEPTH = 12") == []
    assert similar(ledger, "e0099") == []
    ledger.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.text(alphabet="\"*^(){}[]+-:.,\\ ANDORNEAT\0\n'a0_é漢\ud800", max_size=80))
def test_any_text_is_a_legal_query(ledger: Ledger, text: str) -> None:
    found = search(ledger, text)
    assert len(found) <= 8
    assert (query(text) is not None) or not found


@pytest.mark.parametrize(
    "text",
    ['"', "a AND", "NEAR(a b)", "description: x", "a*", "^a", "-a", "a OR OR b", "{a b}: c", "x" * 10_000, "w " * 500],
)
def test_what_fts5_would_take_for_its_own_language(ledger: Ledger, text: str) -> None:
    search(ledger, text)


def test_nothing_is_found_for_nothing(ledger: Ledger) -> None:
    assert search(ledger, "") == search(ledger, " \0 ?! ") == []
    assert query("?") is None
