"""What an agent and its GPU are doing, in a few words."""

from __future__ import annotations

from rich.text import Text

from swarm.cli import screen
from swarm.cli.figures import clock as hour
from swarm.views import AgentRow, Going


def now(a: AgentRow, at: float, device: str = "gpu") -> Text:
    """What an agent and its GPU are doing."""
    place = "GPU" if device == "gpu" else device
    parts = [_run(g, a, at, place) for g in a.going[:2]]
    parts += [f"{len(a.going) - 2} more"] if len(a.going) > 2 else []
    if a.state == "limited":
        parts.insert(0, f"rate limit until {hour(a.until, at)}" if a.until else "rate limit")
    elif a.state == "crashed":
        again = f", again {hour(a.until, at)}" if a.until and a.until > at else ", starting again"
        return Text(" · ".join([f"! its process ended{again}", *parts]), "red")
    elif a.state in ("starting", "stopped"):
        parts.append(a.state)
    elif a.stuck is not None:
        told = "began afresh" if a.stuck.fresh else "told"
        text = f"! {screen.many(a.stuck.turns, 'turn')} without a submission, {told} {hour(a.stuck.at, at)}"
        return Text(" · ".join([text, *parts]), "yellow")
    elif a.idles:
        parts += [] if parts else [f"waits for an idle {place}"]
    elif a.queued:
        parts.append(f"queue {a.queued}")
    elif a.state == "thinking":
        parts.append("writing the next" if a.kind != "tuner" else "choosing the next")
    return Text(" · ".join(parts) or "waits for a result", "dim" if a.state == "stopped" else "")


def _run(g: Going, a: AgentRow, at: float, place: str) -> str:
    since = screen.minutes(at - g.since) if g.since is not None else ""
    own = g.agent == a.name
    if g.purpose == "baseline":
        return f"baseline {since}"
    if g.purpose == "screen":
        return f"training {g.experiment} {since}" if own else f"{place}: {screen.clean(g.agent)} {g.experiment} {since}"
    word = {"confirm": "confirming", "reference": "measured again", "person": "for you"}[g.purpose]
    return f"{'training' if own else f'{place}:'} {g.experiment} again ({word}) {since}"
