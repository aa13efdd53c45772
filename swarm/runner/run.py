"""Carry one attempt of one run: `python swarm/runner/run.py SPEC.json [--fds 5,6]`.

Started by file path, with the standard library only, also on machines where swarm is not installed. The descriptors
named are the locks that say this attempt is alive: this process holds them until it ends, and nobody else does.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Last in line, so that a package beside swarm never hides a module of the standard library.
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from swarm.runner.attempt import main

    raise SystemExit(main(sys.argv[1:]))
