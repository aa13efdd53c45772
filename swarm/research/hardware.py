"""Which hardware judges best. What is new may be screened on any; scores of two kinds are never compared."""

from __future__ import annotations

from collections.abc import Iterable


def home(classes: Iterable[tuple[int, str, int]], named: str | None) -> int | None:
    """Of classes (id, accelerator, slots) the one with most slots, among those whose name holds `named` where any does."""
    found = sorted(classes, key=lambda c: (-c[2], c[0]))
    fit = [c for c in found if named and named.lower() in c[1].lower()] or found
    return fit[0][0] if fit else None
