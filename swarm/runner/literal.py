"""A seed that is written into the source: put the run's own seed there, in the run's copy only.

Upstream hard-codes 42. "Three seeds" would be one seed three times, and the noise measured ten times too small.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

ANY_OWNER = ("manual_seed", "manual_seed_all")  # torch.manual_seed, torch.cuda.manual_seed_all, generator.manual_seed
RANDOM = ("random.seed", "np.random.seed", "numpy.random.seed")
NUMBER = re.compile(rb"[0-9][0-9A-Fa-f_xXoObB]*")


def rewrite(work: Path, names: list[str], seed: int) -> int:
    """Write `seed` into the seeding calls of these files below `work`. Returns how many there were."""
    root = os.path.realpath(work)
    count = 0
    for name in names:
        path = work / name
        if not os.path.realpath(path).startswith(root + "/") or not path.is_file() or path.suffix != ".py":
            continue
        before = path.read_bytes()
        after, found = reseeded(before, seed)
        if found:
            new = path.with_name(path.name + ".reseeded")
            new.write_bytes(after)
            os.replace(new, path)  # never through a link into somebody else's copy
        count += found
    return count


def reseeded(source: bytes, seed: int) -> tuple[bytes, int]:
    """The source with `seed` in its seeding calls that have an integer literal, and their number.

    A source that does not parse is returned as it is: its run will say so better.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source, 0
    found = [a for node in ast.walk(tree) if isinstance(node, ast.Call) for a in _arguments(node)]
    pieces, done, count = [], 0, 0
    for start, end in sorted(_spans(source, found)):
        if NUMBER.fullmatch(source[start:end]):  # else the parser counted otherwise: an encoding that is not UTF-8
            pieces += [source[done:start], str(seed).encode()]
            done = end
            count += 1
    return b"".join([*pieces, source[done:]]), count


def _arguments(call: ast.Call) -> list[ast.Constant]:
    name = _dotted(call.func)
    if name.rpartition(".")[2] not in ANY_OWNER and name not in RANDOM:
        return []
    given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "seed")]
    return [a for a in given if isinstance(a, ast.Constant) and type(a.value) is int]


def _dotted(node: ast.expr) -> str:
    """`np.random.seed` for that expression; what is no name at its root is left out."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def _spans(source: bytes, nodes: list[ast.Constant]) -> list[tuple[int, int]]:
    """Offsets in bytes: that is what the parser's columns count."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return [
        (starts[n.lineno - 1] + n.col_offset, starts[(n.end_lineno or n.lineno) - 1] + (n.end_col_offset or 0))
        for n in nodes
    ]
