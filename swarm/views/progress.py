"""How the campaign goes, as one frozen snapshot. Times are seconds since 1970; durations are seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swarm import procs
from swarm.ledger.backlog import counts
from swarm.ledger.reader import Reader, Tally
from swarm.research.campaign import elapsed
from swarm.research.experiment import Agent, Campaign, Event, Promotion, Slot
from swarm.research.judging import detectable
from swarm.research.noise import Noise, pooled
from swarm.research.roles import EXPERIMENTER, role_of
from swarm.views.gains import Gains, gains
from swarm.views.ranking import JUDGED, Blanks, Judge, Row, real, verdicts
from swarm.workspace import Workspace

PROBLEMS = 4  # of the last hour, shown at once
HOUR = 3600.0


@dataclass(frozen=True)
class Going:
    """A run under way."""

    run: int
    experiment: str
    agent: str | None
    purpose: str
    seed: int
    slot: str | None
    since: float | None


@dataclass(frozen=True)
class AgentRow:
    """`going`: its own runs and whatever runs on its slots. `behind`: promotions that its tip does not contain."""

    name: str
    kind: str
    state: str
    until: float | None
    slots: tuple[str, ...]  # empty: the pool
    going: tuple[Going, ...]
    queued: int
    experiments: int
    kept: int
    best: float | None
    on_best: bool
    rebasing: bool
    behind: int
    idles: bool = False  # it only uses slots that nobody else has anything for
    stuck: Stuck | None = None
    tokens: int = 0
    usd: float | None = None  # None where nobody said
    role: str = EXPERIMENTER


@dataclass(frozen=True)
class Stuck:
    """So many turns without a submission; told at `at`, or begun `fresh` then."""

    turns: int
    at: float
    fresh: bool


@dataclass(frozen=True)
class Problem:
    at: float
    text: str


@dataclass(frozen=True)
class Snapshot:
    """The campaign at the moment `at` (of a campaign nobody works on: when something last happened)."""

    at: float
    campaign: Campaign
    alive: bool  # a coordinator runs
    stop: dict[str, Any]  # hours, until_at, experiments, usd; `since`: when the hours would have begun without a break
    best: Row | None
    promotion: Promotion | None  # that made it best; None: it is the baseline
    baseline: Row | None
    hardware: str | None
    sd: float | None  # of one run against another of the same commit
    df: float
    detectable: float | None
    device: str  # gpu | core
    slots: int
    busy: float | None  # share of the slots' time, 0..1
    slot_seconds: float
    runs: dict[str, int]  # measured runs by purpose
    lost: int
    kept: int
    real: float
    discarded: int
    crashed: int
    other: int  # conflicts, answered from the ledger, cancelled
    promoted: int
    rebased: int
    usd: float | None
    plans: tuple[str, ...]  # kinds of agents whose login is not billed by the token
    gpu_price: float | None  # dollars an hour
    agents: tuple[AgentRow, ...]
    pool: tuple[Going, ...]  # runs on slots that no agent owns
    problems: tuple[Problem, ...]
    exact: bool = False  # nothing is noisy: what was measured again came out the same
    noise: dict[str, Any] | None = (
        None  # of the seed, of the same seed again, what seeds do to all; see coordinator/figures.py
    )
    effects: dict[str, Any] | None = None  # the prior fitted to what was judged, by kind
    gains: Gains | None = None
    blanks: Blanks = field(default_factory=Blanks)  # not among the kept, discarded and crashed above
    control: dict[str, Any] | None = None  # a tuner alone against the swarm at equal slot-seconds (research/control.py)
    plateau: dict[str, Any] | None = None  # since when best gains less than the noise; None once it gains again
    ideas: Mapping[str, int] = field(default_factory=dict)  # of the backlog, by state
    calibration: Mapping[str, Any] = field(default_factory=dict)  # by agent: see research/calibration.py


def alive(workspace: Workspace) -> bool:
    """Whether a coordinator lives here: it holds its lock for as long as it does."""
    try:
        return workspace.lock.exists() and procs.held(workspace.lock)
    except OSError:  # not ours to lock: what it wrote when it opened its door
        return workspace.door.exists()


def look(workspace: Workspace, now: float) -> Snapshot:
    """The newest campaign of a workspace. Raises SwarmError when there is none."""
    with Reader(workspace.ledger) as reader:
        return snapshot(reader, now, alive(workspace))


def snapshot(reader: Reader, now: float, alive: bool) -> Snapshot:
    """The newest campaign of a ledger. Raises SwarmError when there is none."""
    with reader.moment():
        campaign = reader.campaign()
        at = _moment(reader, campaign, now, alive)
        judge = Judge(reader, campaign)
        tallies = reader.tallies(campaign.id)
        blanks = Blanks.of(reader, campaign)
        count = verdicts(_summed(tallies), reader, campaign)
        home = reader.home(campaign.id)
        slots = reader.slots(campaign.id)
        agents = reader.agents(campaign.id)
        told = judge.sure.noise.get(home) if home is not None else None
        noise = Noise(told["sd"], told["df"], told["exact"]) if told else pooled(reader.repeats(campaign, home))
        spent = reader.busy(campaign, at)
        standing = judge.standing()
        going = tuple(
            Going(r.id, r.experiment, a, r.purpose, r.seed, r.slot, r.started) for r, a in reader.going(campaign.id)
        )
        owned = {s.id for s in slots if s.agent}
        known = noise if noise.df > 0 else None
        spread = told["spread"] if told else noise.sd
        return Snapshot(
            at=at, campaign=campaign, alive=alive, stop=_stop(campaign, at), best=judge.of(campaign.best),
            promotion=next((p for p in reversed(standing) if p.experiment == campaign.best), None),
            baseline=judge.of(campaign.baseline), hardware=judge.hardware(home), sd=known.sd if known else None,
            df=known.df if known else 0.0, detectable=detectable(spread) if known else None,
            device="core" if slots and slots[0].devices.startswith("cpu") else "gpu", slots=len(slots),
            busy=_share(campaign, slots, spent, at), slot_seconds=spent, runs=reader.measured(campaign),
            lost=reader.count(campaign.id, "lost"), kept=count.get("keep", 0) - blanks.kept,
            real=real(judge.sure, reader, campaign), discarded=count.get("discard", 0) - blanks.discarded,
            crashed=count.get("crash", 0) - blanks.crashed, blanks=blanks,
            other=sum(count.get(v, 0) for v in ("conflict", "answered", "cancelled")), promoted=len(standing),
            rebased=reader.count(campaign.id, "rebased"), usd=reader.usd(campaign.id), plans=_plans(agents), gpu_price=_price(campaign),
            agents=tuple(_agents(reader, campaign, agents, tallies, slots, going, standing)),
            pool=tuple(g for g in going if g.slot not in owned), problems=_problems(reader, campaign, at),
            exact=bool(known and known.exact), noise=told, effects=reader.figure(campaign.id, "effects"), gains=gains(reader, campaign),
            control=reader.figure(campaign.id, "control"), plateau=_plateau(reader, campaign, standing),
            ideas=counts(reader, campaign.id).of, calibration=reader.figure(campaign.id, "calibration") or {},
        )  # fmt: skip


def _plateau(reader: Reader, campaign: Campaign, standing: list[Promotion]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = reader.figure(campaign.id, "plateau")
    over = found is None or any(p.at > found["at"] for p in standing)
    return None if over else found


def _moment(reader: Reader, campaign: Campaign, now: float, alive: bool) -> float:
    """Time stands still for a campaign that ended or that nobody works on."""
    if campaign.ended is not None:
        return campaign.ended
    last = reader.value("SELECT at FROM events WHERE +campaign=? ORDER BY seq DESC LIMIT 1", campaign.id)
    return now if alive else float(last or campaign.created)


def _summed(tallies: list[Tally]) -> dict[str, int]:
    found: dict[str, int] = {}
    for tally in tallies:
        if tally.verdict is not None:
            found[tally.verdict] = found.get(tally.verdict, 0) + tally.count
    return found


def _stop(campaign: Campaign, at: float) -> dict[str, Any]:
    told = {"since": campaign.created, **json.loads(campaign.stop or "{}")}
    rule = told.get("ending") or told.get("rule") or told
    return {**rule, "since": at - elapsed(told, at)}


def _share(campaign: Campaign, slots: list[Slot], spent: float, at: float) -> float | None:
    whole = (at - campaign.created) * len(slots)
    return min(1.0, spent / whole) if whole > 0 else None


def _plans(agents: list[Agent]) -> tuple[str, ...]:
    return tuple(sorted({a.kind for a in agents if json.loads(a.options or "{}").get("login") == "plan"}))


def _price(campaign: Campaign) -> float | None:
    policy = json.loads(campaign.task or "{}").get("policy") or {}
    price = policy.get("gpu_price")
    return float(price) if price is not None else None


def _agents(
    reader: Reader,
    campaign: Campaign,
    agents: list[Agent],
    tallies: list[Tally],
    slots: list[Slot],
    going: tuple[Going, ...],
    standing: list[Promotion],
) -> list[AgentRow]:
    queued = reader.waiting(campaign.id)
    rebasing = reader.rebasing(campaign.id)
    order = [p.experiment for p in standing]
    rows = []
    costs, stuck = reader.costs(campaign.id), reader.stuck(campaign.id)
    for agent in agents:
        mine = tuple(s.id for s in slots if s.agent == agent.name and s.state == "open")
        behind = _behind(reader, campaign, agent, order)
        rows.append(
            AgentRow(
                agent.name, agent.kind, agent.state, agent.until, mine,
                tuple(g for g in going if g.agent == agent.name or g.slot in mine), queued.get(agent.name, 0),
                sum(t.count for t in tallies if t.agent == agent.name and t.verdict in JUDGED),
                sum(t.count for t in tallies if t.agent == agent.name and t.verdict == "keep"),
                reader.best_of(campaign, agent.name), behind == 0, agent.name in rebasing, behind,
                '"idle": true' in agent.options, Stuck(*stuck[agent.name]) if agent.name in stuck else None,
                *costs.get(agent.name, (0, None)), role_of(agent.options),
            )
        )  # fmt: skip
    return rows


def _behind(reader: Reader, campaign: Campaign, agent: Agent, order: list[str]) -> int:
    if not order or agent.tip == campaign.best:
        return 0
    on = reader.standing_on(campaign.id, agent.tip)
    return order[::-1].index(on) if on in order else len(order)


def _problems(reader: Reader, campaign: Campaign, at: float) -> tuple[Problem, ...]:
    """What went wrong in the last hour, the newest last."""
    events = reader.events(campaign.id, ("lost", "machine", "agent", "flagged"), 3 * PROBLEMS)
    told = [Problem(e.at, text) for e in events if e.at > at - HOUR and (text := _problem(e))]
    return tuple(told[-PROBLEMS:])


def _problem(e: Event) -> str:
    data = json.loads(e.data)
    why = str(data.get("why") or data.get("text") or "").strip()
    if e.kind == "lost":
        return f"a run of {e.experiment} was lost ({why or 'no word'}) and is done again"
    if e.kind == "machine":
        return why
    if e.kind == "flagged":
        return f"{e.experiment} was flagged by {e.agent}: {why}"
    if data.get("state") == "crashed":
        return f"{e.agent} ended ({why}); it is started again"
    return f"{e.agent}: {why}" if "given up" in why or data.get("state") == "gave up" else ""
