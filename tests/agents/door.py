"""A coordinator that is played: answers from a list, and the worktree that it would have moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swarm.client import Client, Unanswered
from swarm.errors import Refused
from swarm.ports import Seat

TRAIN = "LR = 0.1\nDEPTH = 2\n\nprint(LR * DEPTH)\n"


def seat_in(folder: Path, kind: str, **options: object) -> Seat:
    """A seat with a worktree that holds a small train.py."""
    worktree, own = folder / "worktrees" / "gpu0-x", folder / "agents" / "gpu0-x"
    worktree.mkdir(parents=True)
    own.mkdir(parents=True)
    (worktree / "train.py").write_text(TRAIN)
    (own / "brief.md").write_text("Look at the learning rate.\n")
    (folder / "token").write_text("t" * 40)
    return Seat(
        "gpu0-x",
        kind,
        worktree,
        own,
        folder / "door.json",
        folder / "token",
        own / "brief.md",
        ("train.py",),
        "",
        options,
    )


class Door(Client):
    """`answers`: what `wait` says, one after the other; then that the campaign is over. Submissions always find room,
    get a number, and the worktree goes back to what it was."""

    def __init__(
        self, seat: Seat, answers: Sequence[dict[str, Any]] = (), refuse: Callable[[str], str] = lambda text: ""
    ) -> None:
        super().__init__("http://127.0.0.1:9", "t" * 40)
        self.patience = 0.0
        self.seat = seat
        self.answers = list(answers)
        self.refuse = refuse
        self.submitted: list[tuple[str, str]] = []  # description and text of train.py
        self.asked: list[str] = []
        self.turns: list[dict[str, Any]] = []  # what it said of costs and limits
        self.heard: list[int] = []
        self.deaf = 0  # so often it does not take what is said of turns

    def post(self, path: str, /, **body: Any) -> dict[str, Any]:
        self.asked.append(path)
        if path == "wait":
            self.heard.append(body["heard"])
            blank = {"stop": False, "why": "", "room": 1, "tip": "e0001", "base": "e0001", "news": [], "results": []}
            return {**blank, **(self.answers.pop(0) if self.answers else {"stop": True, "why": "enough"})}
        if path == "turn":
            if self.deaf:
                self.deaf -= 1
                raise Unanswered("nobody answers")
            self.turns.append(body)
            return {"stop": False}
        assert path == "submit"
        file = self.seat.worktree / "train.py"
        if why := self.refuse(file.read_text()):
            raise Refused(why)
        self.submitted.append((body["description"], file.read_text()))
        file.write_text(TRAIN)
        return {"experiment": f"e{len(self.submitted) + 1:04d}", "diff": "", "notes": [], "room": 1}

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        if path == "status":
            return {"campaign": "c1", "metric": "val_bpb", "better": "lower", "budget": "wall:300"}
        return {
            "experiments": [{"experiment": "e0001", "estimate": 2.0, "state": "baseline", "description": "as given"}]
        }
