"""Sections of a program: what stands under a heading of Markdown, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator

HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*\Z")
FENCE = re.compile(r"(```|~~~)")


def lines(text: str, title: str) -> Iterator[str]:
    """The lines under each heading `title` (any level, any case), until the next heading that is not below it.

    Headings, fences and comments of one line are left out; a fenced line counts like any other.
    """
    level, fenced = 0, False
    for line in text.splitlines():
        if FENCE.match(line.strip()):
            fenced = not fenced
            continue
        heading = None if fenced else HEADING.match(line)
        if heading:
            depth = len(heading[1])
            if heading[2].strip(" :*").lower() == title.lower():
                level = depth
            elif depth <= level:
                level = 0
        elif level and not re.fullmatch(r"\s*<!--.*-->\s*", line):
            yield line
