"""What is believed of every measured experiment: its runs, shrunk towards its parent's.

Kept in memory by the one writer and read again from the ledger at start. All values are losses (lower is better).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from swarm.research.judging import Belief, Noise, pooled, posterior


@dataclass
class Node:
    """An experiment in a hardware class: `losses` of its finished runs. A parent is bound before its children."""

    parent: str | None
    bound: int
    losses: dict[int, list[float]] = field(default_factory=dict)


@dataclass
class Beliefs:
    """Noise per class and one posterior per experiment, renewed when runs come in."""

    nodes: dict[str, Node] = field(default_factory=dict)
    _noise: dict[int, Noise] = field(default_factory=dict)
    _known: dict[tuple[str, int], Belief | None] = field(default_factory=dict)

    def load(self, rows: Iterable[tuple[str, str | None, int, int, float]]) -> None:
        """`rows`: experiment, parent, bound, class, loss; one per finished run."""
        for ident, parent, bound, klass, loss in rows:
            self.add(ident, parent, bound, klass, loss)

    def add(self, ident: str, parent: str | None, bound: int, klass: int, loss: float) -> None:
        """A new run; everything derived is computed anew when it is asked for."""
        node = self.nodes.setdefault(ident, Node(parent, bound))
        node.losses.setdefault(klass, []).append(loss)
        self._noise.clear()
        self._known.clear()

    def noise(self, klass: int) -> Noise:
        """The spread of one run about another of the same commit, pooled over the class."""
        if klass not in self._noise:
            groups = [n.losses[klass] for n in self.nodes.values() if len(n.losses.get(klass, ())) > 1]
            self._noise[klass] = pooled(groups, None)
        return self._noise[klass]

    def losses(self, ident: str, klass: int) -> list[float]:
        node = self.nodes.get(ident)
        return node.losses.get(klass, []) if node else []

    def of(self, ident: str | None, klass: int) -> Belief | None:
        """The posterior, or None where nothing was measured in this class. Lineages are long: no recursion."""
        chain: list[str] = []
        at = ident
        while at is not None and (at, klass) not in self._known and at in self.nodes:
            chain.append(at)
            at = self.nodes[at].parent
        belief = self._known.get((at, klass)) if at is not None else None
        noise = self.noise(klass)
        for name in reversed(chain):
            losses = self.nodes[name].losses.get(klass)
            if losses:
                mean = math.fsum(losses) / len(losses)
                belief = posterior(None if noise.exact else belief, mean, len(losses), noise.sd, noise.sd)
            self._known[name, klass] = belief if losses else None
            # an unmeasured link in the chain hands its parent's belief down
        return self._known.get((ident, klass)) if ident is not None else None

    def changed(self, klass: int, since: dict[str, Belief]) -> list[tuple[str, Belief]]:
        """Posteriors that differ from `since` by more than a hundredth of their own uncertainty; `since` is renewed."""
        out = []
        for ident, node in self.nodes.items():
            if klass not in node.losses:
                continue
            now = self.of(ident, klass)
            was = since.get(ident)
            if now is not None and (was is None or _differs(was, now)):
                since[ident] = now
                out.append((ident, now))
        return out


def _differs(a: Belief, b: Belief) -> bool:
    scale = 0.01 * math.sqrt(max(a.v, b.v)) + 1e-12
    return abs(a.m - b.m) > scale or abs(math.sqrt(a.v) - math.sqrt(b.v)) > scale
