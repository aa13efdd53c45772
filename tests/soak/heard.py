"""What the driver wrote down: a file of JSON lines per writer, a line per thing that was acknowledged to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("submitted", "tried", "promoted", "undone", "told", "fault", "began", "ended", "asked")
NEEDED = {
    "submitted": ("experiment", "files"), "tried": ("experiment", "files"), "promoted": ("experiment",),
    "undone": ("experiment",), "told": ("agent", "text"), "asked": ("what",),
}  # fmt: skip


@dataclass
class Diary:
    """`writers`: the lines of each writer in their order. `asked` is a line for a verb that was never answered."""

    writers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Diary:
        """All diaries of a folder. A last line without its end was never finished, and promises nothing."""
        diary = cls()
        for path in sorted(folder.glob("*.jsonl")):
            *lines, _ = path.read_text().split("\n")
            diary.writers[path.stem] = [e for n, line in enumerate(lines, 1) if (e := diary._entry(path, n, line))]
        if not diary.entries("submitted"):
            diary.trouble.append(f"the diaries in {folder} tell of no submission: nothing is proved")
        if not diary.entries("ended"):
            diary.trouble.append(f"the diaries in {folder} do not tell of the end")
        return diary

    def _entry(self, path: Path, number: int, line: str) -> dict[str, Any] | None:
        try:
            entry = json.loads(line)
            did = entry["did"]
            if did in KINDS and all(name in entry for name in NEEDED.get(did, ())):
                return dict(entry)
        except (ValueError, KeyError, TypeError):
            pass
        self.trouble.append(f"line {number} of {path.name} is no entry of a diary: {line[:80]}")
        return None

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        return [e for lines in self.writers.values() for e in lines if e["did"] in kinds]

    @property
    def faults(self) -> bool:
        """Whether anything was done to it at all."""
        return bool(self.entries("fault"))
