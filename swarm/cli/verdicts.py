"""Waiting for an experiment's verdict, and saying it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swarm.cli.figures import score
from swarm.cli.screen import chance, clean
from swarm.errors import SwarmError

if TYPE_CHECKING:
    from swarm.client import Client

POLL = 25.0  # seconds that one question waits at the coordinator


def until_judged(client: Client, experiment: str, timeout: float | None = None, owner: bool = True) -> dict[str, Any]:
    """The experiment once it has a verdict. Raises SwarmError after `timeout` seconds.

    Only the `owner` may hold the line; an agent asks every two seconds.
    """
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = POLL if end is None else max(0.0, min(POLL, end - time.monotonic()))
        path = f"experiments/{experiment}"
        answer = client.get(f"{path}/wait", timeout=left) if owner else client.get(path)
        if answer.get("verdict") or answer.get("stage") == "done":
            return answer
        if end is not None and time.monotonic() >= end:
            raise SwarmError(f"{experiment} has no verdict yet.", f"Wait on: swarm wait {experiment}")
        if not owner:
            time.sleep(2.0)


def line(answer: Mapping[str, Any]) -> str:
    """`e0231  keep  0.9800 (est. 0.9803 ± .0008, n=2)   P(better) 0.97  norm before rotary`."""
    value = answer.get("score")
    shown = "" if value is None else f"  {score(float(value))}{_estimate(answer)}"
    p = answer.get("p", answer.get("p_better"))
    sure = "" if p is None else f"   P(better) {chance(float(p))}"
    why = clean(str(answer.get("reason") or ""), lines=True).strip().splitlines()
    crash = f"   {why[-1]}" if why and answer.get("verdict") not in ("keep", "discard") else ""
    what = clean(str(answer.get("description") or ""))
    return f"{answer['experiment']}  {answer.get('verdict') or 'baseline'}{shown}{sure}{crash}   {what}".rstrip()


def _estimate(answer: Mapping[str, Any]) -> str:
    """What is believed of it, and by how many runs."""
    value, stderr, runs = (answer.get(name) for name in ("estimate", "stderr", "runs"))
    if value is None or stderr is None or not runs:
        return ""
    n = runs if isinstance(runs, int) else len([r for r in runs if r.get("score") is not None])
    return f" (est. {score(float(value), float(stderr))}, n={n})"
