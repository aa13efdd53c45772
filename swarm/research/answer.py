"""A wave's answer, as plain data and in a few lines: what each factor does, what does not add up, the best cell. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from swarm.research.factorial import Analysis, Cell, Effect, Pair
from swarm.research.grid import Factor, told

MOST = 6  # lines of one sort


@dataclass(frozen=True)
class Facts:
    """`sign`: times a loss it is a score. `p`: P(the best cell is better than the base), None where it is the base.
    `kept`: its verdict."""

    wave: int
    base: str
    kind: str  # constants | changes
    factors: tuple[Factor, ...]
    metric: str
    sign: float
    sd: float
    p: float | None
    kept: str | None


def answer(
    facts: Facts, cells: Sequence[Cell], shown: Sequence[str], missing: Sequence[Mapping[str, str]], found: Analysis
) -> dict[str, Any]:
    """Everything as it is stored: scores as the training prints them. `shown`: the experiment of each cell."""
    names = [told(facts.factors, c.levels) for c in cells]
    values = [
        {"cell": name, "experiment": ident, "mean": facts.sign * c.mean, "runs": c.n,
         "estimate": facts.sign * b.m, "stderr": math.sqrt(b.v)}
        for name, ident, c, b in zip(names, shown, cells, found.cells, strict=True)
    ]  # fmt: skip
    main = [
        {"factor": f.name, "change": _effect(m.change, facts.sign),
         "levels": [{"level": text, **(_effect(e, facts.sign) or {})} for text, e in zip(f.levels, m.levels, strict=True)]}
        for f, m in zip(facts.factors, found.main, strict=True)
    ]  # fmt: skip
    pairs = [
        {"factors": [facts.factors[f].name for f in p.factors], "sure": p.sure, **(_effect(p.effect, facts.sign) or {}),
         "at": [facts.factors[f].levels[level] for f, level in zip(p.factors, p.at, strict=True)]}
        for p in found.pairs
    ]  # fmt: skip
    best = None if found.best is None else shown[found.best]
    return {
        "wave": facts.wave, "on": facts.base, "sd": facts.sd, "cells": values, "missing": [dict(m) for m in missing],
        "main": main, "pairs": pairs, "best": best, "p": facts.p, "verdict": facts.kept,
        "text": _lines(facts, values, missing, found),
    }  # fmt: skip


def _effect(effect: Effect | None, sign: float) -> dict[str, float] | None:
    """As scores; P(better) is the same for both."""
    return None if effect is None else {**asdict(effect), "value": sign * effect.value}


# --- in words -----------------------------------------------------------------------------------------------------


def _lines(
    facts: Facts, values: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, str]], found: Analysis
) -> list[str]:
    count = len(values) + len(missing)
    head = f"wave {facts.wave} on {facts.base}, {facts.metric}: {len(values)} of {count} cells measured"
    lost = [f"{m['cell']} ({m['why']})" for m in missing[:3]] + (["…"] if len(missing) > 3 else [])
    out = [head + (f"; not {', '.join(lost)}" if lost else "")]
    if found.best is None:
        return [*out, "nothing was measured: there is no answer."]
    out += [f"{f.name} {_main(facts, n, found)}" for n, f in enumerate(facts.factors)]
    return [*out, *_together(facts, found.pairs), _best(facts, values[found.best])]


def _main(facts: Facts, n: int, found: Analysis) -> str:
    factor, main = facts.factors[n], found.main[n]
    if main.change is not None:
        what = "" if facts.kind == "changes" else f"{factor.levels[0]} → {factor.levels[1]}: "
        return what + _told(main.change, facts.sign)
    told = [
        f"{text} {_told(e, facts.sign)}" for text, e in zip(factor.levels, main.levels, strict=True) if e is not None
    ]
    return f"against their mean: {'; '.join(told[:MOST])}" if told else "cannot be told: too few cells were measured"


def _together(facts: Facts, pairs: Sequence[Pair]) -> list[str]:
    """What does not add up, the clearest first."""
    if not pairs:
        return []
    sure = sorted((p for p in pairs if p.sure), key=lambda p: -abs(p.effect.value))
    if not sure:
        return ["they stack: no interaction is seen beyond the noise." if facts.kind == "changes"
                else "their effects add up: no interaction is seen beyond the noise."]  # fmt: skip
    out = []
    for pair in sure[:MOST]:
        a, b = (facts.factors[f] for f in pair.factors)
        if facts.kind == "changes":  # twice the interaction: both in, against the sum of what each does alone
            e = Effect(2 * pair.effect.value, 2 * pair.effect.se, pair.effect.p)
            word = "do not stack" if e.value > 0 else "help each other"
            out.append(f"{a.name} and {b.name} {word}: {_plain(e, facts.sign)} against their sum")
        else:
            at = f"{a.name}={a.levels[pair.at[0]]} with {b.name}={b.levels[pair.at[1]]}"
            out.append(f"{at}: {_plain(pair.effect, facts.sign)} beside what each does alone")
    if len(sure) > MOST:
        out.append(f"… and {len(sure) - MOST} pairs more")
    elif len(sure) < len(pairs):
        out.append("the others stack." if facts.kind == "changes" else "the others add up.")
    return out


def _best(facts: Facts, best: Mapping[str, Any]) -> str:
    value = f"{best['estimate']:.6g} ± {best['stderr']:.2g}"
    if best["experiment"] == facts.base:
        return f"best is {facts.base} as it is, {value}"
    sure = "" if facts.p is None else f", P(better than {facts.base}) {facts.p:.2f}"
    kept = f", {facts.kept}" if facts.kept else ""
    return f"best is {best['experiment']} ({best['cell']}), {value}{sure}{kept}"


def _told(effect: Effect, sign: float) -> str:
    return f"{_plain(effect, sign)}, P(better) {effect.p:.2f}"


def _plain(effect: Effect, sign: float) -> str:
    return f"{sign * effect.value:+.2g} ± {effect.se:.1g}"
