"""remeasure: a verifier or a statistician has an experiment measured once more, within the share that confirming may take."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import promote, rights
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.research import roles
from swarm.research.experiment import Experiment

OPEN = 2  # runs of an agent that wait or go
OVER = "status IN ('finished','crashed')"
WHY = 500


def remeasure(w: World, name: str, experiment: str, why: str) -> dict[str, Any]:
    """Queue one more run of a measured experiment, with a seed of its own: of a kept one as its confirmation, of what it is
    compared with (baseline, whatever was best) and for a statistician as a reference, in the class that knows least of it.
    One that waits or goes already is the answer.

    Raises Refused where it was never measured, when the share of the time is used up, with OPEN runs of this agent under way.
    """
    agent = rights.check(w, name, "remeasure")
    e = promote.find(w, experiment)
    if e is None:
        raise KeyError(experiment)
    if w.campaign.state != "searching":
        raise Refused("nothing is measured now: the campaign is not searching.", "Wait: call wait.", 409)
    if e.campaign != w.campaign.id or not e.runs or e.commit is None or e.verdict == "crash":
        raise Refused(
            f"{e.id} has no score that could be measured again.", "Choose one with a score: leaderboard.", 409
        )
    going = _open(w, name)
    if same := [run for run in going if w.ledger.run(run).experiment == e.id]:
        return {"experiment": e.id, "run": same[0], "runs": e.runs}
    if len(going) >= OPEN:
        raise Refused(f"{len(going)} runs that you asked for are under way.", "Wait for their results.", 409)
    if _share(w) >= w.policy.confirm_share:
        raise Refused(
            f"measuring again has had its share of the time ({100 * w.policy.confirm_share:.0f} %).",
            "Ask again later.",
            409,
        )
    purpose = _purpose(w, e, roles.role_of(agent.options))
    klass = w.home if purpose == "confirm" else _least_known(w, e)
    with w.ledger.tx():
        run = w.ledger.add_run(e.id, purpose, klass, w.key(klass), w.now)
        w.say("remeasured", name, e.id, run=run, why=" ".join(why.split())[:WHY])
    return {"experiment": e.id, "run": run, "runs": e.runs}


def _purpose(w: World, e: Experiment, role: str) -> str:
    """A confirming run may settle a candidate; one more of what stands, or of a discarded one, settles nothing."""
    was_best = w.ledger.value("SELECT 1 FROM promotions WHERE experiment=?", e.id)
    return (
        "confirm" if role == roles.VERIFIER and e.verdict == "keep" and not e.dropped and not was_best else "reference"
    )


def _least_known(w: World, e: Experiment) -> int:
    """The class of an open slot with the fewest runs of this experiment, the home class first among equals."""
    classes = {s.klass for s in w.slots()} or {w.home}
    return min(classes, key=lambda k: (len(w.beliefs.losses(e.id, k)), k != w.home, k))


def _open(w: World, name: str) -> list[int]:
    """Its runs that wait or go: of the last it asked for (older ones are over, or the refusal comes all the same)."""
    asked = w.ledger.rows(
        "SELECT json_extract(data, '$.run') FROM events WHERE agent=? AND campaign=? AND kind='remeasured' ORDER BY seq DESC LIMIT 20",
        name, w.campaign.id,
    )  # fmt: skip
    open_ = {r.id for r in w.ledger.open_runs("queued", "running")}
    return [int(run) for (run,) in asked if run in open_]


def _share(w: World) -> float:
    """Slot time since the search began that went into confirming and into what was asked for here."""
    began = w.campaign.searching
    if began is None or w.now <= began:
        return 0.0
    confirmed = w.ledger.value(f"SELECT SUM(seconds) FROM runs WHERE purpose='confirm' AND {OVER} AND started>?", began)
    asked = w.ledger.value(
        "SELECT SUM(r.seconds) FROM events v JOIN runs r ON r.id=json_extract(v.data, '$.run') "
        "WHERE v.campaign=? AND v.kind='remeasured' AND r.purpose='reference'", w.campaign.id
    )  # fmt: skip
    return float((confirmed or 0.0) + (asked or 0.0)) / ((w.now - began) * max(1, len(w.slots())))
