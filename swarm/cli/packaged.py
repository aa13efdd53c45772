"""Where the files that came with swarm lie: inside the wheel, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

INSIDE = Path(__file__).resolve().parent.parent


def templates() -> Path:
    """The folder of the template task (train.py, prepare.py)."""
    return _folder("templates")


def programs() -> Path:
    """The folder of the programs (*.md) that a new workspace starts with."""
    return _folder("programs")


def _folder(name: str) -> Path:
    wheel = INSIDE / name
    return wheel if wheel.is_dir() else INSIDE.parent / name
