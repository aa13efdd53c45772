"""What a campaign came to: its books, and the truth that only the simulation knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.sim.landscape import Landscape, Values, values_of
from bench.sim.path import Path
from swarm.ledger.ledger import Ledger
from swarm.repo import Hub

COUNTED = (  # a crash is a measurement, too; a run in which nothing was changed is none
    "SELECT COUNT(*) FROM experiments WHERE verdict IN ('keep','discard','crash') AND origin IN ('submit','stack','wave')"
)
USES = ("baseline", "screen", "confirm", "reference")  # purposes of runs


@dataclass(frozen=True)
class Outcome:
    """Seconds are virtual. `gpu_s` = the seconds in `used` + `idle_s`."""

    gpu_s: float  # slots times the campaign's time, from its start until its hours were over
    used: dict[str, float]  # of it, by purpose
    booked: float  # of it, by the executor's own books
    experiments: int  # changes that were measured
    gain: float  # true value of the baseline minus that of what is called best at the end
    claimed: float  # the same as the campaign believes
    score: float  # what it believes of the file that it calls best
    records: tuple[
        tuple[float, float, float], ...
    ]  # best's changes: GPU-seconds spent by then, truth before, truth after
    verdicts: dict[str, int]
    ended_early: int = 0  # changes whose run was ended by its loss so far
    truly_better: int = 0  # changes (measured or ended early) whose file is truly better than its parent's
    wrongly_ended: int = 0  # of these, ended early
    path: Path = ()  # what was called best at any time

    @property
    def idle_s(self) -> float:
        return self.gpu_s - sum(self.used.values())

    @property
    def busy(self) -> float:
        """Share of the GPU time in which a run went."""
        return sum(self.used.values()) / self.gpu_s

    @property
    def own(self) -> float:
        """Share of the GPU time in which something new was measured."""
        return self.used["screen"] / self.gpu_s

    @property
    def per_hour(self) -> float:
        """Experiments per GPU-hour."""
        return self.experiments / self.gpu_s * 3600

    @property
    def gain_per_hour(self) -> float:
        """True progress per GPU-hour."""
        return self.gain / self.gpu_s * 3600

    @property
    def false(self) -> int:
        """Records that are no better than what they replaced."""
        return sum(after >= before for _, before, after in self.records)


def outcome_of(
    ledger: Ledger, landscape: Landscape, hub: Hub, spans: Sequence[tuple[str, float, float]], slots: int,
    seen: Sequence[tuple[float, str, float]] = (),
) -> Outcome:  # fmt: skip
    """Read the books of a campaign that has ended. `seen`: when which experiment was called best, and its estimate."""
    campaign = ledger.campaign()
    assert campaign is not None and campaign.best and campaign.baseline
    begin = campaign.created
    end = ledger.value("SELECT at FROM events WHERE kind='ended'")
    rows = ledger.rows("SELECT r.purpose, a.started, a.ended FROM attempts a JOIN runs r ON r.id=a.run")
    used = dict.fromkeys(USES, 0.0)
    for purpose, started, ended in rows:
        used[purpose] = used.get(purpose, 0.0) + max(0.0, min(ended, end) - started)

    def truth(ident: str) -> float:
        return landscape.truth(file_of(ledger, hub, ident))

    records, before = [], truth(campaign.baseline)
    for ident, at in ledger.rows("SELECT experiment, at FROM promotions WHERE withdrawn IS NULL ORDER BY id"):
        records.append(((at - begin) * slots, before, truth(ident)))
        before = truth(ident)
    tried = ledger.rows(
        "SELECT id, parent, runs FROM experiments WHERE origin IN ('submit','stack') AND (runs>0 OR reason LIKE 'ended at %')"
    )
    better = [runs for ident, parent, runs in tried if truth(ident) < truth(parent)]
    gains = {ident: truth(campaign.baseline) - truth(ident) for ident in {ident for _, ident, _ in seen}}
    first, score = (ledger.experiment(ident).estimate or 0.0 for ident in (campaign.baseline, campaign.best))
    return Outcome(
        gpu_s=(end - begin) * slots,
        used=used,
        booked=sum(max(0.0, min(to, end) - since) for _, since, to in spans),
        experiments=ledger.value(COUNTED),
        gain=truth(campaign.baseline) - truth(campaign.best),
        claimed=first - score,
        score=score,
        records=tuple(records),
        verdicts=dict(ledger.rows("SELECT verdict, COUNT(*) FROM experiments WHERE verdict IS NOT NULL GROUP BY verdict")),
        ended_early=sum(runs == 0 for _, _, runs in tried),
        truly_better=len(better),
        wrongly_ended=sum(runs == 0 for runs in better),
        path=tuple(((at - begin) * slots, gains[ident], score) for at, ident, score in seen if at <= end),
    )  # fmt: skip


def file_of(ledger: Ledger, hub: Hub, ident: str) -> Values:
    """The constants of an experiment as it was measured."""
    commit = ledger.experiment(ident).commit
    assert commit is not None
    return values_of(hub.read(commit, "train.py").decode())
