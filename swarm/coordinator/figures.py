"""What the coordinator computed last and screens draw: the noise of each hardware class, and how large effects are."""

from __future__ import annotations

import json
import math
from typing import Any

from swarm.coordinator.world import World
from swarm.research import seeds
from swarm.research.effects import plain


def renew(w: World) -> None:
    """Write down what has changed. To be called in the transaction of a result. The noise is the control's too."""
    put(w, "noise", {str(klass): noise(w, klass) for klass in sorted(w.beliefs.classes)})
    if not w.beside:
        put(w, "effects", effects(w))


def put(w: World, name: str, value: Any) -> None:
    """Nothing is written that stands there already."""
    text = json.dumps(value)
    if w.figures.get(name) != text:
        w.ledger.set_figure(w.ground, name, value, w.now)
        w.figures[name] = text


def noise(w: World, klass: int) -> dict[str, Any]:
    """In the units of the score, as losses. `spread`: what a run is judged with; `alike`: what seeds do to all commits."""
    found = w.beliefs.noise(klass)
    return {
        "sd": found.sd, "df": round(found.df, 1), "exact": found.exact, "seed": found.seed, "repeat": found.repeat,
        "spread": w.beliefs.spread(klass), "alike": seeds.plain(w.beliefs.classes[klass].seeds),
    }  # fmt: skip


def effects(w: World) -> dict[str, Any]:
    """The fitted prior (None until enough was judged), and how many of the kept changes are real gains."""
    kinds = {kind or "all": plain(prior) for kind, prior in w.beliefs.effects.items()}
    return {"real": math.fsum(_kept(w).values()), "kept": len(_kept(w)), **kinds}


def gained(w: World, ident: str, klass: int) -> None:
    """What is believed of a kept change has moved, or it was kept just now."""
    effect = w.beliefs.effect(ident, klass)
    _kept(w)[ident] = 0.5 if effect is None else effect.gain


def _kept(w: World) -> dict[str, float]:
    """P(a gain) of all that was kept, by experiment."""
    if w.kept is None:
        w.kept = {}
        sql = "SELECT id, klass FROM experiments WHERE campaign=? AND verdict='keep' AND origin!='blank'"
        for ident, klass in w.ledger.rows(sql, w.campaign.id):
            gained(w, ident, klass)
    return w.kept
