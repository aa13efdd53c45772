"""Which kept changes of different agents to put together, and why a stack of them lost. Pure.

A stack that lost is taken apart by delta debugging (A. Zeller, Yesterday, my program worked. Today, it does not. Why?,
ESEC/FSE 1999): halves are measured, each with what is known to be needed beside it, down to the fewest changes that still
lose together. What was measured is asked of the ledger, so the search goes on after any interruption.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Members: TypeAlias = frozenset[str]  # experiments whose changes are put together

MOST = 4  # changes in one stack


@dataclass(frozen=True)
class Step:
    """`ask`: what to measure next. `culprit`: the end: the fewest changes that lose together, as far as could be seen."""

    ask: Members | None = None
    culprit: Members | None = None


class _Unknown(Exception):
    def __init__(self, wanted: Members) -> None:
        self.wanted = wanted


def choose(
    candidates: Sequence[tuple[str, str]],
    held: Collection[str],
    tried: Mapping[Members, bool | None],
    culprits: Collection[Members] = (),
    most: int = MOST,
) -> list[str]:
    """The next stack, or nothing. `candidates`: (experiment, agent), the most promising first; `held`: what best contains.

    `tried`: sets that were measured on this best: whether they lost (None: not known yet). One change per agent, at least
    two of them; no set twice, none that holds what is known not to stack, and no part of one that did not lose.
    """
    free = [(ident, agent) for ident, agent in candidates if ident not in held]
    for first in range(len(free)):
        found: list[str] = []
        agents: set[str] = set()
        for ident, agent in free[first:]:
            if agent in agents or any(c <= {*found, ident} for c in culprits):
                continue
            found.append(ident)
            agents.add(agent)
            if len(found) == most:
                break
        members = frozenset(found)
        if len(found) >= 2 and members not in tried and not any(members < s and not lost for s, lost in tried.items()):
            return found
    return []


def bisect(stack: Members, lost: Mapping[Members, bool]) -> Step:
    """What to measure next of a stack that lost, or what it was. `lost`: whether a set lost, of those that were measured.

    Every set asked for is smaller than the stack and not in `lost`, so it comes to an end.
    """
    known = {**lost, frozenset(): False, stack: True}
    try:
        culprit = _dd(stack, frozenset(), known)
        if culprit != stack and culprit not in known:
            return Step(ask=culprit)
    except _Unknown as unknown:
        return Step(ask=unknown.wanted)
    # noise, or effects that are no sum: what is left over need not lose by itself
    return Step(culprit=culprit if known[culprit] else stack)


def _dd(parts: Members, beside: Members, lost: Mapping[Members, bool]) -> Members:
    if len(parts) == 1:
        return parts
    order = sorted(parts)
    halves = [frozenset(order[: len(order) // 2]), frozenset(order[len(order) // 2 :])]
    for half in halves:
        if _loses(half | beside, lost):
            return _dd(half, beside, lost)
    first, second = halves
    return _dd(first, beside | second, lost) | _dd(second, beside | first, lost)


def _loses(members: Members, lost: Mapping[Members, bool]) -> bool:
    if members not in lost:
        raise _Unknown(members)
    return lost[members]
