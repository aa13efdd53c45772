"""A person's own ideas: the numbered list under `# Hypotheses` of a program, handed out in that order. Pure.

    # Hypotheses
    1. Half the batch, twice the steps.
    2. No warm-up.

The n-th entry is H<n>, whatever number stands before it. An experiment names it in its hypothesis or its description,
and from then on it counts as tried. Who holds which, and what came of it, is in the backlog (research/ideas.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from swarm.research import sections

TITLE = "Hypotheses"
ITEM = re.compile(r"\s{0,3}\d{1,4}[.)]\s+(.*)")
NAMED = re.compile(r"(?<![A-Za-z0-9_])(?:H|[Hh]ypothesis\s+)#?(\d{1,4})(?![A-Za-z0-9_])")
MOST = 500  # entries
LONGEST = 600  # characters of one


def read(program: str) -> list[str]:
    """The entries in order, each on one line; indented lines below an entry belong to it."""
    found: list[str] = []
    for line in sections.lines(program, TITLE):
        item = ITEM.match(line)
        if item:
            found.append(item[1].strip())
        elif found and line.startswith((" ", "\t")) and line.strip():
            found[-1] += f" {line.strip()}"
    return [" ".join(text.split())[:LONGEST] for text in found[:MOST] if text.strip()]


def named(*texts: str | None) -> set[int]:
    """The numbers of the hypotheses that these texts name: H3, hypothesis 3."""
    return {int(number) for text in texts if text for number in NAMED.findall(text)}


def deal(entries: Sequence[str], taken: Collection[str], rank: int, of: int) -> int | None:
    """The number (from 1) of the entry that the agent `rank` (from 0) of `of` is to try next; None when all are `taken`:
    tried, or held by another agent.

    Each agent has every `of`-th one, in order, so no two begin with the same. One that has tried all of its own takes the
    last that is left of the others': whoever it belongs to comes to that one last.
    """
    left = [n for n, text in enumerate(entries, 1) if text not in taken]
    own = [n for n in left if (n - 1) % max(1, of) == rank % max(1, of)]
    if own:
        return own[0]
    return left[-1] if left else None
