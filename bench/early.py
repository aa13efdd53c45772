"""Does it pay to end runs by their loss so far? Rules and thresholds on real curves, and what they do to a campaign.

    python -m bench.early [--curves bench/data/curves.json]             rules on the curves as they were measured
    python -m bench.early --play [--repeats 30] [--slots 8] [--hours 2] campaigns whose curves are drawn from these

A *wrong kill* is a run that was ended and whose score was better than its parent's mean: it would have been kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.sim.campaign import Setting, simulate
from bench.sim.curves import Change, Drawn, changes_of
from bench.sim.landscape import Assumptions
from bench.sim.outcome import Outcome
from bench.sim.table import everywhere, mean, table
from swarm.research.hopeless import Curve, Rule, by_halving, by_median, by_parent
from swarm.research.noise import pooled

DATA = Path(__file__).parent / "data" / "curves.json"
SHUFFLES = 40  # orders in which the changes may have come, for the rules that compare with what came before
RULES = [
    *(Rule("parent", by, since) for since in (0.3, 0.5) for by in (3, 6, 12, 24)),
    *(Rule("median", by, since) for since in (0.3, 0.5) for by in (0.5, 0.75, 0.9)),
    *(Rule("halving", by, 0.3) for by in (2.0, 3.0)),
]
PLAYED = [Rule("parent", 6, 0.3), Rule("parent", 12, 0.3), Rule("halving", 2.0, 0.3)]


@dataclass(frozen=True)
class Row:
    """A change that was measured to its end: by how much better than its parent (in noise, + is better), and where a
    rule ends it: shares of the budget, one for each way it may have come about (None: it is not ended)."""

    gain: float
    ended: list[float | None]


def measured(path: Path) -> dict[str, tuple[list[tuple[float, Curve]], list[tuple[float, Curve]]]]:
    """By file: score and curve of its own runs, and of its changes (those that crashed left out)."""
    found: dict[str, tuple[list[tuple[float, Curve]], list[tuple[float, Curve]]]] = {}
    for row in json.loads(path.read_text())["runs"]:
        own, changed = found.setdefault(row["tip"], ([], []))
        if row["score"] is not None:
            (changed if row["change"] else own).append((row["score"], dict(map(tuple, row["curve"]))))
    return found


def tried(rule: Rule, path: Path) -> list[Row]:
    """What a rule does with every change."""
    rows = []
    for own, changed in measured(path).values():
        scores = [score for score, _ in own]
        centre, sd = statistics.fmean(scores), statistics.stdev(scores)
        ends: list[list[float | None]] = [[] for _ in changed]
        if rule.kind == "parent":
            ends = [[_by_parent(rule, mine, parent, own) for _, parent in own] for _, mine in changed]
        for shuffle in range(0 if rule.kind == "parent" else SHUFFLES):
            order = list(range(len(changed)))
            random.Random(shuffle).shuffle(order)
            for place, i in enumerate(order):
                ends[i].append(_by_others(rule, changed[i][1], [changed[j][1] for j in order[:place]]))
        rows += [Row((centre - score) / sd, ends[i]) for i, (score, _) in enumerate(changed)]
    return rows


def _by_parent(rule: Rule, mine: Curve, parent: Curve, own: Sequence[tuple[float, Curve]]) -> float | None:
    """Where it is ended, with one run of the parent and the noise as all runs of that file have shown it."""
    for mark in filter(rule.due, sorted(mine)):
        noise = pooled([[curve[mark] for _, curve in own if mark in curve]])
        if by_parent(mine, [parent], mark, noise, rule.by) is not None:
            return mark
    return None


def _by_others(rule: Rule, mine: Curve, others: Sequence[Curve]) -> float | None:
    """Where it is ended, with what came before it."""
    compare = by_median if rule.kind == "median" else by_halving
    return next((m for m in filter(rule.due, sorted(mine)) if compare(mine, others, m, rule.by) is not None), None)


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n (Wilson 1927)."""
    z = 1.96
    middle, width = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - width) / (1 + z * z / n)), (middle + width) / (1 + z * z / n)


def line(rule: Rule, rows: list[Row]) -> list[str]:
    """The cells of a rule."""

    def killed(some: list[Row]) -> str:
        if not some:
            return "none there"
        share = statistics.fmean(sum(e is not None for e in row.ended) / len(row.ended) for row in some)
        low, high = wilson(share, len(some))
        return f"{share:.1%} of {len(some)} ({low:.1%} to {high:.1%})"

    saved = statistics.fmean(1 - e if e is not None else 0.0 for row in rows for e in row.ended)
    better, clearly = [r for r in rows if r.gain > 0], [r for r in rows if r.gain > 1]
    worse = [r for r in rows if r.gain <= 0]
    return [
        rule.kind,
        f"{rule.by:g}",
        f"{rule.since:.0%}",
        f"{saved:.1%}",
        killed(worse),
        killed(better),
        killed(clearly),
    ]


HEAD = (
    "rule",
    "by",
    "from",
    "training time saved",
    "ended of the worse",
    "wrong: ended of the better",
    "of the clearly better",
)


@cache
def _changes(path: Path) -> tuple[Change, ...]:
    return changes_of(measured(path))


def play(rule: Rule | None, setting: Setting, seed: int, path: Path) -> Outcome:
    """One campaign; with a rule its coordinator ends runs by it."""
    policy = {} if rule is None else {"early": rule.kind, "early_by": rule.by, "early_from": rule.since}
    asked = Setting(setting.slots, setting.hours, {**setting.policy, **policy})
    return simulate(Assumptions(), asked, seed, curves=Drawn(_changes(path), seed))


def played(found: dict[Rule | None, list[Outcome]]) -> str:
    """Progress beside the same campaigns without a rule, pair by pair."""
    rows = []
    for rule, outcomes in found.items():
        wrong, better = sum(o.wrongly_ended for o in outcomes), sum(o.truly_better for o in outcomes)
        low, high = wilson(wrong / better, better) if better else (0.0, 1.0)
        rows.append([
            "off" if rule is None else f"{rule.kind} {rule.by:g} from {rule.since:.0%}",
            str(mean((o.experiments + o.ended_early) / o.gpu_s * 3600 for o in outcomes)),
            f"{sum(o.ended_early for o in outcomes) / sum(o.experiments + o.ended_early for o in outcomes):.1%}",
            "" if rule is None else f"{wrong / better:.1%} of {better} ({low:.1%} to {high:.1%})",
            str(mean(o.gain_per_hour * 1000 for o in outcomes)),
            "" if rule is None else str(mean(1000 * (o.gain_per_hour - p.gain_per_hour) for o, p in zip(outcomes, found[None], strict=True))),
        ])  # fmt: skip
    head = (
        "rule",
        "changes tried / GPU-h",
        "ended early",
        "wrong: ended of the truly better",
        "true progress / GPU-h × 1000",
        "more than off",
    )
    return table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--curves", type=Path, default=DATA)
    parser.add_argument("--play", action="store_true", help="play campaigns")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1))
    words = parser.parse_args()
    began = time.monotonic()
    if not words.play:
        print(table(HEAD, [line(rule, tried(rule, words.curves)) for rule in RULES]))
        return
    setting, rules = Setting(words.slots, words.hours, {"baseline_runs": 8}), [None, *PLAYED]
    tasks = [(rule, setting, seed, words.curves) for rule in rules for seed in range(words.repeats)]
    answers = iter(everywhere(play, tasks, words.jobs))
    print(played({rule: [next(answers) for _ in range(words.repeats)] for rule in rules}))
    print(
        f"{words.slots} slots for {words.hours:g} h, {words.repeats} landscapes, means ± 95 %; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
