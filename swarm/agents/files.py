"""The files that an agent may edit, as its process sees them: what changed, whether it still parses, how to say it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path


def snapshot(worktree: Path, edit: Sequence[str]) -> dict[str, bytes]:
    """The bytes of the editable files; empty for one that is gone or no file."""
    return {name: _bytes(worktree / name) for name in edit}


def broken(files: Mapping[str, bytes]) -> str:
    """Why a Python file among them cannot be run at all, in one line; empty when none is broken so."""
    for name, data in files.items():
        if not name.endswith(".py"):
            continue
        if not data:
            return f"{name} is gone or empty"
        try:
            ast.parse(data)
        except SyntaxError as error:
            return f"{name} line {error.lineno}: {error.msg}"
        except (ValueError, RecursionError, MemoryError) as error:
            return f"{name}: {error}"
    return ""


def changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """`changes to train.py (+3 −1)`."""
    said = []
    for name in after:
        if before.get(name) == after[name]:
            continue
        old, new = (x.decode(errors="replace").splitlines() for x in (before.get(name, b""), after[name]))
        diff = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
        plus, minus = (sum(line.startswith(sign) for line in diff) for sign in "+-")
        said.append(f"{name} (+{plus} −{minus})")
    return f"changes to {', '.join(said)}" if said else "no changes"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""
