"""`swarm show`: one experiment: its change, its runs, its verdict and why."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm import clock
from swarm.cli import screen
from swarm.cli.figures import clock as hour
from swarm.ledger.reader import Reader
from swarm.research.calibration import ENOUGH, Calibration, habits
from swarm.research.experiment import Campaign, Experiment, Run
from swarm.views import Judge, Row
from swarm.workspace import Workspace

MEANING = {
    "best": "what everybody builds on",
    "tied": "as good as best, as far as its runs can tell",
    "unconfirmed": "one run so far: luck is not ruled out",
    "did not hold": "measured again, it was not better than best",
    "was best": "until something better was confirmed",
    "baseline": "the task as given",
    "kept": "better than its parent, not as good as best",
    "discard": "not better than its parent",
    "crash": "it did not finish",
    "blank": "nothing was changed: what it seems to gain or lose is luck",
    "conflict": "it no longer fits what it was to be built on; nothing was run",
}
PURPOSE = {
    "screen": "first",
    "confirm": "confirming",
    "reference": "again",
    "person": "for you",
    "baseline": "baseline",
}


@dataclass(frozen=True)
class Card:
    """All that one screen shows of an experiment."""

    campaign: Campaign
    experiment: Experiment
    row: Row
    parent: Experiment | None
    runs: list[Run]
    children: list[str]
    tokens: int = 0  # of the turns that it came from
    usd: float | None = None
    flags: tuple[tuple[str, str], ...] = ()  # who doubts it, and why
    calibration: Calibration = field(default_factory=Calibration)  # of its agent
    curves: Mapping[int, list[tuple[float, float]]] = field(default_factory=dict)  # of its runs


def run(workspace: Workspace, experiment: str, as_json: bool = False) -> None:
    """Print an experiment. Raises SwarmError when there is no such."""
    with Reader(workspace.ledger) as reader:
        card = card_of(reader, experiment)
    if as_json:
        screen.print_json(plain(card))
    else:
        screen.show(lambda width: draw(card, width))


def card_of(reader: Reader, text: str) -> Card:
    """Raises SwarmError when `text` names no experiment."""
    e = reader.find(text)
    campaign = reader.campaign()
    parent = reader.experiment(e.parent) if e.parent else None
    return Card(
        campaign,
        e,
        Judge(reader, campaign).row(e),
        parent,
        reader.runs(e.id),
        reader.children(e.id),
        *reader.cost(e.id),
        tuple(reader.flags(e.id)),
        Calibration(**(reader.figure(e.campaign, "calibration") or {}).get(e.agent or "", {})),
        reader.curves(e.id),
    )


def draw(card: Card, width: int = screen.WIDTH) -> RenderableType:
    """The card as people read it."""
    e = card.experiment
    mean = MEANING.get(card.row.state, "") if e.stage == "done" and _state(card) == card.row.state else ""
    facts = [
        ("state", f"{card.row.state}: {mean}" if mean else ""),
        ("what", screen.clean(e.description)),
        ("because", screen.clean(e.hypothesis)),
        ("built on", _parent(card)),
        ("verdict", _verdict(card)),
        ("now", _now(card)),
        ("stack of", ", ".join(json.loads(e.stack_of)) if e.stack_of else ""),
        ("same as", e.same_as or ""),
        ("led to", _children(card)),
        ("loss", _curve(card)),
        ("size", _size(e)),
        ("cost", _cost(card)),
        ("expected", _expected(card)),
        *(("flagged", f"by {screen.clean(who)}: {screen.clean(why)}") for who, why in card.flags),
    ]
    lines = [Text(x) for label, text in facts if text for x in _wrapped(label, text, width)]
    return Group(_title(card), Text(""), *lines, *_runs(card), *_tail(card), Text(""), Text(_look(e), "dim"))


def _title(card: Card) -> Text:
    e = card.experiment
    word = _state(card)
    kind = "" if e.origin == "baseline" else f" · {e.kind}" + (f" {screen.signed(e.lines, 0)} lines" if e.lines else "")
    by = f" · by {screen.clean(e.agent)}" if e.agent else ""
    when = hour(e.judged_at or e.created, clock.now())
    title = Text.assemble("  ", (e.id, "bold"), f" {screen.sha(e.commit or e.submitted)}   ", screen.state(word))
    return title.append(f"{by}{kind} · {when}")


def _state(card: Card) -> str:
    e = card.experiment
    if e.stage == "queued":
        return "waits for its turn"
    if e.stage == "bound" and e.origin != "baseline":
        return "is being measured"
    return e.verdict if e.verdict in ("answered", "cancelled") else card.row.state


def _wrapped(label: str, text: str, width: int) -> list[str]:
    lead = f"  {label:<10}"
    return textwrap.wrap(
        text, width - 2, initial_indent=lead, subsequent_indent=" " * len(lead), max_lines=6, placeholder=" …"
    )


def _cost(card: Card) -> str:
    """Of the turns that it came from."""
    usd = f" · ${card.usd:.2f}" if card.usd is not None else ""
    return f"{card.tokens:,} tokens{usd}" if card.tokens or card.usd else ""


def _decimals(card: Card) -> int:
    e = card.experiment
    return screen.places([e.estimate, card.parent.estimate if card.parent else None], e.stderr)


def _parent(card: Card) -> str:
    p = card.parent
    if p is None:
        return ""
    value = screen.fixed(p.estimate, _decimals(card)) if p.estimate is not None else "not measured"
    return f"{p.id} {screen.sha(p.commit)}   {value}   {screen.shorter(screen.clean(p.description), 60)}"


def _verdict(card: Card) -> str:
    e = card.experiment
    if e.verdict is None:
        return ""
    p = f" · P(better) {screen.chance(e.p_better)}" if e.p_better is not None else ""
    why = screen.clean((e.reason or "").strip().split("\n")[0])
    return e.verdict + (f": {why}" if why else "") + p


def _now(card: Card) -> str:
    e = card.experiment
    if e.estimate is None or e.raw is None:
        return ""
    d = _decimals(card)
    runs = f"{screen.many(e.runs, 'run')}, raw mean {screen.fixed(e.raw, d)}"
    p = f" · P(a gain) {screen.chance(card.row.p_real)}" if card.row.p_real is not None else ""
    return f"{screen.fixed(e.estimate, d)} ± {screen.error(e.stderr, d)} ({runs}){p}"


def _expected(card: Card) -> str:
    """What its agent foretold, and how its agent's forecasts come true."""
    e = card.experiment
    said = [f"a change of {screen.signed(e.expect, _decimals(card))}"] if e.expect is not None else []
    said += [f"better with P {screen.chance(e.expect_p)}"] if e.expect_p is not None else []
    known = card.calibration
    habit = habits(known)
    if said and habit:
        said.append(f"over {known.n} of {screen.clean(e.agent)}'s: they {habit}")
    if said and known.np >= ENOUGH and known.brier is not None:
        said.append(f"Brier score {known.brier:.2f} (0.25: guessing)")
    return " · ".join(said)


def _curve(card: Card) -> str:
    """How the training of its newest run went that printed it: five figures."""
    if not card.curves:
        return ""
    points = card.curves[max(card.curves)]
    few = [points[round(n * (len(points) - 1) / 4)] for n in range(5)] if len(points) > 5 else points
    d = screen.places([loss for _, loss in points])
    told = " · ".join(f"{100 * share:.0f} % {screen.fixed(loss, d)}" for share, loss in few)
    return f"{told}   (in training, by share of the budget)"


def _children(card: Card) -> str:
    more = " …" if len(card.children) == 12 else ""
    return ", ".join(card.children) + more


def _size(e: Experiment) -> str:
    parts = [
        f"{e.peak_vram_mb / 1024:.1f} GB" if e.peak_vram_mb else "",
        f"{e.params_m:.1f} M parameters" if e.params_m else "",
        f"{e.steps} steps" if e.steps else "",
        f"{e.tokens_s:,.0f} tokens/s" if e.tokens_s else "",
        e.measured_by if e.runs else "",
    ]
    return " · ".join(p for p in parts if p)


def _runs(card: Card) -> list[RenderableType]:
    if not card.runs:
        return []
    d = _decimals(card)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("  run", "why", "seed", "on", card.campaign.metric, "steps", "took", ""):
        table.add_column(
            screen.clean(name), justify="right" if name in ("seed", "steps", "took") else "default", no_wrap=True
        )
    for r in card.runs[-20:]:
        took = screen.minutes(r.seconds) if r.seconds else ""
        status = "" if r.status == "finished" else r.status
        table.add_row(
            f"  r{r.id}", PURPOSE.get(r.purpose, r.purpose), str(r.seed), screen.clean(r.slot) or "—", screen.fixed(r.score, d),
            str(r.steps or ""), took, Text(status, "red" if status == "crashed" else "dim"),
        )  # fmt: skip
    return [Text(""), table]


def _tail(card: Card) -> list[Text]:
    """The last lines of a crash."""
    lines = screen.clean(card.experiment.reason, lines=True).strip().split("\n")[1:]
    return [Text(""), *(Text(f"    {line}", "dim") for line in lines[-12:])] if lines else []


def _look(e: Experiment) -> str:
    return f"  more   swarm diff {e.id}   swarm log {e.id}   swarm promote {e.id}"


def plain(card: Card) -> dict[str, Any]:
    """For programs."""
    e = card.experiment
    row = asdict(card.row)
    row.pop("rank")
    more = {
        name: getattr(e, name)
        for name in ("origin", "stage", "parent", "base", "submitted", "hypothesis", "expect", "expect_p", "reason", "same_as", "parent_m",
                     "steps", "params_m", "tokens_s", "created", "judged_at", "patch")
    }  # fmt: skip
    return row | more | {
        "stack_of": json.loads(e.stack_of) if e.stack_of else None,
        "children": card.children, "cost_tokens": card.tokens, "cost_usd": card.usd,
        "measurements": [asdict(r) | {"curve": card.curves.get(r.id, [])} for r in card.runs],
        "flags": [{"agent": who, "why": why} for who, why in card.flags],
    }  # fmt: skip
