"""An agent's seat as a file, for its process: where it works, where the door is, which file holds its token."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import swarm
from swarm.agents.words import plain
from swarm.client import Client
from swarm.errors import SwarmError
from swarm.ports import Launch, Seat

VARIABLE = "SWARM_SEAT"
HOME = str(Path(swarm.__file__).resolve().parent.parent)
PLACES = ("worktree", "folder", "door", "token", "brief")


def launch(seat: Seat, module: str) -> Launch:
    """Write the seat's file, and start this Python with `module`; nothing in the worktree is taken for one (-P).

    Raises OSError when the seat's folder cannot be written.
    """
    path = seat.folder / "seat.json"
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(asdict(seat), default=str, indent=1))
    os.replace(fresh, path)
    env = {VARIABLE: str(path), "CUDA_VISIBLE_DEVICES": seat.devices, "PYTHONUNBUFFERED": "1"}
    if not HOME.endswith("-packages"):  # a checkout: this very one, wherever the agent works
        before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        env["PYTHONPATH"] = os.pathsep.join([HOME, *(p for p in before if p and p != HOME)])
    return Launch([sys.executable, "-P", "-m", module], env)


def read(path: Path) -> Seat:
    """The seat in a file. Raises SwarmError when it is none."""
    try:
        raw = json.loads(path.read_text())
        return Seat(**{**raw, **{name: Path(raw[name]) for name in PLACES}, "edit": tuple(raw["edit"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SwarmError(
            f"this agent's seat cannot be read: {path}: {error}", "Agents are started by swarm spawn."
        ) from None


def mine() -> tuple[Seat, Client]:
    """The seat of this process and its client, which finds the door again after the coordinator was restarted.

    Raises SwarmError outside an agent's session.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        raise SwarmError(f"{VARIABLE} is not set: this is no agent's session.", "Agents are started by swarm spawn.")
    seat = read(Path(path))
    return seat, Client.of(seat.door, seat.token)


def work(run: Callable[[Seat, Client, Callable[[str], None]], int]) -> int:
    """The life of an agent's process: `run(seat, client, say)` gives its exit status; what goes wrong is said in the pane.

    What it says may be words of other agents (news, results): made harmless, for a person looks at the pane.
    """
    try:
        seat, client = mine()
        return run(seat, client, lambda line: print(plain(line), flush=True))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"it cannot be run: {error}", file=sys.stderr)
        return 1
    except SwarmError as error:
        print(plain(f"{error.message} {error.hint}").strip(), file=sys.stderr)
        return 1


def plain_env(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that is not ours: without what was set to start this Python."""
    env = {name: value for name, value in environ.items() if name != "PYTHONUNBUFFERED"}
    rest = [p for p in env.pop("PYTHONPATH", "").split(os.pathsep) if p and p != HOME]
    return env | ({"PYTHONPATH": os.pathsep.join(rest)} if rest else {})
