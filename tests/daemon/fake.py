"""The hidden commands with a story that only pretends: `python -m tests.daemon.fake _keeper|_coordinator DIR`.

Files in the workspace say how it behaves: `refuse` (the story cannot be built), `broken` (neither, with a bug),
`over` (nothing is left to do).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from swarm.api.desk import Story
from swarm.daemon import coordinator, keeper
from swarm.errors import SwarmError
from swarm.workspace import Workspace
from tests.api.fake import FakeStory

PROGRAM = (sys.executable, "-m", "tests.daemon.fake")
QUIET = 0.3
BEAT = 0.2


class Pretending(FakeStory):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def over(self) -> bool:
        return (self._root / "over").exists()

    def status(self) -> dict[str, object]:
        return {"pid": os.getpid(), "asked": len(self.asked)}


def build(workspace: Workspace) -> Story:
    with (workspace.root / "built").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if (workspace.root / "refuse").exists():
        raise SwarmError("the ledger was written by a newer swarm.", "Update swarm.")
    if (workspace.root / "broken").exists():
        raise RuntimeError("a bug while building")
    return Pretending(workspace.root)


if __name__ == "__main__":
    word, root = sys.argv[1], Path(sys.argv[2])
    if word == "_keeper":
        sys.exit(keeper.main(root, PROGRAM))
    sys.exit(coordinator.main(Workspace(root), build, PROGRAM, QUIET, BEAT))
