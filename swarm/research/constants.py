"""The UPPERCASE constants of a training script: found, changed and merged by name, everything else byte for byte.

A constant is a module-level assignment of one UPPERCASE name to a literal. A name assigned twice is left out: changing
one of the two would say nothing.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

NAME = re.compile(r"[A-Z][A-Z0-9_]*$")
POWER = 4096  # 2**4096 is the largest power worked out


@dataclass(frozen=True)
class Constant:
    """`value` as Python reads it, `text` as it stands in the file."""

    name: str
    value: object
    text: str


@dataclass(frozen=True)
class _Place:
    constant: Constant
    start: int  # byte offsets of the value's text
    end: int


def constants(source: str) -> dict[str, Constant]:
    """All constants by name, in order. A file that does not parse has none."""
    return {name: place.constant for name, place in _places(source).items()}


def with_values(source: str, texts: Mapping[str, str]) -> str:
    """The source with these values' texts put in.

    Raises KeyError for a name that is no constant of it, ValueError for a text that is no literal.
    """
    places = _places(source)
    data = source.encode()
    for name in sorted(texts, key=lambda n: places[n].start, reverse=True):
        text = texts[name].strip()
        if "\n" in text or not _is_literal(text):
            raise ValueError(f"{name}: {text[:60]!r} is not a plain value")
        data = data[: places[name].start] + text.encode() + data[places[name].end :]
    return data.decode()


def kind_of(before: str, after: str) -> str:
    """`const` when only values of constants differ, else `code`."""
    if before == after:
        return "const"
    there = _places(after)
    names = {n for n in _places(before) if n in there}
    if set(_places(before)) != set(there):
        return "code"
    return "const" if _without(before, names) == _without(after, names) else "code"


def changes(before: str, after: str) -> list[str]:
    """The constants that differ, as `NAME old→new`."""
    a, b = constants(before), constants(after)
    return [f"{n} {a[n].text}→{b[n].text}" for n in a if n in b and a[n].text != b[n].text]


def changed(before: str, after: str) -> dict[str, str]:
    """New texts of the constants that differ."""
    a, b = constants(before), constants(after)
    return {n: b[n].text for n in a if n in b and a[n].text != b[n].text}


def merge(base: str, change: str, onto: str) -> str | None:
    """Apply a change of constants to another version of the file, by name.

    None when the change is not of constants only, a name is missing in `onto`, or `onto` gave it another value.
    """
    if kind_of(base, change) != "const":
        return None
    wanted, old, there = changed(base, change), constants(base), constants(onto)
    for name, text in wanted.items():
        if name not in there or there[name].text not in (old[name].text, text):
            return None
    return with_values(onto, wanted)


def _places(source: str) -> dict[str, _Place]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    lines = [0]
    for line in source.encode().split(b"\n"):
        lines.append(lines[-1] + len(line) + 1)
    found: dict[str, _Place] = {}
    seen: Counter[str] = Counter()
    data = source.encode()
    for name, value in _assignments(tree):
        seen[name] += 1
        if value is None or value.end_lineno is None or value.end_col_offset is None:
            continue
        start = lines[value.lineno - 1] + value.col_offset
        end = lines[value.end_lineno - 1] + value.end_col_offset
        text = data[start:end].decode()
        if _is_literal(text):
            found[name] = _Place(Constant(name, _value(ast.parse(text, mode="eval").body), text), start, end)
    return {n: p for n, p in found.items() if seen[n] == 1}


def _assignments(tree: ast.Module) -> list[tuple[str, ast.expr | None]]:
    """Every module-level binding of an UPPERCASE name; None where the value is not a plain one."""
    out: list[tuple[str, ast.expr | None]] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            out.append((node.targets[0].id, node.value))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            out.append((node.target.id, node.value))
        else:
            out += [
                (n.id, None)
                for n in ast.walk(node)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and not isinstance(node, ast.FunctionDef | ast.ClassDef)
            ]
    return [(name, value) for name, value in out if NAME.match(name)]


def _is_literal(text: str) -> bool:
    try:
        _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return False
    return True


def _value(node: ast.expr) -> object:
    """Numbers with simple arithmetic, strings, bools, None, and flat tuples or lists of these."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _number(node.operand)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        return _arithmetic(node)
    if isinstance(node, ast.Tuple | ast.List):
        items = [_value(item) for item in node.elts]
        return tuple(items)
    raise ValueError("not a literal")


def _number(node: ast.expr) -> int | float:
    value = _value(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    return value


def _arithmetic(node: ast.BinOp) -> int | float:
    a, b = _number(node.left), _number(node.right)
    if isinstance(node.op, ast.Add):
        return a + b
    if isinstance(node.op, ast.Sub):
        return a - b
    if isinstance(node.op, ast.Mult):
        return a * b
    if isinstance(node.op, ast.Div):
        return a / b
    if isinstance(node.op, ast.FloorDiv):
        return a // b
    if isinstance(node.op, ast.Pow) and abs(b) <= POWER and abs(a) <= POWER:
        power = a**b
        if isinstance(power, int | float):
            return power
    raise ValueError("not simple arithmetic")


def _without(source: str, names: set[str]) -> str:
    """The source with the values of these constants blanked."""
    data = source.encode()
    places = _places(source)
    for name in sorted(names, key=lambda n: places[n].start, reverse=True):
        data = data[: places[name].start] + b"?" + data[places[name].end :]
    return data.decode()
