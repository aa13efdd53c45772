"""The one error door: whatever goes wrong becomes a sentence, what to do next, and an exit code.

0 fine · 1 an expected error · 2 typed wrongly · 3 unexpected (with a log to paste) · 130 ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from swarm.errors import SwarmError, of_system

# Said without options these need no parser, and to load it takes longer than all that they do.
BARE = ("status", "leaderboard")


def run(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name) and return its exit code."""
    try:
        code = _call(argv)
        sys.stdout.flush()
        return code
    except SwarmError as error:
        return say(error.message, error.hint, error.code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _quiet()
        return 0
    except Exception as error:
        return _other(error, argv)


def say(message: str, hint: str = "", code: int = 1) -> int:
    """Print an error the way every command does, and return its exit code."""
    lines = [f"swarm: {message}", *(f"  {line.strip()}" for line in hint.splitlines() if line.strip())]
    try:
        print("\n".join(lines), file=sys.stderr)
    except BrokenPipeError:
        _quiet()
    return code


def _call(argv: Sequence[str]) -> int:
    if len(argv) == 1 and argv[0] in BARE:
        from swarm.cli.places import here

        import_module(f"swarm.cli.{argv[0]}").run(here())
        return 0
    from typer.main import get_command

    from swarm.cli.app import made

    result = get_command(made(argv[0] if argv else "")).main(args=list(argv), prog_name="swarm", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _other(error: Exception, argv: Sequence[str]) -> int:
    """Usage errors of typer (known by their shape: typer has had more than one home for them), and surprises."""
    if type(error).__name__ == "Abort":
        return 130
    if type(error).__name__ == "NoArgsIsHelpError":  # the help was printed
        return 0
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        ctx = getattr(error, "ctx", None)
        path = ctx.command_path if ctx is not None else "swarm"
        return say(error.format_message(), f"{path} --help shows what it takes.", int(error.exit_code))
    known = of_system(error) if isinstance(error, OSError) else _of_ledger(error)
    if known is not None:
        return say(known.message, known.hint)
    log = _log(error, argv)
    text = " ".join(str(error).split())[:200]
    return say(
        f"something unexpected: {type(error).__name__}: {text}",
        f"The whole story is in {log}\nPlease paste that file when you report it. Nothing recorded is lost.",
        3,
    )


def _of_ledger(error: Exception) -> SwarmError | None:
    """What SQLite found in the middle of reading; loaded only when it was in use."""
    if "sqlite3" not in sys.modules:
        return None
    from swarm.ledger.connection import damage

    return damage(error)


def _log(error: Exception, argv: Sequence[str]) -> Path:
    """Write the traceback where a person can find it: beside the workspace's state, else in the temporary folder."""
    import platform
    import tempfile
    import traceback

    from swarm import __version__

    text = (
        f"swarm {__version__} · Python {platform.python_version()} · {platform.platform()}\n"
        f"swarm {' '.join(argv)}\n\n" + "".join(traceback.format_exception(error))
    )
    for folder in _folders():
        try:
            handle, name = tempfile.mkstemp(prefix="error-", suffix=".log", dir=folder)
        except OSError:
            continue
        with os.fdopen(handle, "w") as file:
            file.write(text)
        return Path(name)
    sys.stderr.write(text)
    return Path("the lines above")


def _folders() -> list[Path]:
    import tempfile

    from swarm.workspace import find

    try:
        hidden = [find(Path.cwd()).hidden]
    except (SwarmError, OSError):
        hidden = []
    return [*hidden, Path(tempfile.gettempdir())]


def _quiet() -> None:
    """The reader of our output has gone: say nothing more, not even at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(null, stream.fileno())
        except (OSError, ValueError):
            continue
