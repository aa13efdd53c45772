"""`swarm.yaml` and the defaults of a task, as frozen models."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from swarm.errors import SwarmError
from swarm.workspace import Workspace, is_checkout, is_task

BUDGET = re.compile(r"^(wall|cpu|flops|steps):([0-9.]+(?:e[0-9]+)?)$")


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Metric(Frozen):
    name: str = "val_bpb"
    better: Literal["lower", "higher"] = "lower"


class Task(Frozen):
    """What is optimised. `path` is a folder, a repository or a URL; `run` is split like a shell would, without one."""

    path: str
    rev: str | None = None
    edit: tuple[str, ...] = ("train.py",)
    run: str = "python train.py"
    prepare: str | None = None
    metric: Metric = Metric()
    budget: str = "wall:300"
    seed: Literal["env", "literal", "none"] = "env"
    limits: Mapping[str, float] = Field(default_factory=dict)
    gpus_per_run: int = Field(1, ge=1)
    caches: tuple[str, ...] = ()
    python: str | None = None
    env: Mapping[str, str] = Field(default_factory=dict)
    program: str = "program.md"

    @field_validator("budget", mode="before")
    @classmethod
    def _budget(cls, value: object) -> object:
        """`120s`, `5m` and `300` are wall seconds."""
        text = str(value).strip()
        plain = re.fullmatch(r"([0-9.]+)(s|m)?", text)
        if plain:
            text = f"wall:{float(plain[1]) * (60 if plain[2] == 'm' else 1):g}"
        if not BUDGET.match(text):
            raise ValueError("a budget is wall:300, cpu:20, flops:2e12, steps:200, 120s or 5m")
        return text

    @field_validator("edit", "caches", mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("edit")
    @classmethod
    def _inside(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if Path(name).is_absolute() or ".." in Path(name).parts or ".git" in Path(name).parts:
                raise ValueError(f"{name}: an editable file lies inside the task")
        if not value:
            raise ValueError("name at least one file that agents may edit")
        return value


class Stop(Frozen):
    """When a campaign ends; whatever comes first. `until` is HH:MM, local time."""

    hours: float | None = Field(None, gt=0)
    until: str | None = None
    experiments: int | None = Field(None, gt=0)
    usd: float | None = Field(None, gt=0)

    @field_validator("until")
    @classmethod
    def _clock(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value):
            raise ValueError("until is a time of day like 08:30")
        return value

    @property
    def empty(self) -> bool:
        return not (self.hours or self.until or self.experiments or self.usd)


class Policy(Frozen):
    """How the campaign is run. Times are seconds."""

    sandbox: Literal["auto", "required", "off"] = "auto"
    queue: int = Field(1, ge=0)  # submissions of an agent that may wait beside those that run; 0: it thinks in between
    baseline_runs: int = Field(3, ge=2)  # at least so many, one per slot
    confirm_share: float = 0.15  # of the slots' time
    confirm_runs: int = Field(2, ge=1)  # of a candidate, the first one with them, before it can become best
    confirm_most: int = Field(4, ge=1)  # then it did not hold
    confirm_p: float = Field(0.5, ge=0, le=1)  # P(better than best) with which it is promoted
    confirm_drop: float = Field(0.3, ge=0, le=1)  # … and under which it did not hold
    # P of a gain; or that with half of P(no effect at all), which lets more in
    confirm_by: Literal["gain", "better"] = "gain"
    confirm_on: str | None = None  # the hardware that judges best, or a part of its name; None: where most slots are
    prior: Literal["fitted", "noise"] = "fitted"  # of effects: fitted to what was measured, or as wide as the noise
    shrink: float = Field(1.0, ge=0)  # standard errors by which an estimate is shrunk at most before a prior is fitted
    noise_prior: float = Field(0.002, ge=0)  # share of a score: a run's noise as long as little is known; 0: none
    # whether changes are compared on the same seeds; auto: while that is not shown to be useless
    paired: Literal["auto", "on", "off"] = "auto"
    screen_seeds: int = Field(3, ge=1)  # so many of the baseline's seeds, in turn, for what is new
    # what an idle slot measures again: where it may change best, or the least measured
    verify: Literal["gain", "least"] = "gain"
    rebase_every: float = 600.0
    behind: float = Field(0.3, ge=0, le=1)  # an agent is, when P(what it builds on is better than best) is under this,
    behind_gap: float | None = Field(None, ge=0)  # or when it is worse by more than so many sd of one run,
    stale: int = Field(3, ge=0)  # or lacks the last so many promotions (0: never for that)
    stale_after: int = Field(6, ge=0)  # and has had so many results since the first of them
    stay: float = Field(0.25, ge=0, le=0.9)  # share of the agents (of four at least) that looks elsewhere on purpose,
    stay_within: float = 4.0  # unless behind by more than so many sd of one run
    apart: bool = False  # nobody is rebased or learns from others: for comparisons
    # experiments per agent without a gain of best above the noise, after which programs change (0: never)
    plateau: int = Field(20, ge=0)
    idle_after: float = 60.0  # then (or after a run's time, if longer) a slot with nothing queued is put to other use:
    idle: Literal["auto", "tune", "confirm"] = "auto"  # a tuner first (auto: on GPUs), or only measuring again
    stacks: bool = True  # where a slot idles, kept changes of different agents are measured together
    blank: float = Field(0.02, ge=0, le=0.5)  # share of experiments without any change: they show what luck alone does
    control: float = Field(0.0, ge=0.0, le=0.5)  # share of the slots' time for a tuner that sees nobody's results
    early: Literal["off", "median", "halving", "parent"] = "off"  # end runs by their loss so far (research/hopeless.py)
    early_by: float | None = Field(None, gt=0)  # the rule's threshold, where it is not to be its own
    early_from: float = Field(0.3, gt=0, lt=1)  # share of the budget before which nothing is ended
    gpu_price: float | None = None  # dollars an hour, for the sums
    keep_checkouts: bool = False

    @model_validator(mode="after")
    def _threshold(self) -> Policy:
        by = self.early_by
        if by is not None and ((self.early == "median" and by >= 1) or (self.early == "halving" and by <= 1)):
            raise ValueError("early_by: a share below 1 for median, a number above 1 for halving")
        return self

    @field_validator("sandbox", "paired", "early", mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        """YAML reads a plain `on` or `off` as a truth value."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


TAGS = ("agents by name", "agents in a line")  # two ways to say them; a mistake is looked for in the one that was used


class Agents(BaseModel):
    """Agents of one name, where more than their number is said: `claude: {count: 4, model: …, stop: {usd: 10}}`.

    What is not named here is an option of their kind.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    count: int | None = Field(None, ge=1, le=1000)  # None: one per slot, in turn with the others
    kind: str | None = None  # where the name is one of yours
    program: str | None = None
    stop: Stop | None = None  # of each of these agents, beside the campaign's

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class CommandLine(Frozen):
    """An agent's program under `commands:`, where a line alone is not enough; as in swarm/agents/clients.toml."""

    command: str
    env: Mapping[str, str] = Field(default_factory=dict)
    install: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""


class Config(Frozen):
    """A workspace's `swarm.yaml`; all of it optional."""

    task: Task | None = None
    agents: Annotated[
        Annotated[Mapping[str, Agents], Tag(TAGS[0])] | Annotated[str, Tag(TAGS[1])],
        Discriminator(lambda said: TAGS[isinstance(said, str)]),
    ] | None = None  # fmt: skip
    gpus: int | str | None = None
    device: Literal["auto", "cuda", "cpu"] = "auto"
    stop: Stop | None = None
    policy: Policy = Policy()
    commands: Mapping[str, str | CommandLine] = Field(default_factory=dict)  # agent name → command line with {brief}
    program: str | tuple[str, ...] | None = None  # of programs/, dealt in turn; None: all of them
    gpu_price: float | None = Field(None, ge=0)  # dollars an hour of one
    control: float | None = Field(None, ge=0, le=0.5)  # short for the policy's

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        """`task: URL` is short for `task: {path: URL}`, `claude: 4` for `claude: {count: 4}`."""
        if isinstance(raw, dict) and isinstance(raw.get("task"), str):
            raw = {**raw, "task": {"path": raw["task"]}}
        if isinstance(raw, dict) and isinstance(raw.get("agents"), dict):
            said = {name: n if isinstance(n, dict | Agents) else {"count": n} for name, n in raw["agents"].items()}
            raw = {**raw, "agents": said}
        return raw


def load(workspace: Workspace) -> Config:
    """Read `swarm.yaml` (absent: defaults).

    Raises SwarmError naming the line or key that is wrong.
    """
    if not os.path.lexists(workspace.yaml):
        return Config()
    if not workspace.yaml.is_file():  # a pipe, say, would keep us waiting
        raise SwarmError(f"{workspace.yaml} is no file that can be read.", "Put a plain file there, or move it away.")
    try:
        raw = yaml.safe_load(workspace.yaml.read_text()) or {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SwarmError(f"cannot read {workspace.yaml}: {why}.", f"Look: ls -l {workspace.yaml}") from None
    except yaml.YAMLError as error:
        raise SwarmError(f"{workspace.yaml.name} is not YAML: {error}") from None
    return parse(raw, workspace.yaml.name)


def parse(raw: Any, name: str = "swarm.yaml") -> Config:
    """Check a parsed document. Raises SwarmError with one line per mistake."""
    if not isinstance(raw, dict):
        raise SwarmError(f"{name} should hold keys like `task:` and `stop:`.")
    try:
        return Config.model_validate(raw)
    except pydantic.ValidationError as error:
        lines = "\n".join(
            f"  {'.'.join(str(p) for p in e['loc'] if p not in TAGS)}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise SwarmError(f"{name} has mistakes:\n{lines}") from None


def template_task(source: Path, device: str) -> Task:
    """The task of `templates/`. On a CPU core a small FLOP budget, on a GPU five minutes."""
    return Task(
        path=str(source),
        run="python train.py",
        prepare="python prepare.py",
        budget="wall:300" if device == "cuda" else "flops:8e11",
        caches=("~/.cache/swarm",),
    )


def autoresearch_task(source: Path) -> Task:
    """The task of a clone of karpathy/autoresearch or a fork: seed and interpreter are read off its files."""
    text = (source / "train.py").read_text(errors="replace")
    literal = re.search(r"manual_seed(?:_all)?\(\s*\d+\s*\)", text)
    seed: Literal["env", "literal", "none"] = "env" if "SWARM_SEED" in text else "literal" if literal else "none"
    found = re.search(r"^TIME_BUDGET\s*=\s*(\d+)", (source / "prepare.py").read_text(errors="replace"), re.M)
    python = source / ".venv" / "bin" / "python"
    return Task(
        path=str(source),
        prepare="python prepare.py",
        budget=f"wall:{found[1] if found else 300}",
        seed=seed,
        caches=("~/.cache/autoresearch",),
        python=str(python) if python.exists() else None,
    )


def task_of(workspace: Workspace, config: Config, device: str, packaged: Path) -> Task:
    """The task of this workspace: what swarm.yaml says, else the clone or checkout around us, else the template.

    `packaged` is the template that came with swarm. Paths in the answer are absolute.

    Raises SwarmError when the folder named is not there.
    """
    if config.task is None:
        if is_task(workspace.root):
            return autoresearch_task(workspace.root)
        local = workspace.root / "templates"
        return template_task(local if is_checkout(workspace.root) else packaged, device)
    named = config.task
    if "://" in named.path or named.path.startswith("git@"):
        return named
    source = Path(named.path).expanduser()
    source = source if source.is_absolute() else (workspace.root / source).resolve()
    if named.path == "templates" and not source.is_dir():
        source = packaged
    if not source.is_dir():
        raise SwarmError(f"the task's folder {source} does not exist.", "Say where it is in swarm.yaml: task: PATH")
    base = _guessed(source, device, packaged)
    given = {k: getattr(named, k) for k in named.model_fields_set}
    return base.model_copy(update={**given, "path": str(source)})


def _guessed(source: Path, device: str, packaged: Path) -> Task:
    if source == packaged or ((source / "train.py").is_file() and "SWARM_BUDGET" in _text(source / "prepare.py")):
        return template_task(source, device)
    return autoresearch_task(source) if is_task(source) else Task(path=str(source))


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
