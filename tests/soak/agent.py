"""`python agent.py PROJECT DIARY SEED REST`: an agent that edits at random, submits, and writes down what was taken.

Started by swarm's own `command` agents as one long turn. REST: seconds it thinks between two ideas, on average.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path


def main(project: str, diaries: str, seed: str, rest: str) -> int:
    """Until the campaign is over."""
    sys.path.insert(0, project)
    from swarm.agents import seat as seats
    from tests.soak.diary import Diary, lines

    def work(seat, client, say):  # type: ignore[no-untyped-def]
        diary = Diary(Path(diaries), seat.agent)
        life = random.Random(f"{seed}/{seat.agent}/{lines(diary.path)}")
        return live(seat, client, say, diary, life, float(rest))

    return seats.work(work)


def live(seat, client, say, diary, dice, rest) -> int:  # type: ignore[no-untyped-def]
    """Wait for room, think, edit, submit, write down what was taken."""
    from swarm.agents.contact import Contact
    from tests.soak import task
    from tests.soak.diary import hashes

    contact = Contact(client, say)
    while True:
        answer = contact.wait()
        if answer.get("stop"):
            return 0
        if int(answer.get("room") or 0) <= 0:
            continue
        time.sleep(min(dice.expovariate(1 / rest), 5 * rest))
        sort = task.kind(dice)
        edit(seat.worktree, sort, dice)
        files = {name: data for name in seat.edit if (data := read(seat.worktree / name)) is not None}
        experiment, _ = contact.submit(f"{sort} {dice.randrange(10**6)}")
        if experiment is not None:
            diary.note("submitted", experiment=experiment, files=hashes(files))


def edit(worktree: Path, sort: str, dice: random.Random) -> None:
    """Change the worktree; now and then as no agent should."""
    from tests.soak import task

    path = worktree / "train.py"
    text = read(path)
    path.write_text(task.changed(task.TRAIN if text is None else text.decode(errors="replace"), sort, dice))
    if sort == "gone":
        path.unlink()
    elif sort == "meddle":
        (worktree / "prepare.py").write_text("FROZEN = 0\n")
    elif sort == "commit":
        words = ["git", "commit", "-q", "-a", "-m", "all by myself"]
        subprocess.run(words, cwd=worktree, capture_output=True, check=False, timeout=60)


def read(path: Path) -> bytes | None:
    """The file's bytes, None when there is none."""
    try:
        return path.read_bytes()
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
