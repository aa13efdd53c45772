"""What screens draw, as frozen snapshots of the ledger: the board of experiments, and how the campaign goes."""

from swarm.views.progress import AgentRow, Going, Problem, Snapshot, alive, look, snapshot
from swarm.views.ranking import Blanks, Board, Judge, Row, board

__all__ = [
    "AgentRow",
    "Blanks",
    "Board",
    "Going",
    "Judge",
    "Problem",
    "Row",
    "Snapshot",
    "alive",
    "board",
    "look",
    "snapshot",
]
