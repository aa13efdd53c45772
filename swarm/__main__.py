"""`swarm`: the command. Two hidden words start the daemon without loading anything that draws."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from pathlib import Path
from typing import NoReturn

RARELY = (50_000, 20, 50)  # objects made between two looks for garbage: modules that are being loaded are none


def main() -> None:
    """Run what the command line says and exit with its code: 0, 1 expected, 2 usage, 3 unexpected, 130 ctrl-C."""
    gc.set_threshold(*RARELY)
    if len(sys.argv) == 3 and sys.argv[1] in ("_keeper", "_coordinator"):
        _daemon(sys.argv[1], Path(sys.argv[2]))
        return
    from swarm.cli.errors import run

    _end(run(sys.argv[1:]))


def _end(code: int) -> NoReturn:
    """Exit without taking the interpreter apart object by object: a third of a second beside agents that start."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader has gone
            continue
    os._exit(code)


def _daemon(word: str, root: Path) -> None:
    if word == "_keeper":
        from swarm.daemon import keeper

        sys.exit(keeper.main(root))
    from swarm.daemon import coordinator
    from swarm.wiring import story
    from swarm.workspace import Workspace

    sys.exit(coordinator.main(Workspace(root), story))


if __name__ == "__main__":
    main()
