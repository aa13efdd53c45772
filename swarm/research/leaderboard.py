"""What the leaderboard calls an experiment: derived from its verdict, its runs and the history of best."""

from __future__ import annotations

from swarm.research.experiment import Experiment

AS_GOOD = 0.3  # P(better than best) from which a confirmed experiment counts as tied with best
CONFIRMED = 2  # runs


def state_of(
    experiment: Experiment, best: str | None, promoted_ever: set[str], baseline: str | None, p_vs_best: float | None
) -> str:
    """The state of an experiment in one or two words.

    `promoted_ever`: ids that were best at some time. `p_vs_best`: P(better than best), None where best was not measured
    in the experiment's class. An experiment without a verdict is called by its stage (queued, bound).
    """
    ident, verdict = experiment.id, experiment.verdict
    if ident == best:
        return "best"
    if ident == baseline:
        return "baseline"
    if experiment.origin == "blank":
        return "blank"
    if experiment.dropped:
        return "did not hold"
    if ident in promoted_ever:
        return "was best"
    if verdict != "keep":
        return verdict or experiment.stage
    if experiment.runs < CONFIRMED:
        return "unconfirmed"
    return "tied" if p_vs_best is not None and p_vs_best >= AS_GOOD else "kept"
