"""What a campaign may cost: from what experiments have cost here so far, else from a stated assumption."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.cli import clients
from swarm.cli.places import rows
from swarm.research.campaign import until_at
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from swarm.cli.spawned import Plan

ENOUGH = 5  # measured experiments of a client, before its own cost is believed
ASSUMED = (0.05, 0.50)  # dollars per experiment: five to ten requests of 20 to 60 thousand tokens, most of them cached


@dataclass(frozen=True)
class Rate:
    """Dollars per experiment, from `low` to `high`. `n` experiments were measured; 0: assumed."""

    low: float
    high: float
    n: int = 0


def lines(plan: Plan, seconds: float | None, now: float) -> list[str]:
    """`seconds` of one run, where that is known. One line per client that is paid by the token, one for the rest."""
    people = [a for a in plan.agents if not (a.get("options") or {}).get("idle")]
    count = Counter(str(a["kind"]) for a in people)
    told = [clients.look(kind) for kind in sorted(clients.CLIENTS & set(count))]
    priced = {str(a["kind"]) for a in people if (a.get("options") or {}).get("price")}
    hours = _hours(plan, now)
    runs = None if seconds is None or hours is None else len(plan.slots) * hours * 3600 / seconds
    out = []
    for client in told:
        if client.plan:
            out.append(f"{client.name} is on a plan: nothing is billed by the token, and no sum stops it")
            continue
        if client.name == "codex" and client.name not in priced:
            out.append(
                "codex names no cost: say what tokens cost (swarm.yaml: agents: {codex: {price: …}}), or no sum counts it"
            )
            continue
        share = count[client.name] / len(people)
        most = [x for x in (runs, plan.end.stop.experiments) if x is not None]
        out.append(_line(client.name, measured(plan.workspace, client.name), share * min(most) if most else None))
    return out + _gpus(plan, hours)


def measured(workspace: Workspace | None, kind: str) -> Rate:
    """What experiments of this kind of agent cost in this workspace; the assumption where that are too few."""
    sql = (
        "SELECT SUM(c.usd) usd, COUNT(DISTINCT c.experiment) n FROM costs c JOIN agents a ON a.campaign=c.campaign "
        "AND a.name=c.agent WHERE a.kind=? AND c.usd IS NOT NULL"
    )
    found = rows(workspace, sql, kind) if workspace else []
    n = int(found[0]["n"] or 0) if found else 0
    if n < ENOUGH:
        return Rate(*ASSUMED)
    each = float(found[0]["usd"]) / n
    return Rate(each, each, n)


def _line(kind: str, rate: Rate, experiments: float | None) -> str:
    each = f"${rate.low:.2f}" + ("" if rate.low == rate.high else f"-{rate.high:.2f}")
    basis = f"the mean of {rate.n} here" if rate.n else "assumed: none is measured here yet"
    if experiments is None:
        return f"{kind}: {each} an experiment ({basis})"
    low, high = (_round(experiments * x) for x in (rate.low, rate.high))
    whole = f"${low}" if low == high else f"${low}-{high}"
    return f"{kind}: {whole}, if its GPUs are always busy: {experiments:.0f} experiments at {each} ({basis})"


def _round(usd: float) -> str:
    return f"{usd:.2f}" if usd < 10 else f"{usd:.0f}"


def _hours(plan: Plan, now: float) -> float | None:
    stop = plan.end.stop
    ends = [stop.hours] if stop.hours else []
    ends += [(until_at(stop.until, now, None) - now) / 3600] if stop.until else []
    return min(ends) if ends else None


def _gpus(plan: Plan, hours: float | None) -> list[str]:
    if not plan.gpu_price or hours is None or all(str(s["devices"]).startswith("cpu") for s in plan.slots):
        return []
    n = sum(len(str(s["devices"]).split(",")) for s in plan.slots)
    return [
        f"{n * hours:.0f} GPU-h × ${plan.gpu_price:.2f} (swarm.yaml: gpu_price) = ${n * hours * plan.gpu_price:.0f}"
    ]
