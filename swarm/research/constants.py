"""The UPPERCASE constants of a training script: found, changed and merged by name, everything else byte for byte.

A constant is a module-level assignment of one UPPERCASE name to a literal. A name bound twice is left out: changing one
of the two would say nothing.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

NAME = re.compile(r"[A-Z][A-Z0-9_]*\Z")
POWER = 4096  # 4096**4096 is the largest power worked out
WRONG = (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError)  # what a parser may say


@dataclass(frozen=True)
class Constant:
    """`value` as Python reads it (a list as a tuple), `text` as it stands in the file."""

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
    wanted = {name: text.strip() for name, text in texts.items()}
    for name, text in wanted.items():
        if not _is_literal(text):
            raise ValueError(f"{name}: {text[:60]!r} is not a plain value")
    after = _replaced(source, wanted)
    found = constants(after)  # a text such as `1 # so` is a literal, and yet swallows what follows it
    for name, text in wanted.items():
        if name not in found or found[name].text != text:
            raise ValueError(f"{name}: {text[:60]!r} does not fit in its place")
    return after


def kind_of(before: str, after: str) -> str:
    """`const` when only values of constants differ, else `code`."""
    if before == after:
        return "const"
    here, there = _places(before), _places(after)
    if set(here) != set(there):
        return "code"
    blank = dict.fromkeys(here, "?")
    return "const" if _replaced(before, blank) == _replaced(after, blank) else "code"


def changes(before: str, after: str) -> list[str]:
    """The constants that differ, as `NAME old→new`."""
    old = constants(before)
    return [f"{name} {old[name].text}→{text}" for name, text in changed(before, after).items()]


def changed(before: str, after: str) -> dict[str, str]:
    """New texts of the constants that both have and that differ."""
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
    try:
        return with_values(onto, wanted)
    except ValueError:
        return None


# --- where they stand ---------------------------------------------------------------------------------------------


def _replaced(source: str, texts: Mapping[str, str]) -> str:
    places = _places(source)
    data = source.encode()
    for name in sorted(texts, key=lambda n: places[n].start, reverse=True):
        data = data[: places[name].start] + texts[name].encode() + data[places[name].end :]
    return data.decode()


@lru_cache(maxsize=128)  # a comparison asks several times about the same few sources, a dozen small patches in between
def _places(source: str) -> Mapping[str, _Place]:
    try:
        data = source.encode()
        tree = ast.parse(data.removeprefix(b"\xef\xbb\xbf").decode())
    except WRONG:
        return {}
    starts = _line_starts(data)
    seen: Counter[str] = Counter()
    found: dict[str, _Place] = {}
    for name, value in _bindings(tree):
        seen[name] += 1
        if value is None or value.end_lineno is None or value.end_col_offset is None:
            continue
        start = starts[value.lineno - 1] + value.col_offset
        end = starts[value.end_lineno - 1] + value.end_col_offset
        text = data[start:end].decode()
        if _is_literal(text):
            found[name] = _Place(Constant(name, _value(value), text), start, end)
    return {n: p for n, p in found.items() if seen[n] == 1}


def _line_starts(data: bytes) -> list[int]:
    """Byte offsets at which Python's parser begins a line; a byte order mark is no part of the first."""
    starts = [3 if data.startswith(b"\xef\xbb\xbf") else 0]
    return starts + [end.end() for end in re.finditer(rb"\r\n|\r|\n", data)]


def _bindings(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Every binding of an UPPERCASE name outside functions and classes, with its value where that is a plain one."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        plain = _plain(node)
        for inner in ast.walk(node):
            for name in _names(inner):
                if NAME.match(name):
                    yield name, plain[1] if plain and plain[0] is inner else None


def _plain(node: ast.stmt) -> tuple[ast.Name, ast.expr] | None:
    """Target and value of `NAME = value` or `NAME: type = value`."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0], node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target, node.value
    return None


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.alias):
        return [node.asname or node.name.partition(".")[0]]
    return []


# --- what they say ------------------------------------------------------------------------------------------------


def _is_literal(text: str) -> bool:
    try:
        _value(ast.parse(text, mode="eval").body)
    except WRONG:
        return False
    return True


def _value(node: ast.expr) -> object:
    """Numbers with simple arithmetic, strings, bools, None, and flat tuples or lists of these."""
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_single(item) for item in node.elts)
    return _single(node)


def _single(node: ast.expr) -> object:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        return node.value
    return _number(node)


def _number(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _number(node.operand)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        return _arithmetic(node.op, _number(node.left), _number(node.right))
    raise ValueError("not a literal")


def _arithmetic(op: ast.operator, a: int | float, b: int | float) -> int | float:
    if isinstance(op, ast.Add):
        return a + b
    if isinstance(op, ast.Sub):
        return a - b
    if isinstance(op, ast.Mult):
        return a * b
    if isinstance(op, ast.Div):
        return a / b
    if isinstance(op, ast.FloorDiv):
        return a // b
    if isinstance(op, ast.LShift) and isinstance(a, int) and isinstance(b, int) and b <= POWER:
        return a << b
    if isinstance(op, ast.Pow) and abs(b) <= POWER and abs(a) <= POWER:
        power = a**b
        if isinstance(power, int | float):  # a negative number to a fraction is complex
            return power
    raise ValueError("not simple arithmetic")
