"""What screens draw, as frozen snapshots of the ledger: the board of experiments, and how the campaign goes.

Scores are as printed by the training; times are seconds since 1970; durations are seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from swarm import procs
from swarm.ledger.reader import Reader, Tally
from swarm.research.experiment import Agent, Campaign, Event, Experiment, Promotion, Slot
from swarm.research.judging import Belief, detectable, p_less, pooled, real_keeps
from swarm.research.leaderboard import state_of
from swarm.workspace import Workspace

PROBLEMS = 4  # of the last hour, shown at once
HOUR = 3600.0
JUDGED = ("keep", "discard", "crash")


@dataclass(frozen=True)
class Row:
    """An experiment on the board. `estimate` is shrunk towards "no effect", `score` the mean of its runs."""

    rank: int | None
    experiment: str
    commit: str | None
    agent: str | None
    score: float | None
    estimate: float | None
    stderr: float | None
    runs: int
    state: str
    verdict: str | None
    p_better: float | None  # than its parent, as judged
    kind: str
    lines: int
    hardware: str | None
    peak_vram_mb: float | None
    measured_by: str
    description: str


@dataclass(frozen=True)
class Board:
    """`rows` best first; `below`: best and the baseline, where they are not among the rows."""

    metric: str
    better: str
    hardware: str | None
    rows: tuple[Row, ...]
    below: tuple[Row, ...]
    experiments: int  # judged: kept, discarded, crashed
    kept: int
    real: float  # how many of the kept are really better than what they changed
    elsewhere: int  # measured experiments on other hardware, not comparable
    raw: bool


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
    stop: dict[str, Any]  # hours, until_at, experiments, usd; `since`: what the hours count from
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
    agents: tuple[AgentRow, ...]
    pool: tuple[Going, ...]  # runs on slots that no agent owns
    problems: tuple[Problem, ...]


# --- the board ----------------------------------------------------------------------------------------------------


class Judge:
    """Turns experiments of one campaign into rows."""

    def __init__(self, reader: Reader, campaign: Campaign) -> None:
        self.reader = reader
        self.campaign = campaign
        self.sign = 1.0 if campaign.better == "lower" else -1.0
        self.promotions = reader.promotions(campaign.id)
        self.promoted = {p.experiment for p in self.promotions}
        self._best = self._belief(reader.experiment(campaign.best)) if campaign.best else None
        self._hardware: dict[int | None, str | None] = {}

    def row(self, e: Experiment, rank: int | None = None) -> Row:
        mine = self._belief(e)
        p = p_less(mine, self._best) if mine and self._best else None
        state = state_of(e, self.campaign.best, self.promoted, self.campaign.baseline, p)
        return Row(
            rank, e.id, e.commit, e.agent, e.raw, e.estimate, e.stderr, e.runs, state, e.verdict, e.p_better, e.kind,
            e.lines, self.hardware(e.klass), e.peak_vram_mb, e.measured_by, e.description,
        )  # fmt: skip

    def of(self, ident: str | None) -> Row | None:
        e = self.reader.experiment(ident) if ident else None
        return self.row(e) if e else None

    def hardware(self, klass: int | None) -> str | None:
        if klass not in self._hardware:
            found = self.reader.klass(klass) if klass is not None else None
            self._hardware[klass] = found.accelerator if found else None
        return self._hardware[klass]

    def standing(self) -> list[Promotion]:
        return [p for p in self.promotions if p.withdrawn is None]

    def _belief(self, e: Experiment | None) -> Belief | None:
        if e is None or e.estimate is None or e.stderr is None:
            return None
        return Belief(self.sign * e.estimate, e.stderr**2)


def board(reader: Reader, n: int = 10, raw: bool = False, everything: bool = False) -> Board:
    """The first `n` rows of the newest campaign. Raises SwarmError when there is none."""
    with reader.moment():
        campaign = reader.campaign()
        judge = Judge(reader, campaign)
        home = reader.home(campaign.id)
        rows = [judge.row(e, rank) for rank, e in enumerate(reader.top(campaign, home, n, raw, everything), 1)]
        shown = {r.experiment for r in rows}
        below = [judge.of(i) for i in dict.fromkeys((campaign.best, campaign.baseline)) if i and i not in shown]
        counts = _counts(reader.tallies(campaign.id), reader, campaign)
        sql = "SELECT COUNT(*) FROM experiments WHERE campaign=? AND estimate IS NOT NULL AND klass IS NOT ?"
        many = reader.value("SELECT COUNT(DISTINCT klass) FROM slots WHERE campaign=?", campaign.id) > 1
        elsewhere = int(reader.value(sql, campaign.id, home)) if many else 0
        return Board(
            campaign.metric, campaign.better, judge.hardware(home), tuple(rows), tuple(r for r in below if r),
            sum(counts.get(v, 0) for v in JUDGED), counts.get("keep", 0), real_keeps(reader.kept_ps(campaign.id)),
            elsewhere, raw,
        )  # fmt: skip


def _counts(tallies: list[Tally], reader: Reader, campaign: Campaign) -> dict[str, int]:
    """Experiments by verdict; the baseline is none."""
    counts: dict[str, int] = {}
    for tally in tallies:
        if tally.verdict is not None:
            counts[tally.verdict] = counts.get(tally.verdict, 0) + tally.count
    verdict = reader.value("SELECT verdict FROM experiments WHERE id=?", campaign.baseline)
    if verdict is not None:
        counts[verdict] -= 1
    return counts


# --- how it goes --------------------------------------------------------------------------------------------------


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
        counts = _counts(tallies, reader, campaign)
        home = reader.home(campaign.id)
        slots = reader.slots(campaign.id)
        noise = pooled(reader.repeats(campaign, home), None) if home is not None else None
        spent = reader.busy(campaign, at)
        standing = judge.standing()
        going = tuple(Going(r.id, r.experiment, a, r.purpose, r.seed, r.slot, r.started) for r, a in reader.going(campaign.id))
        owned = {s.id for s in slots if s.agent}
        known = noise if noise is not None and noise.df > 0 else None
        return Snapshot(
            at=at, campaign=campaign, alive=alive, stop=_stop(campaign), best=judge.of(campaign.best),
            promotion=next((p for p in reversed(standing) if p.experiment == campaign.best), None),
            baseline=judge.of(campaign.baseline), hardware=judge.hardware(home), sd=known.sd if known else None,
            df=known.df if known else 0.0, detectable=detectable(known.sd) if known else None,
            device="core" if slots and slots[0].devices.startswith("cpu") else "gpu", slots=len(slots),
            busy=_share(campaign, slots, spent, at), slot_seconds=spent, runs=reader.measured(campaign),
            lost=reader.count(campaign.id, "lost"), kept=counts.get("keep", 0), real=real_keeps(reader.kept_ps(campaign.id)),
            discarded=counts.get("discard", 0), crashed=counts.get("crash", 0),
            other=sum(counts.get(v, 0) for v in ("conflict", "answered", "cancelled")), promoted=len(standing),
            rebased=reader.count(campaign.id, "rebased"), usd=reader.usd(campaign.id),
            agents=tuple(_agents(reader, campaign, tallies, slots, going, standing)),
            pool=tuple(g for g in going if g.slot not in owned), problems=_problems(reader, campaign, at),
        )  # fmt: skip


def _moment(reader: Reader, campaign: Campaign, now: float, alive: bool) -> float:
    """Time stands still for a campaign that ended or that nobody works on."""
    if campaign.ended is not None:
        return campaign.ended
    last = reader.value("SELECT at FROM events WHERE campaign=? ORDER BY seq DESC LIMIT 1", campaign.id)
    return now if alive else min(now, float(last or campaign.created))


def _stop(campaign: Campaign) -> dict[str, Any]:
    told = json.loads(campaign.stop or "{}")
    rule = told.get("ending") or told.get("rule") or told
    return {**rule, "since": told.get("since", campaign.created)}


def _share(campaign: Campaign, slots: list[Slot], spent: float, at: float) -> float | None:
    whole = (at - campaign.created) * len(slots)
    return min(1.0, spent / whole) if whole > 0 else None


def _agents(
    reader: Reader, campaign: Campaign, tallies: list[Tally], slots: list[Slot], going: tuple[Going, ...], standing: list[Promotion]
) -> list[AgentRow]:
    queued = reader.waiting(campaign.id)
    rebasing = reader.rebasing(campaign.id)
    order = [p.experiment for p in standing]
    rows = []
    for agent in reader.agents(campaign.id):
        mine = tuple(s.id for s in slots if s.agent == agent.name and s.state == "open")
        behind = _behind(reader, campaign, agent, order)
        rows.append(
            AgentRow(
                agent.name, agent.kind, agent.state, agent.until, mine,
                tuple(g for g in going if g.agent == agent.name or g.slot in mine), queued.get(agent.name, 0),
                sum(t.count for t in tallies if t.agent == agent.name and t.verdict in JUDGED),
                sum(t.count for t in tallies if t.agent == agent.name and t.verdict == "keep"),
                _best_of(tallies, agent.name, campaign), behind == 0, agent.name in rebasing, behind,
            )
        )  # fmt: skip
    return rows


def _behind(reader: Reader, campaign: Campaign, agent: Agent, order: list[str]) -> int:
    if not order or agent.tip == campaign.best:
        return 0
    on = reader.standing_on(campaign.id, agent.tip)
    return order[::-1].index(on) if on in order else len(order)


def _best_of(tallies: list[Tally], agent: str, campaign: Campaign) -> float | None:
    lower = campaign.better == "lower"
    found = [t.least if lower else t.most for t in tallies if t.agent == agent and t.verdict == "keep"]
    return next((value for value in found if value is not None), None)


def _problems(reader: Reader, campaign: Campaign, at: float) -> tuple[Problem, ...]:
    """What went wrong in the last hour, the newest last."""
    events = reader.events(campaign.id, ("lost", "machine", "agent"), 3 * PROBLEMS)
    told = [Problem(e.at, text) for e in events if e.at > at - HOUR and (text := _problem(e))]
    return tuple(told[-PROBLEMS:])


def _problem(e: Event) -> str:
    data = json.loads(e.data)
    why = str(data.get("why") or data.get("text") or "").strip()
    if e.kind == "lost":
        return f"a run of {e.experiment} was lost ({why or 'no word'}) and is done again"
    if e.kind == "machine":
        return why
    if data.get("state") == "crashed":
        return f"{e.agent} ended ({why}); it is started again"
    return f"{e.agent}: {why}" if "given up" in why or data.get("state") == "gave up" else ""
