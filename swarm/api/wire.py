"""What may be said at the door: one model per request. Strict, bounded, and no text that a file or SQLite cannot hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from swarm.config import Policy, Stop, Task

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
CONSTANT = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"
EXPERIMENT = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$"
LONGEST_WAIT = 50.0  # seconds
DEEPEST = 12

Name = Annotated[str, StringConstraints(pattern=NAME)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Source = Annotated[str, StringConstraints(max_length=1 << 20)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=300)]
What = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Request = Annotated[str, StringConstraints(pattern=NAME)]  # the same again: it was done already
Numbered = Annotated[int, Field(ge=1, lt=1 << 53)]


class Asked(BaseModel):
    """The base of all requests: unknown fields, wrong types, NUL, half surrogates and endless nesting are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            check(raw)
        return raw


def check(value: Any, depth: int = 0) -> None:
    """Raises ValueError for what must not come in, however deep."""
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("NUL is not allowed in a text")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise ValueError("half a surrogate pair is no text")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check(key, depth + 1)
            check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check(inner, depth + 1)
    elif isinstance(value, float) and value - value != 0:
        raise ValueError("not a finite number")
    elif isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError("a number too large")


class NewAgent(Asked):
    name: Name
    kind: Name
    options: dict[str, Any] = Field(default_factory=dict, max_length=50)
    program: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    programs: list[Name] | None = Field(
        None, max_length=100
    )  # those that `program` was dealt from, if a person named none
    slot: Name | None = None
    slots: list[Name] | None = Field(None, max_length=1000)  # when it leases several
    stop: Stop | None = None  # of this agent alone
    role: Literal["experimenter", "verifier", "statistician", "analyst"] = "experimenter"


class NewSlot(Asked):
    id: Name
    devices: Annotated[str, StringConstraints(max_length=2000)]
    accelerator: Annotated[str, StringConstraints(max_length=200)]
    torch: Annotated[str, StringConstraints(max_length=100)]
    device_nodes: list[Path] = Field(default_factory=list, max_length=200)


class Spawn(Asked):
    name: Name | None = None
    task: Task
    policy: Policy = Policy()
    stop: Stop = Stop()
    sandbox: Literal["auto", "required", "off"] | None = None  # short for the policy's
    agents: list[NewAgent] = Field(default_factory=list, max_length=1000)
    slots: list[NewSlot] = Field(default_factory=list, max_length=1000)
    force: bool = False
    source: Literal["best", "diverse"] = "best"  # what new agents build on


class Try(Asked):
    files: dict[Path, Source] = Field(min_length=1, max_length=50)
    description: Line


class Promote(Asked):
    what: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    force: bool = False
    hold: bool = False


class Undo(Asked):
    request: Request | None = None


class Resume(Asked):
    stop: Stop | None = None


class Halt(Asked):
    agents: list[Name] | None = Field(None, max_length=1000)
    now: bool = False


class Replace(Asked):
    kind: Name
    options: dict[str, Any] = Field(default_factory=dict, max_length=50)
    program: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    source: Literal["tip", "best", "diverse"] = "tip"  # what the new agent builds on
    stop: Stop | None = None


class Tell(Asked):
    text: Text
    request: Request | None = None


class Submit(Asked):
    description: Line
    hypothesis: Text | None = None
    expect: Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)] | None = None  # the change of the score
    p: Annotated[float, Field(ge=0, le=1)] | None = None  # the probability that it is better
    idea: Numbered | None = None
    on: What | None = None


class Adopt(Asked):
    experiment: What


class Turn(Asked):
    state: Literal["working", "limited", "stuck"] = "working"
    until: Annotated[float, Field(ge=0, le=1e11)] | None = None
    tokens: Annotated[int, Field(ge=0, le=10**12)] = 0
    usd: Annotated[float, Field(ge=0, le=1e6)] | None = None
    turn: Annotated[int, Field(ge=1, le=10**9)] | None = None  # a turn's costs are taken once
    experiments: list[Name] = Field(default_factory=list, max_length=100)
    plan: bool | None = None
    blanks: Annotated[int, Field(ge=0, le=10**6)] = 0
    why: Annotated[str, StringConstraints(max_length=2000)] = ""
    fresh: bool = False


class Note(Asked):
    text: Text


class NewIdea(Asked):
    text: Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
    priority: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 1.0
    evidence: Annotated[str, StringConstraints(max_length=500)] | None = None


class Claim(Asked):
    idea: Numbered | None = None  # None: the first that is free


class IdeaDone(Asked):
    idea: Numbered
    experiment: What | None = None
    drop: bool = False
    why: Annotated[str, StringConstraints(max_length=500)] = ""


class Improve(Asked):
    page: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    version: Annotated[int, Field(ge=0, lt=1 << 53)]  # the one that was read; 0: a new page
    why: Annotated[str, StringConstraints(max_length=300)] = ""


class Doubt(Asked):
    experiment: What
    why: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Values(Asked):
    values: dict[
        Annotated[str, StringConstraints(pattern=CONSTANT)],
        Annotated[str, StringConstraints(min_length=1, max_length=1000)],
    ] = Field(min_length=1, max_length=300)
    description: Line | None = None


class Wait(Asked):
    timeout: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 30.0
    heard: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None  # the `seq` of the last answer that was heard
