"""What is believed of every measured experiment: its runs, shrunk towards its parent's.

Kept in memory by the one writer and read again from the ledger at start. All values are losses (lower is better). What a
run changes is computed anew, and nothing else, unless the noise or the prior of effects has moved by something that counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from swarm.research.effects import ENOUGH, MOST, Effect, Effects, Seen, believe, fit
from swarm.research.judging import LIMIT, Belief, measured, posterior
from swarm.research.noise import GUESS, Noise, Squares, noise, squares
from swarm.research.seeds import MOST_COMMITS, Seeds, compare

MOVED = 0.02  # share by which the part of the noise that is a run's own must change before all is computed anew
ALIKE = 0.1  # share of a run's own spread by which a seed's offset must change
FRESH, NEW, LATE = 1.1, 60, 0.02  # the prior is fitted again after a tenth more changes, or NEW; late, a fiftieth more


@dataclass(frozen=True)
class Rules:
    """How beliefs are formed; from the campaign's policy."""

    shrink: float = LIMIT  # standard errors by which an estimate is shrunk at most, until the prior is fitted
    fitted: bool = True  # whether it ever is
    guess: float = GUESS  # see noise.noise; as a share of the baseline's score, 0: none
    paired: str = "auto"  # auto | on | off


@dataclass
class Node:
    """An experiment: its finished runs (seed and loss) by hardware class. A parent is bound before its children.

    `kind`: const or code; empty for what is no change of anybody's.
    """

    parent: str | None
    bound: int
    kind: str = ""
    runs: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)

    def by_seed(self, klass: int) -> dict[int, list[float]]:
        found: dict[int, list[float]] = {}
        for seed, loss in self.runs.get(klass, ()):
            found.setdefault(seed, []).append(loss)
        return found


@dataclass
class Class:
    """What is known of a hardware class, and what of it the estimates of now were made with."""

    squares: Squares = field(default_factory=Squares)
    scale: float = 0.0  # of a score
    repeated: dict[str, Squares] = field(default_factory=dict)
    noise: Noise | None = None
    seeds: Seeds | None = None
    used: tuple[Noise, Seeds | None, int] | None = None  # the estimates' own
    known: dict[str, Belief | None] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)  # estimates to be looked at by `changed`


@dataclass
class Beliefs:
    """Noise per class and one posterior per experiment, renewed when runs come in."""

    rules: Rules = field(default_factory=Rules)
    nodes: dict[str, Node] = field(default_factory=dict)
    classes: dict[int, Class] = field(default_factory=dict)
    effects: dict[str, Effects] = field(default_factory=dict)  # by kind; "" of all
    version: int = 0  # of the effects
    _orphans: dict[str, list[str]] = field(default_factory=dict)  # children of what has no run yet
    _fitted: int = 0  # judged changes when they were fitted
    _order: list[tuple[str, int]] = field(default_factory=list)  # changes as they were first measured

    # --- what comes in ----------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[str, str | None, int, int, float, int, str]]) -> None:
        """`rows`: experiment, parent, bound, class, loss, seed, kind; one per finished run."""
        for row in rows:
            self.add(*row)

    def add(
        self, ident: str, parent: str | None, bound: int, klass: int, loss: float, seed: int = 0, kind: str = ""
    ) -> None:
        """A new run; what is derived from it is computed anew when it is asked for."""
        node = self.nodes.get(ident)
        if node is None:
            node = self.nodes[ident] = Node(parent, bound, kind, children=self._orphans.pop(ident, []))
            if parent in self.nodes:
                self.nodes[parent].children.append(ident)
            elif parent is not None:
                self._orphans.setdefault(parent, []).append(ident)
            for other in self.classes.values():  # a link of its children's lineages in any class
                self._forget(other, ident)
        runs = node.runs.setdefault(klass, [])
        runs.append((seed, loss))
        c = self.classes.setdefault(klass, Class())
        if parent is None:
            c.scale = abs(math.fsum(x for _, x in runs) / len(runs))
        if parent is None or len(runs) > 1:
            for other in self.classes.values():  # what little is known of one class is guessed from the others
                other.noise = None
        if len(runs) > 1:
            self._repeated(c, ident, node, klass)
        elif kind and parent is not None:
            self._order.append((ident, klass))
        self._forget(c, ident)

    def _repeated(self, c: Class, ident: str, node: Node, klass: int) -> None:
        by_seed = node.by_seed(klass)
        c.squares.add(c.repeated.get(ident, Squares()), -1)
        c.repeated.pop(ident, None)
        c.repeated[ident] = squares(by_seed)
        c.squares.add(c.repeated[ident])
        if self.rules.paired != "off":
            newest = list(c.repeated)[-MOST_COMMITS:]
            root = next((i for i in c.repeated if self.nodes[i].parent is None), None)
            some = ([root] if root is not None and root not in newest else []) + newest
            c.seeds = compare([self.nodes[i].by_seed(klass) for i in some], self.rules.paired == "on")

    def _forget(self, c: Class, ident: str) -> None:
        """The estimate, and those of all that was built on it."""
        todo = [ident]
        while todo:
            name = todo.pop()
            c.known.pop(name, None)
            c.stale.add(name)
            todo += self.nodes[name].children

    # --- what follows -----------------------------------------------------------------------------------------

    def noise(self, klass: int) -> Noise:
        """The spread of one run about another of the same commit with another seed, pooled over the class."""
        c = self.classes.get(klass)
        if c is None:
            return noise(Squares())
        if c.noise is None:
            c.noise = noise(c.squares, self._guess(klass, c))
        return c.noise

    def _guess(self, klass: int, c: Class) -> float:
        """What a class is taken to be like before its own runs say it: the best known other one, else a share of a score."""
        if self.rules.guess <= 0.0:
            return 0.0
        others = [
            o.squares for k, o in self.classes.items() if k != klass and o.squares.between_df > c.squares.between_df
        ]
        if others and (known := noise(max(others, key=lambda s: s.between_df))).sd > 0.0 and not known.exact:
            return known.sd
        return self.rules.guess * c.scale

    def seeds(self, klass: int) -> Seeds | None:
        """What seeds do to all commits alike, where that is clear; scores are then compared without it."""
        c = self.classes.get(klass)
        found = c.seeds if c is not None else None
        return found if found is not None and found.clear else None

    def spread(self, klass: int) -> float:
        """The standard deviation that a run is judged with: what its seed does to all alike taken off, where it is known."""
        seeds = self.seeds(klass)
        return self.noise(klass).sd if seeds is None else math.sqrt(seeds.own)

    def losses(self, ident: str, klass: int) -> list[float]:
        """As measured."""
        node = self.nodes.get(ident)
        return [loss for _, loss in node.runs.get(klass, ())] if node else []

    def measured(self, ident: str, klass: int) -> Belief:
        """The mean of its runs and the variance of that, by themselves. Raises KeyError without a run in this class."""
        noise, seeds, _ = self._basis(klass)
        return measured(self.nodes[ident].runs[klass], noise.sd, seeds)

    def _basis(self, klass: int) -> tuple[Noise, Seeds | None, int]:
        """Noise and seeds that the estimates of now were made with; new ones when the difference counts."""
        c = self.classes.setdefault(klass, Class())
        now = (self.noise(klass), self.seeds(klass), self.version)
        if c.used is None or _counts(c.used, now):
            c.used = now
            c.known.clear()
            c.stale = {i for i, n in self.nodes.items() if klass in n.runs}
        return c.used

    def of(self, ident: str | None, klass: int) -> Belief | None:
        """The posterior, or None where nothing was measured in this class. Lineages are long: no recursion."""
        noise, seeds, _ = self._basis(klass)
        known = self.classes[klass].known
        chain: list[str] = []
        at = ident
        while at is not None and known.get(at) is None and at in self.nodes:
            chain.append(at)
            at = self.nodes[at].parent
        belief = known.get(at) if at is not None else None
        for name in reversed(chain):
            node = self.nodes[name]
            runs = node.runs.get(klass)
            if runs:
                mine = measured(runs, noise.sd, seeds)
                base = None if noise.exact else belief
                width = noise.sd if seeds is None else math.sqrt(seeds.own)
                belief = posterior(base, mine.m, 1, math.sqrt(mine.v), width, self.rules.shrink, self.prior(node.kind))
            known[name] = belief if runs else None
            # an unmeasured link in the chain hands its parent's belief down
        return known.get(ident) if ident is not None else None

    def changed(self, klass: int, since: dict[str, Belief]) -> list[tuple[str, Belief]]:
        """Posteriors that differ from `since` by more than a hundredth of their own uncertainty; `since` is renewed."""
        self._basis(klass)
        c = self.classes[klass]
        out = []
        for ident in sorted(c.stale, key=lambda i: (self.nodes[i].bound, i)):
            if klass not in self.nodes[ident].runs:
                continue
            now = self.of(ident, klass)
            was = since.get(ident)
            if now is not None and (was is None or _differs(was, now)):
                since[ident] = now
                out.append((ident, now))
        c.stale.clear()
        return out

    # --- effects of changes -----------------------------------------------------------------------------------

    def prior(self, kind: str) -> Effects | None:
        """The fitted prior of a kind of change, where enough were judged; else that of all of them."""
        return self.effects.get(kind) or self.effects.get("")

    def seen(self, ident: str, klass: int) -> Seen | None:
        """The effect of an experiment against its parent as measured, and its variance; None where that is not known."""
        node = self.nodes.get(ident)
        if node is None or node.parent is None or klass not in node.runs:
            return None
        parent = self.of(node.parent, klass)
        if parent is None:
            return None
        mine = self.measured(ident, klass)
        return mine.m - parent.m, mine.v + parent.v

    def effect(self, ident: str, klass: int) -> Effect | None:
        """What is believed of its effect: under the fitted prior, else as measured."""
        seen = self.seen(ident, klass)
        if seen is None:
            return None
        prior = self.prior(self.nodes[ident].kind)
        if prior is not None and seen[1] > 0.0 and not self.noise(klass).exact:
            return believe(prior, *seen)
        d, v = seen
        if v <= 0.0 or self.noise(klass).exact:
            return Effect(d, v, float(d < 0), float(d == 0))
        return Effect(d, v, 0.5 * math.erfc(d / math.sqrt(2 * v)), 0.0)

    def refit(self) -> bool:
        """Fit the effects anew when enough more changes were judged. Returns whether that was done."""
        n = len(self._order)
        soon = min(self._fitted * FRESH, self._fitted + max(NEW, LATE * self._fitted))
        if not self.rules.fitted or n < max(ENOUGH, soon):
            return False
        self._fitted = n
        by_kind: dict[str, list[Seen]] = {"": []}
        for ident, klass in self._order[-2 * MOST :]:
            if self.noise(klass).exact or (seen := self.seen(ident, klass)) is None:
                continue
            by_kind[""].append(seen)
            by_kind.setdefault(self.nodes[ident].kind, []).append(seen)
        if len(by_kind) == 2:
            by_kind = {"": by_kind[""]}
        self.effects = {kind: prior for kind, some in by_kind.items() if (prior := fit(some)) is not None}
        self.version += 1
        return True


def _counts(was: tuple[Noise, Seeds | None, int], now: tuple[Noise, Seeds | None, int]) -> bool:
    """Whether a difference is large enough to compute every estimate anew."""
    (a, before, fitted), (b, after, again) = was, now
    if fitted != again or a.exact != b.exact or a.sd != b.sd or (before is None) != (after is None):
        return True
    if before is None or after is None or before is after:
        return False
    if abs(math.sqrt(before.own) - math.sqrt(after.own)) > MOVED * math.sqrt(after.own):
        return True
    most = ALIKE * math.sqrt(after.own)
    return any(
        abs(after.offset.get(s, 0.0) - before.offset.get(s, 0.0)) > most for s in {*after.offset, *before.offset}
    )


def _differs(a: Belief, b: Belief) -> bool:
    scale = 0.01 * math.sqrt(max(a.v, b.v)) + 1e-12
    return abs(a.m - b.m) > scale or abs(math.sqrt(a.v) - math.sqrt(b.v)) > scale
