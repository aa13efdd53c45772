"""What a screen says while a search does not get on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm.cli import screen
from swarm.cli.figures import clock as hour


def line(found: Mapping[str, Any], decimals: int, now: float) -> str:
    """`best gained .0003 in the last 160 experiments, less than the noise · 3 agents got another program 14:05`."""
    switched = found.get("switched") or {}
    then = f"{screen.many(len(switched), 'agent')} got another program" if switched else "agents were told"
    return f"{gained(found, decimals)} · {then} {hour(found['at'], now)}"


def gained(found: Mapping[str, Any], decimals: int) -> str:
    """The fact alone."""
    many, gain = int(found.get("experiments") or 0), max(0.0, float(found.get("gain") or 0.0))
    much = "nothing" if gain < 0.5 * 10.0**-decimals else screen.error(gain, decimals)
    return f"best gained {much} in {many} experiments, less than the noise"
