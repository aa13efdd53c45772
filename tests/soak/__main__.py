"""`python -m tests.soak MINUTES [SEED] [SLOTS] [REST]`: a soak, its checker and a table. Exit 1 when something is wrong."""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.soak import plan
from tests.soak.checker import check
from tests.soak.driver import Soak, Wish
from tests.soak.table import table


def main(words: list[str]) -> int:
    """Run it. Minutes may be a fraction; an empty seed is drawn."""
    minutes, seed, slots, rest = (words + [""] * 4)[:4]
    wish = Wish(float(minutes or 10), int(seed or random.randrange(10**9)), int(slots or 64), float(rest or 8))
    folder = Path(tempfile.mkdtemp(prefix="swarm-soak-"))
    say(f"seed {wish.seed}, {wish.minutes:g} min, {wish.slots} slots, in {folder}")
    (folder / "plan.txt").write_text("\n".join(map(str, sorted(
        [*plan.faults(wish.seed, wish.minutes * 60), *plan.acts(wish.seed, wish.minutes * 60)], key=lambda e: e.at
    ))))  # fmt: skip
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the disk is taken away then too
    soak = Soak(folder / "a soak", wish, say)
    wrong = ["it did not come to its end"]
    try:
        wrong = soak.run()
        wrong += check(soak.workspace.root, soak.diaries)
        say(table(soak))
    except KeyboardInterrupt:
        say("stopped by hand")
    finally:
        soak.close(keep=bool(wrong))
    for finding in wrong:
        say(f"WRONG: {finding}")
    if wrong:
        say(f"seed {wish.seed}; all of it is kept in {folder}")
    else:
        say(f"seed {wish.seed}: nothing is wrong")
        (folder / "plan.txt").unlink()
        folder.rmdir()
    return 1 if wrong else 0


def say(text: str) -> None:
    """A line with the time."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
