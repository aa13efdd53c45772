"""The rows of the game, as frozen records. Scores are as the training printed them; seconds are wall seconds;
times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

VERDICTS = ("keep", "discard", "crash", "conflict", "answered", "cancelled")
PURPOSES = ("baseline", "screen", "confirm", "reference", "person")
NO_WORKERS = ("person", "house")  # kinds of agents that are only authors: no slot, no session, no worktree
ORIGINS = ("baseline", "submit", "stack", "try", "promote", "imported", "wave", "blank")


@dataclass(frozen=True)
class Campaign:
    """One search on one task. `task` and `stop` are JSON texts."""

    id: int
    name: str
    task: str
    stop: str
    state: str  # baseline | searching | ending | ended
    paused: int
    metric: str
    better: str  # lower | higher
    best: str | None  # experiment id
    baseline: str | None
    why_ended: str | None
    created: float
    searching: float | None  # when the baseline was done
    ended: float | None


@dataclass(frozen=True)
class HardwareClass:
    id: int
    accelerator: str
    torch: str
    budget: str


@dataclass(frozen=True)
class Slot:
    """`devices`: comma-separated GPU UUIDs or CPU cores (`cpu:0`). `agent`: who leases it, None for the pool."""

    id: str  # "0", "1", … as a person names it
    campaign: int
    klass: int
    devices: str
    agent: str | None
    state: str  # open | closed
    free_since: float | None


@dataclass(frozen=True)
class Agent:
    """`base`: the experiment its worktree stands on. `tip`: the measured experiment it builds on."""

    name: str
    campaign: int
    kind: str  # tuner | command | scripted | claude | codex | person | house
    options: str  # JSON
    state: str  # starting | thinking | waiting | limited | crashed | stopped
    base: str
    tip: str
    seen: int  # last event told
    program: str | None
    program_hash: str | None
    restarts: int
    until: float | None
    turns: int
    created: float
    ended: float | None


@dataclass(frozen=True)
class Experiment:
    """One change and its one parent. `bound`: order of binding (a parent is always bound before its children)."""

    id: str
    campaign: int
    agent: str | None
    origin: str
    kind: str  # const | code
    description: str
    hypothesis: str | None
    expect: float | None
    stage: str  # queued | bound | done
    base: str | None
    submitted: str | None  # commit as submitted
    exact: int  # measured as it is, never replayed (a person's own file)
    parent: str | None
    commit: str | None  # commit as measured
    tree: str | None
    patch: str | None
    lines: int  # added minus removed
    same_as: str | None
    stack_of: str | None  # JSON list of experiment ids
    rebase_onto: str | None  # the best it was rebased on
    depth: int  # stacks below it
    program_hash: str | None
    key: str | None
    klass: int | None
    verdict: str | None
    reason: str | None
    p_better: float | None
    parent_m: float | None
    parent_v: float | None
    runs: int
    raw: float | None
    estimate: float | None
    stderr: float | None
    steps: int | None
    params_m: float | None
    peak_vram_mb: float | None
    tokens_s: float | None
    dropped: int  # "did not hold"
    measured_by: str
    bound: int | None
    created: float
    bound_at: float | None
    judged_at: float | None
    expect_p: float | None = None


@dataclass(frozen=True)
class Run:
    """One measurement of an experiment."""

    id: int
    experiment: str
    purpose: str  # baseline | screen | confirm | reference | person
    seed: int
    slot: str | None
    klass: int | None
    key: str | None
    status: str  # queued | running | finished | crashed | cancelled
    attempt: int
    score: float | None
    steps: int | None
    params_m: float | None
    peak_vram_mb: float | None
    tokens_m: float | None
    mfu: float | None
    kernel: str | None
    training_s: float | None
    seconds: float | None
    reason: str | None
    queued: float
    started: float | None
    ended: float | None


@dataclass(frozen=True)
class Promotion:
    id: int
    campaign: int
    experiment: str
    previous: str | None
    by: str  # confirmation | person | undo | withdrawal
    p: float | None
    hold: int
    at: float
    withdrawn: float | None


@dataclass(frozen=True)
class Event:
    """Something that happened; `data` is a JSON object. Agents hear of those that concern them."""

    seq: int
    campaign: int
    at: float
    kind: str
    agent: str | None
    experiment: str | None
    data: str
