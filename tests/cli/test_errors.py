"""The one error door: every kind of failure has its exit code and its sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.cli import errors
from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace
from tests.cli.conftest import Typed


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(argv: object) -> int:
        raise error

    monkeypatch.setattr(errors, "_call", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SwarmError("no.", "Do this."), 1),
        (Refused("no.", "Do this.", 404), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("odd"), 3),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (OSError(28, "No space left on device"), 1),
        (FileNotFoundError(2, "gone"), 3),
    ],
)
def test_exit_codes(typed: Typed, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    failing(monkeypatch, error)
    assert typed("status")[0] == code


def test_what_and_what_next(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, SwarmError("no GPU here.", "swarm spawn --device cpu"))
    assert typed("status") == (1, "", "swarm: no GPU here.\n  swarm spawn --device cpu\n")


def test_a_surprise_leaves_a_log_to_paste(typed: Typed, monkeypatch: pytest.MonkeyPatch, place: Workspace) -> None:
    place.make()
    failing(monkeypatch, ZeroDivisionError("by zero"))
    code, _, err = typed("status", "--json")
    assert code == 3
    assert "ZeroDivisionError: by zero" in err
    (log,) = place.hidden.glob("error-*.log")
    assert str(log) in err
    assert "Traceback" in log.read_text()
    assert "swarm status --json" in log.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["leaderboard", "--nonsense"],
        ["leaderboard", "-n", "0"],
        ["leaderboard", "-n", "many"],
        ["leaderboard", "--json", "--tsv"],
        ["promote"],
        ["promote", "e0001", "--undo"],
        ["tell", "gpu0"],
        ["try", "train.py"],
        ["submit"],
        ["spawn", "--hours", "0"],
        ["plot", "--by", "weeks"],
    ],
)
def test_usage(typed: Typed, place: Workspace, words: list[str]) -> None:
    code, out, err = typed(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("swarm: ")


def test_help_is_no_error(typed: Typed) -> None:
    assert typed("--help")[0] == 0
    code, out, err = typed()
    assert (code, err) == (0, "")
    assert "leaderboard" in out
    for command in ("spawn", "promote", "try", "import", "wait"):
        code, out, _ = typed(command, "--help")
        assert code == 0
        assert f"swarm {command}" in out


def test_version(typed: Typed) -> None:
    from swarm import __version__

    assert typed("--version") == (0, f"swarm {__version__}\n", "")


def test_no_workspace(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "home")
    code, _, err = typed("spawn")
    assert code == 1
    assert "swarm init" in err


def swarm(*words: str) -> list[str]:
    return [sys.executable, "-m", "swarm", *words]


def environment() -> dict[str, str]:
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": str(root)}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import os, sys; sys.argv=['swarm','--help']; os._exit=sys.exit\nfrom swarm.__main__ import main\n"
        "try: main()\nexcept SystemExit as e: assert e.code == 0\n"
        "bad={'pydantic','git','libtmux','fastapi','optuna','matplotlib','sqlite3','yaml','uvicorn'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), capture_output=True)


def test_the_daemon_imports_nothing_that_draws(tmp_path: Path) -> None:
    code = (
        "import sys, types\n"
        "fake=types.ModuleType('swarm.daemon.keeper'); fake.main=lambda root: 7\n"
        "import swarm.daemon; sys.modules['swarm.daemon.keeper']=fake; swarm.daemon.keeper=fake\n"
        f"sys.argv=['swarm','_keeper',{str(tmp_path)!r}]\nfrom swarm.__main__ import main\n"
        "try: main()\nexcept SystemExit as e: assert e.code == 7\n"
        "assert not {'typer','rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


@pytest.mark.parametrize(("word", "code", "said"), [("--version", 0, "swarm "), ("--nonsense", 2, "")])
def test_it_leaves_at_once_but_leaves_nothing_unsaid(word: str, code: int, said: str) -> None:
    script = (
        "import atexit, sys\natexit.register(print, 'last words')\n"
        f"sys.argv=['swarm', {word!r}]\nfrom swarm.__main__ import main\nmain()\nprint('never said')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == code
    assert done.stdout.startswith(said) and done.stdout.endswith("last words\n")
    assert "never said" not in done.stdout


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """`swarm --help | head -1`: the reader goes away before we write."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(swarm("--help"), stdout=writing, stderr=subprocess.PIPE, env=environment(), check=False)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode in (0, 1)


def test_completion_offers_commands() -> None:
    env = {**environment(), "_SWARM_COMPLETE": "complete_bash", "COMP_WORDS": "swarm lea", "COMP_CWORD": "1"}
    done = subprocess.run(swarm(), capture_output=True, text=True, env=env, check=False)
    assert "leaderboard" in done.stdout
