"""Reading other people's results.tsv: karpathy/autoresearch, SkyPilot's table, novix' summary. Lenient, and pure.

The formats are in the public repositories: `commit val_bpb memory_gb status description`;
`experiment_id status val_bpb memory_gb description`; `agent commit val_bpb memory_gb status description`.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

# where no header says otherwise: karpathy's, SkyPilot's, novix'; told apart by where the first line has its status
LAYOUTS = (
    ("commit", "val_bpb", "memory_gb", "status", "description"),
    ("experiment_id", "status", "val_bpb", "memory_gb", "description"),
    ("agent", "commit", "val_bpb", "memory_gb", "status", "description"),
)
NAMES = {
    "commit": "commit", "hash": "commit", "sha": "commit", "commit_hash": "commit",
    "experiment_id": "name", "experiment": "name", "id": "name", "exp": "name",
    "agent": "agent", "gpu": "agent", "worker": "agent",
    "memory_gb": "memory_gb", "peak_memory_gb": "memory_gb", "mem_gb": "memory_gb", "peak_vram_mb": "memory_mb",
    "status": "status", "result": "status", "verdict": "status",
    "description": "description", "desc": "description", "notes": "description", "change": "description",
}  # fmt: skip
STATUSES = {
    "keep": "keep", "kept": "keep", "improved": "keep", "baseline": "keep", "success": "keep", "ok": "keep",
    "discard": "discard", "discarded": "discard", "revert": "discard", "reverted": "discard", "rejected": "discard",
    "crash": "crash", "crashed": "crash", "fail": "crash", "failed": "crash", "error": "crash", "oom": "crash",
    "timeout": "crash",
}  # fmt: skip
HEX = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Found:
    """A line of the file. `score` is None where nothing was measured (0.000000 of a crash is no score)."""

    line: int
    commit: str | None
    name: str | None
    agent: str | None
    score: float | None
    memory_gb: float | None
    verdict: str  # keep | discard | crash
    description: str


@dataclass(frozen=True)
class Table:
    """`metric`: the name of the score's column. `wrong`: the lines that made no sense, and why."""

    metric: str
    rows: tuple[Found, ...]
    wrong: tuple[tuple[int, str], ...] = ()

    @property
    def skipped(self) -> tuple[int, ...]:
        """Numbers of the lines that made no sense."""
        return tuple(number for number, _ in self.wrong)


def parse(text: str) -> Table:
    """Read what can be read of a results.tsv."""
    lines = [(n, line) for n, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1) if line.strip()]
    if not lines:
        return Table("val_bpb", ())
    comma = _comma(lines[0][1])
    first = [c.strip().lower().lstrip("#").strip() for c in _cells(lines[0][1], comma)]
    headed = len({NAMES[c] for c in first if c in NAMES}) >= 2
    names = first if headed else list(_layout(first))
    metric = next((c for c in names if c not in NAMES and c), "val_bpb")
    rows, wrong = [], []
    for number, line in lines[headed:]:
        cells = _cells(line, comma, len(names))
        found = _row(number, dict(zip([NAMES.get(c, c) for c in names], cells, strict=False)), metric)
        if isinstance(found, str):
            wrong.append((number, found if len(cells) > 1 else "no columns"))
        else:
            rows.append(found)
    return Table(metric, tuple(rows), tuple(wrong))


def _layout(first: list[str]) -> tuple[str, ...]:
    """The layout whose status stands where this line has one."""
    for names in LAYOUTS:
        at = names.index("status")
        if at < len(first) and first[at] in STATUSES:
            return names
    return LAYOUTS[0]


def _comma(first: str) -> bool:
    """Whether commas part the columns: where neither tabs nor wide gaps do."""
    return "\t" not in first and first.count(",") >= 3 and len(re.split(r"\s{2,}", first.strip())) < 4


def _cells(line: str, comma: bool = False, most: int = 0) -> list[str]:
    """Tab-separated; where somebody's editor made spaces of the tabs, two or more of these; the last cell takes the rest."""
    if "\t" in line:
        return [c.strip() for c in (line.split("\t", most - 1) if most else line.split("\t"))]
    if comma:
        try:
            cells = [c.strip() for c in next(csv.reader([line], skipinitialspace=True), [])]
        except csv.Error:
            return [line]
        return [*cells[: most - 1], ", ".join(cells[most - 1 :])] if 0 < most < len(cells) else cells
    return [c.strip() for c in re.split(r"\s{2,}", line.strip(), maxsplit=most - 1 if most else 0)]


def _row(number: int, cells: Mapping[str, str], metric: str) -> Found | str:
    """The line, or why it makes no sense."""
    said = cells.get("status", "")
    status = STATUSES.get(said.lower())
    score = _float(cells.get(metric, ""))
    if status is None:
        return f"{said[:30]!r} is no status" if said else "no status"
    if score is None and status != "crash":
        return f"{cells.get(metric, '')[:30]!r} is no {metric[:30]}"
    commit = cells.get("commit", "").lower()
    memory = _float(cells.get("memory_gb", ""))
    if memory is None and (mb := _float(cells.get("memory_mb", ""))) is not None:
        memory = mb / 1024
    return Found(
        number, commit if HEX.fullmatch(commit) else None, cells.get("name") or None, cells.get("agent") or None,
        None if status == "crash" else score, memory or None, status, cells.get("description", "").replace("\t", " "),
    )  # fmt: skip


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
