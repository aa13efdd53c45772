"""How screens look: a hundred columns where there is no terminal, numbers as the field writes them, nobody's escape codes."""

from __future__ import annotations

import json
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

WIDTH = 100
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])")
NOISE_WORDS = re.compile(r"\((?:R|TM|C)\)|\bCPU\b|@.*$|\b\d+-Core\b|\bProcessor\b|\bwith\b.*$", re.I)
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
MEMORY_WORDS = re.compile(r"[ -](?:\d+ ?GB|HBM\w+|PCIe|SXM\w*|NVL)\b.*$", re.I)
STYLES = {
    "best": "bold green",
    "tied": "cyan",
    "unconfirmed": "yellow",
    "did not hold": "dim red",
    "was best": "green",
    "baseline": "bold",
    "discard": "dim",
    "crash": "red",
    "conflict": "dim",
}


def console(width: int | None = None) -> Console:
    """Where screens are drawn. Never fails on a letter that the terminal cannot show."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    if width is None and not sys.stdout.isatty():
        width = WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def show(draw: Callable[[int], RenderableType]) -> None:
    """Print what `draw` makes of the width; no blanks at the ends of lines where it goes into a file or a pipe."""
    out = console()
    if out.is_terminal:
        out.print(draw(out.width))
        return
    with out.capture() as drawn:
        out.print(draw(out.width))
    print("\n".join(line.rstrip() for line in drawn.get().rstrip().split("\n")))


# --- words --------------------------------------------------------------------------------------------------------


def clean(text: str | None, lines: bool = False) -> str:
    """Text that somebody else wrote, made harmless: no escape codes, control, bidi or invisible characters.

    Newlines and tabs become spaces, unless `lines`.
    """
    if not text:
        return ""
    out = []
    marks = 0
    for char in ANSI.sub("", text.replace("\r\n", "\n")):
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if char == "\n":
            out.append("\n" if lines else " ")
        elif char == "\t":
            out.append("    " if lines else " ")
        elif kind in UNSEEN:
            out.append("\ufffd")
        elif marks <= 2:
            out.append(char)
    return "".join(out)


def many(count: int, word: str) -> str:
    """`1 experiment`, `2 experiments`."""
    return f"{count} {word}{'s' * (count != 1)}"


def shorter(text: str, most: int) -> str:
    """At most so many letters, the last of them an ellipsis where something is left out."""
    return text if len(text) <= most else text[: max(0, most - 1)].rstrip() + "…"


def hardware(name: str | None) -> str:
    """`H100` for NVIDIA H100 80GB HBM3, `EPYC 7B12` for AMD EPYC 7B12 64-Core Processor."""
    text = clean(name)
    text = re.sub(r"^(NVIDIA|AMD|Intel(\(R\))?)\s+", "", text)
    text = MEMORY_WORDS.sub("", NOISE_WORDS.sub("", text))
    return " ".join(text.split()) or clean(name) or "?"


def sha(commit: str | None) -> str:
    """The seven characters that people use."""
    return clean(commit)[:7] or "—"


# --- numbers ------------------------------------------------------------------------------------------------------


def places(values: Iterable[float | None], stderr: float | None = None) -> int:
    """Decimals for scores shown together: four near one, fewer for big numbers, more where the noise is smaller."""
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    size = max(sizes, default=1.0)
    base = (
        max(0, min(10, 4 - max(0, math.floor(math.log10(size))), 10)) if size >= 1 else 3 - math.floor(math.log10(size))
    )
    base = 4 if 1 <= size < 10 else min(10, base)
    if stderr is not None and 0 < stderr < 0.4 * 10.0**-base:
        return min(10, math.ceil(-math.log10(stderr)))
    return base


def fixed(value: float | None, decimals: int) -> str:
    return "—" if value is None else f"{value:.{decimals}f}"


def error(value: float | None, decimals: int) -> str:
    """A standard error: `.0008`."""
    return "—" if value is None else f"{value:.{decimals}f}".removeprefix("0") or "0"


def signed(value: float, decimals: int) -> str:
    """With a real minus sign, so that columns line up and nobody takes it for a dash."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def chance(p: float | None) -> str:
    """A probability; never 0 or 1, which it is not."""
    if p is None:
        return "—"
    return ">0.99" if p > 0.995 else "<0.01" if p < 0.005 else f"{p:.2f}"


def minutes(seconds: float) -> str:
    """`3:10`, or `1:02:00`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def state(word: str) -> Text:
    return Text(f"★ {word}" if word == "best" else word, style=STYLES.get(word, ""))


# --- for programs -------------------------------------------------------------------------------------------------


def print_json(value: Any) -> None:
    """One object per line, so that it can be read and grepped, too. What would move a cursor is written as \\u…."""
    if isinstance(value, list):
        rows = ",\n ".join(_escaped(json.dumps(item, ensure_ascii=False)) for item in value)
        print(f"[{rows}]")
    else:
        print(_escaped(json.dumps(value, ensure_ascii=False, indent=1)))


def _escaped(text: str) -> str:
    """JSON in which controls, bidi and invisible characters are escapes: what is left of them stands inside strings."""
    return "".join(
        "\\u007f" if c == "\x7f" else json.dumps(c)[1:-1] if c != "\n" and unicodedata.category(c) in UNSEEN else c
        for c in text
    )


def print_tsv(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """A header and a line each; tabs and newlines inside a field become spaces, nothing is empty text."""
    names = list(columns)
    print("\t".join(names))
    for row in rows:
        print("\t".join("" if row[n] is None else clean(str(row[n])) for n in names))
