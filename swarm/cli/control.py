"""What a screen says of the control: a tuner alone against the swarm, at as many GPU-hours each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm.cli import screen


def line(found: Mapping[str, Any], decimals: int, device: str = "gpu", goes_on: bool = False) -> str:
    """`TPE alone, 8 GPU-h: 0.9869 ± .0012. The swarm after its first 8 GPU-h: 0.9861 ± .0012. …`"""
    unit = "GPU-h" if device == "gpu" else "core-h"
    halt = " Its tuner has stopped." if goes_on and found.get("state") == "stopped" else ""
    if "p" not in found:
        return f"TPE alone, {_hours(found['seconds'])} {unit}: nothing to compare yet.{halt}"
    hours = f"{_hours(found['equal'])} {unit}"
    its, ours = (_value(found[side], decimals) for side in ("control", "swarm"))
    first = "" if found["seconds"] <= found["equal"] * 1.001 else " of its first"
    return (
        f"TPE alone,{first} {hours}: {its}. The swarm after its first {hours}: {ours}. "
        f"{outcome(found)} (P {screen.chance(found['p'])}).{halt}"
    )


def outcome(found: Mapping[str, Any]) -> str:
    """Flattering or not."""
    words = {"swarm": "The swarm is ahead", "control": "TPE alone is ahead", "none": "No difference that early"}
    return words.get(str(found.get("ahead")), words["none"])


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.1 else f"{hours:.2f}"


def _value(side: Mapping[str, Any], decimals: int) -> str:
    return f"{screen.fixed(side['estimate'], decimals)} ± {screen.error(side['stderr'], decimals)}"
