"""What stands in the way of a command: one line that says what, one that says what to do, and no traceback."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.cli import errors
from swarm.daemon import start
from swarm.errors import of_system
from swarm.ledger.ledger import Ledger
from swarm.workspace import Workspace
from tests.cli.conftest import Typed

SPAWN = ("spawn", "--device", "cpu", "--hours", "1", "--agents", "tuner", "--sandbox", "off")
REAL = start.ensure  # before the fixture that forbids it


def hidden_is_a_file(place: Workspace) -> None:
    place.hidden.write_text("")


def worktrees_is_a_file(place: Workspace) -> None:
    place.worktrees.write_text("")


def locks_is_a_file(place: Workspace) -> None:
    place.hidden.mkdir()
    place.locks.write_text("")


def log_is_a_folder(place: Workspace) -> None:
    place.log.mkdir(parents=True)


def lock_is_a_folder(place: Workspace) -> None:
    place.keeper.mkdir(parents=True)


def ledger_is_a_folder(place: Workspace) -> None:
    place.ledger.mkdir(parents=True)


def ledger_is_garbage(place: Workspace) -> None:
    place.hidden.mkdir()
    place.ledger.write_text("this is no database at all, and never was\n" * 99)


def database(place: Workspace, version: int) -> None:
    place.hidden.mkdir()
    db = sqlite3.connect(place.ledger)
    db.executescript(f"CREATE TABLE mine (x); PRAGMA user_version={version}")
    db.close()


def ledger_of_the_future(place: Workspace) -> None:
    database(place, 99)


def ledger_of_something_else(place: Workspace) -> None:
    database(place, 1)


def database_of_something_else(place: Workspace) -> None:
    database(place, 0)


def yaml_is_a_pipe(place: Workspace) -> None:
    place.yaml.unlink()
    os.mkfifo(place.yaml)


def yaml_is_a_folder(place: Workspace) -> None:
    place.yaml.unlink()
    place.yaml.mkdir()


def yaml_is_a_link_to_nothing(place: Workspace) -> None:
    place.yaml.unlink()
    place.yaml.symlink_to("nothing")


def yaml_is_no_text(place: Workspace) -> None:
    place.yaml.write_bytes(b"task: \xff\xfa\n")


FOLDERS = (hidden_is_a_file, worktrees_is_a_file, locks_is_a_file, log_is_a_folder, lock_is_a_folder)
LEDGERS = (
    ledger_is_a_folder, ledger_is_garbage, ledger_of_the_future, ledger_of_something_else, database_of_something_else,
)  # fmt: skip
YAMLS = (yaml_is_a_pipe, yaml_is_a_folder, yaml_is_a_link_to_nothing, yaml_is_no_text)


def plain(said: tuple[int, str, str], names: str) -> None:
    code, _, err = said
    assert code == 1, err
    assert names in err.splitlines()[0]
    assert len(err.splitlines()) >= 2, "nothing says what to do"
    assert "Traceback" not in err and "unexpected" not in err and "[Errno" not in err


@pytest.mark.parametrize("spoil", FOLDERS)
def test_something_stands_in_the_place_of_a_folder_or_file(
    typed: Typed, place: Workspace, home: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Workspace], None]
) -> None:
    monkeypatch.setattr("swarm.daemon.start.ensure", REAL)
    typed("prepare")
    spoil(place)
    plain(typed(*SPAWN), str(place.root))


@pytest.mark.parametrize("words", [SPAWN, ("status",), ("leaderboard",), ("clean",), ("plot",)])
@pytest.mark.parametrize("spoil", LEDGERS)
def test_the_ledger_is_something_else(
    typed: Typed, place: Workspace, spoil: Callable[[Workspace], None], words: tuple[str, ...]
) -> None:
    if words is SPAWN:
        typed("prepare")
    spoil(place)
    plain(typed(*words), "results.db")


@pytest.mark.parametrize("spoil", LEDGERS)
def test_the_writer_leaves_what_is_no_ledger_alone(place: Workspace, spoil: Callable[[Workspace], None]) -> None:
    spoil(place)
    before = place.ledger.read_bytes() if place.ledger.is_file() else b""
    with pytest.raises(errors.SwarmError, match=r"results\.db") as said:
        Ledger(place.ledger)
    assert said.value.hint
    assert before == (place.ledger.read_bytes() if place.ledger.is_file() else b"")


@pytest.mark.parametrize("spoil", YAMLS)
def test_swarm_yaml_cannot_be_read(typed: Typed, place: Workspace, spoil: Callable[[Workspace], None]) -> None:
    spoil(place)
    plain(typed(*SPAWN), "swarm.yaml")


@pytest.mark.parametrize("spoil", [*FOLDERS, *LEDGERS, *YAMLS])
def test_the_doctor_says_all_that_is_wrong_and_not_only_the_first(
    typed: Typed, place: Workspace, spoil: Callable[[Workspace], None]
) -> None:
    spoil(place)
    code, out, err = typed("doctor")
    assert code in (0, 1), err
    for what in ("python", "workspace", "task", "ledger"):
        assert f"\n  {what} " in f"\n{out}"


def test_a_ledger_that_breaks_while_it_is_read(typed: Typed, place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: object) -> int:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(errors, "_call", fail)
    plain(typed("status"), "malformed")


def test_a_mistake_of_ours_in_a_question_is_still_a_surprise(
    typed: Typed, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(argv: object) -> int:
        raise sqlite3.OperationalError('near "SELEC": syntax error')

    monkeypatch.setattr(errors, "_call", fail)
    assert typed("status")[0] == 3


def test_who_may_not_is_shown_the_folder_that_is_there(tmp_path: Path) -> None:
    said = of_system(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "a" / "b")))
    assert said is not None
    assert str(tmp_path / "a" / "b") in said.message
    assert said.hint.endswith(f"ls -ld {tmp_path}")
    assert of_system(FileNotFoundError(errno.ENOENT, "gone")) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may everything")
def test_a_folder_that_may_not_be_written(typed: Typed, place: Workspace) -> None:
    typed("prepare")
    place.root.chmod(0o555)
    try:
        plain(typed(*SPAWN), str(place.root))
    finally:
        place.root.chmod(0o755)


def test_a_home_that_may_not_be_written(typed: Typed, place: Workspace, home: Path) -> None:
    """Here: that is no folder at all."""
    shutil.rmtree(home)
    home.write_text("")
    code, _, err = typed("prepare")
    assert code == 1
    assert "Traceback" not in err
