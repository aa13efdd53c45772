"""`swarm pause` and `swarm resume`."""

from __future__ import annotations

from swarm.cli.places import ended, here, owner
from swarm.config import parse


def pause() -> None:
    """Start nothing more; what runs finishes."""
    running = int(owner().post("pause").get("running") or 0)
    busy = f"; {running} run{'s' * (running != 1)} finish" if running else ""
    print(f"  paused{busy}. Go on: swarm resume")


def resume(hours: float | None, until: str | None, experiments: int | None, usd: float | None) -> None:
    """Go on: after a pause, a dead coordinator, or the end (then a new rule is needed)."""
    said = {"hours": hours, "until": until, "experiments": experiments, "usd": usd}
    given = {k: v for k, v in said.items() if v is not None}
    stop = parse({"stop": given}, "the command line").stop if given else None
    was = ended(here())
    answer = owner(start=True).post("resume", stop=stop.model_dump() if stop else None)
    agents = answer.get("restarted") or []
    if was is not None and agents:  # none: it was done at the first time of asking, and the answer was lost
        print(f"  going on: {', '.join(agents)} started again. swarm status")
    else:
        print("  going on. swarm status")
