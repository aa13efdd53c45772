"""Taking in what others tried: tables, and repositories whose commits are experiments."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.ledger.ledger import Ledger
from swarm.ledger.reader import Reader
from swarm.workspace import Workspace
from tests.cli.conftest import Typed
from tests.repo.test_history import commit, fork, sh

__all__ = ["fork"]  # a fixture


def shelf(place: Workspace) -> list[tuple[object, ...]]:
    ledger = Ledger(place.ledger)
    try:
        return ledger.rows('SELECT description, "commit", verdict, raw, patch IS NOT NULL FROM experiments ORDER BY id')
    finally:
        ledger.close()


@pytest.fixture
def night(fork: Path) -> dict[str, str]:
    """The fork with a results.tsv beside it: one result without a commit on the branch, one reset away, one unknown."""
    names = {
        subject: sha for sha, subject in (line.split(" ", 1) for line in sh(fork, "log", "--format=%H %s").splitlines())
    }
    names["gone"] = commit(fork, "LR = 9\nWD = 0.1\n", "too much")
    sh(fork, "reset", "-q", "--hard", "HEAD~1")
    (fork / "results.tsv").write_text(
        "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
        f"{names['as given'][:7]}\t0.997900\t44.0\tkeep\tbaseline\n"
        f"{names['half the decay'][:7]}\t0.990000\t44.0\tkeep\thalf the decay, it helped\n"
        f"{names['gone'][:7]}\t1.200000\t44.0\tdiscard\tten times the rate\n"
        "fffffff\t0.000000\t0.0\tcrash\twho knows\n"
        "nonsense\n"
    )
    return names


def test_a_repository_with_its_table(typed: Typed, place: Workspace, fork: Path, night: dict[str, str]) -> None:
    code, out, err = typed("import", str(fork))
    assert code == 0, err
    assert "5 experiments imported" in out
    assert "line 6: no columns" in out
    assert shelf(place) == [
        ("baseline", night["as given"], "keep", 0.9979, 1),
        ("twice the rate", night["twice the rate"], None, None, 1),
        ("half the decay, it helped", night["half the decay"], "keep", 0.99, 1),
        ("ten times the rate", night["gone"], "discard", 1.2, 1),
        ("who knows", "fffffff", "crash", None, 0),
    ]
    assert "0 experiments imported · 5 were there already" in typed("import", str(fork))[1]
    assert "0 experiments imported · 4 were there already" in typed("import", str(fork / "results.tsv"))[1].replace(
        "1 experiments imported · 3", "0 experiments imported · 4"
    ), "a crash that names no commit of the branch is told apart by its file"


def test_the_table_first_and_the_repository_later(
    typed: Typed, place: Workspace, fork: Path, night: dict[str, str]
) -> None:
    assert "4 experiments imported" in typed("import", str(fork / "results.tsv"))[1]
    code, out, _ = typed("import", str(fork))
    assert code == 0
    assert "2 experiments imported · 3 were there already" in out, (
        "the one without a result, and the crash from another place"
    )
    rows = {row[0]: row[1:] for row in shelf(place)}
    assert rows["half the decay, it helped"] == (night["half the decay"], "keep", 0.99, 1), "it has its patch now"
    assert rows["twice the rate"] == (night["twice the rate"], None, None, 1)


def test_a_result_that_comes_later(typed: Typed, place: Workspace, fork: Path) -> None:
    typed("import", str(fork))
    sha = sh(fork, "rev-parse", "HEAD")
    (fork / "results.tsv").write_text(f"{sha[:7]}\t0.990000\t44.0\tkeep\tit helped\n")
    assert "0 experiments imported · 3 were there already" in typed("import", str(fork))[1]
    assert [row[2:4] for row in shelf(place)] == [(None, None), (None, None), ("keep", 0.99)]


def test_another_branch(typed: Typed, place: Workspace, fork: Path) -> None:
    assert "1 experiments imported" in typed("import", str(fork), "--branch", "main")[1]
    assert "2 experiments imported · 1 were there" in typed("import", str(fork), "--branch", "autoresearch/mar5")[1]
    code, _, err = typed("import", str(fork), "--branch", "nope")
    assert code == 1
    assert "There are: autoresearch/mar5, main" in err


def test_recall_finds_what_they_changed_and_says_whose_it_is(
    typed: Typed, place: Workspace, fork: Path, night: dict[str, str]
) -> None:
    typed("import", str(fork))
    out = typed("recall", "decay")[1]
    assert "imported from a förk:autoresearch/mar5, commit" in out
    assert "keep (0.99 there)" in out
    assert "[WD 0.2→0.1]" in out
    assert "no result: twice the rate [LR 0.1→0.2]" in typed("recall", "twice")[1]
    with Reader(place.ledger) as reader:
        found = reader.experiment("e0003")
        assert found is not None and found.measured_by == "imported from a förk:autoresearch/mar5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense\nmore\tof\tit\n", ["line 1: no columns", "line 2: no status"]),
        ("commit\tval_bpb\tstatus\nabc\tx\tkeep\n", ["line 2: 'x' is no val_bpb"]),
        ("\n".join("abc1234\t1\t1\tmaybe\tx" for _ in range(9)), ["line 1: 'maybe' is no status", "and 4 more"]),
        ("", []),
    ],
)
def test_files_that_are_none_of_these(typed: Typed, place: Workspace, text: str, said: list[str]) -> None:
    (place.root / "odd.tsv").write_text(text)
    code, out, err = typed("import", "odd.tsv")
    assert code == 1
    assert out == ""
    assert "holds no experiments" in err
    assert all(line in err for line in said), err
    assert not place.ledger.exists()


def test_folders_that_are_none(typed: Typed, place: Workspace, fork: Path) -> None:
    code, _, err = typed("import", str(place.root))
    assert (code, "no git repository" in err) == (1, True)
    sh(fork, "checkout", "-q", "--orphan", "empty")
    sh(fork, "rm", "-q", "-f", "-r", ".")
    commit(fork, "words\n", "nothing here", "notes.md")
    code, _, err = typed("import", str(fork))
    assert (code, "no commit of empty" in err) == (1, True)
    (place.root / "r.tsv").write_text("x")
    assert "has no branches" in typed("import", "r.tsv", "--branch", "x")[2]
