"""The board of experiments: kept ones, best first. Scores are as printed by the training."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.ledger.reader import Reader
from swarm.research.experiment import Campaign, Experiment, Promotion
from swarm.research.judging import Belief, p_less
from swarm.research.leaderboard import state_of
from swarm.views.gains import Gains, Sure, gains

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
    p_real: float | None = None  # P(its own change is a gain) by all its runs so far; p_better is as judged


@dataclass(frozen=True)
class Blanks:
    """Runs of best with nothing changed, judged like changes: what of them was kept, or would have been promoted, is luck.

    `p`: the sum of P(better) of the kept.
    """

    kept: int = 0
    discarded: int = 0
    crashed: int = 0
    promoted: int = 0
    p: float = 0.0

    @property
    def count(self) -> int:
        return self.kept + self.discarded + self.crashed

    @classmethod
    def of(cls, reader: Reader, campaign: Campaign) -> Blanks:
        """As the coordinator counted them."""
        return cls(**(reader.figure(campaign.id, "blanks") or {}))


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
    gains: Gains | None = None


class Judge:
    """Turns experiments of one campaign into rows."""

    def __init__(self, reader: Reader, campaign: Campaign) -> None:
        self.reader = reader
        self.campaign = campaign
        self.sign = 1.0 if campaign.better == "lower" else -1.0
        self.sure = Sure(reader, campaign)
        self.promotions = reader.promotions(campaign.id)
        self.promoted = {p.experiment for p in self.promotions}
        best = reader.experiment(campaign.best) if campaign.best else None
        self._best = self._belief(best)
        self._klass = best.klass if best else None
        self._hardware: dict[int | None, str | None] = {}

    def row(self, e: Experiment, rank: int | None = None) -> Row:
        mine = self._belief(e)
        p = p_less(mine, self._best) if mine and self._best and e.klass == self._klass else None
        state = state_of(e, self.campaign.best, self.promoted, self.campaign.baseline, p)
        return Row(
            rank, e.id, e.commit, e.agent, e.raw, e.estimate, e.stderr, e.runs, state, e.verdict, e.p_better, e.kind,
            e.lines, self.hardware(e.klass), e.peak_vram_mb, e.measured_by, e.description, self.sure.better(e),
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
        count = verdicts(reader.verdicts(campaign.id), reader, campaign)
        blanks = Blanks.of(reader, campaign)
        sql = "SELECT COUNT(*) FROM experiments WHERE campaign=? AND estimate IS NOT NULL AND klass IS NOT ?"
        many = reader.value("SELECT COUNT(DISTINCT klass) FROM slots WHERE campaign=?", campaign.id) > 1
        elsewhere = int(reader.value(sql, campaign.id, home)) if many else 0
        return Board(
            campaign.metric, campaign.better, judge.hardware(home), tuple(rows), tuple(r for r in below if r),
            sum(count.get(v, 0) for v in JUDGED) - blanks.count, count.get("keep", 0) - blanks.kept,
            real(judge.sure, reader, campaign), elsewhere, raw, gains(reader, campaign),
        )  # fmt: skip


def real(sure: Sure, reader: Reader, campaign: Campaign) -> float:
    """How many of the kept changes are gains: the sum of their posteriors; of an older ledger, of what was judged."""
    return reader.real(campaign.id) if sure.real is None else sure.real


def verdicts(found: dict[str, int], reader: Reader, campaign: Campaign) -> dict[str, int]:
    """Experiments by verdict; the baseline is none."""
    verdict = reader.value("SELECT verdict FROM experiments WHERE id=?", campaign.baseline)
    return found if verdict is None else {**found, verdict: found[verdict] - 1}
