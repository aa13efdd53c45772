"""When a search does not get on, and who then looks at it with other eyes."""

from __future__ import annotations

from collections.abc import Sequence

from swarm.research.judging import Belief


def gained(then: Belief, now: Belief) -> float:
    """By how much best is better now than what was best then; both are losses, by all that is known of them now."""
    return then.m - now.m


def flat(gain: float, sd: float) -> bool:
    """Whether that is less than one run of the same code spreads by (sd): a plateau, if it took long."""
    return gain < sd


def window(per_agent: int, agents: int) -> int:
    """Judged experiments without a gain that make a plateau: so many for every agent. 0: never."""
    return per_agent * max(1, agents)


def next_program(choices: Sequence[str], now: str | None) -> str | None:
    """The program after this one, in turn; None when there is no other."""
    others = [name for name in dict.fromkeys(choices) if name != now]
    if not others:
        return None
    order = list(dict.fromkeys(choices))
    return order[(order.index(now) + 1) % len(order)] if now in order else others[0]
