"""Commands that only look load next to nothing, and the short way to them says what the long way says."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from swarm.cli import errors, reading
from swarm.cli.app import PANELS, made
from swarm.workspace import Workspace
from tests.cli.conftest import Typed
from tests.ledger.made import made as ledger

# what a command that reads needs none of; typer itself brings pydantic along in some versions
HEAVY = {"git", "libtmux", "fastapi", "starlette", "uvicorn", "mcp", "optuna", "matplotlib", "numpy", "yaml", "asyncio"}
LOADED = """
import json, sys
from swarm.cli import errors
code = errors.run(sys.argv[1:])
print(json.dumps([code, sorted({name.split('.')[0] for name in sys.modules})]))
"""


@pytest.fixture
def night(place: Workspace) -> Workspace:
    ledger(place.ledger, 60)
    return place


def loaded(folder: Path, *words: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after the command."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(names)


@pytest.mark.parametrize("word", errors.BARE)
def test_said_without_options_they_load_no_parser_either(night: Workspace, word: str) -> None:
    names = loaded(night.root, word)
    assert not names & (HEAVY | {"typer", "click", "pydantic", "http", "importlib_metadata"})
    assert {"sqlite3", "rich"} <= names


@pytest.mark.parametrize(
    "words",
    [
        ("leaderboard", "-n", "5"),
        ("leaderboard", "--json"),
        ("status", "--json"),
        ("show", "e0002"),
        ("diff", "e0002"),
        ("--help",),
    ],
)
def test_what_reads_loads_nothing_that_works(night: Workspace, words: tuple[str, ...]) -> None:
    assert not loaded(night.root, *words) & HEAVY


@pytest.mark.parametrize("word", errors.BARE)
def test_the_short_way_says_what_the_long_way_says(
    night: Workspace, typed: Typed, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    short = typed(word)
    monkeypatch.setattr(errors, "BARE", ())
    assert typed(word) == short
    assert short[0] == 0 and short[1]


@pytest.mark.parametrize("word", errors.BARE)
def test_both_ways_have_the_same_defaults(word: str) -> None:
    long = inspect.signature(getattr(reading, word)).parameters
    short = inspect.signature(import_module(f"swarm.cli.{word}").run).parameters
    assert {n: p.default for n, p in long.items()}.items() <= {n: p.default for n, p in short.items()}.items()


def test_one_command_alone_is_read_and_all_of_them_for_any_other_word() -> None:
    everything = {c.__name__.rstrip("_") for commands in PANELS.values() for c in commands}
    assert {c.name for c in made("try").registered_commands} == {"try"}
    for word in ("", "--version", "nonsense"):
        assert {c.name for c in made(word).registered_commands} == everything


@pytest.mark.parametrize("word", errors.BARE)
def test_where_nothing_is_recorded_both_ways_say_so(
    place: Workspace, typed: Typed, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    short = typed(word)
    assert short[0] == 1 and "nothing recorded here yet" in short[2]
    monkeypatch.setattr(errors, "BARE", ())
    assert typed(word) == short
