"""For real, on two CPU cores: two tuners apart against two that share what they find, at equal core-time.

    python -m bench.real [--minutes 50] [--each 4] [--budget flops:4e11] [--out docs/real.md]

The real command line, coordinators, runners, walls and trainings of the CPU template. A pair is two campaigns one after the
other, in turn: two workspaces with an agent and a core each, of which the better estimate counts; and one workspace with
both. What each calls best at the end, and the file as given, are measured again outside of any campaign with the same fresh
seeds. A check of `bench.policies`, not a proof: an hour is worth five pairs, and the noise of one run is that of a good find.
Every finished pair is a line of `--cache`; the next call adds to it. Nothing is touched outside a folder of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.sim.outcome import COUNTED
from bench.sim.table import mean, table
from swarm.repo import Hub
from swarm.workspace import Workspace

PROJECT = Path(__file__).resolve().parents[1]
SEEDS = range(9001, 9007)  # no campaign of a few minutes comes so far
LONGEST = 90.0  # seconds that the last runs of a campaign get
MINUTE = 60.0
HEAD = ("pair", "way", "experiments", "promotions", "claimed × 1000", "true × 1000")


class Place:
    """A folder with a HOME of its own, the prepared data in it, and workspaces. `close` ends what lives there."""

    def __init__(self, folder: Path, budget: str) -> None:
        self.folder, self.budget = folder, budget
        self.task = folder / "prepared" / "task"

    def prepare(self) -> None:
        """The data that all workspaces here share."""
        (self.folder / "home").mkdir()
        self.swarm(self.workspace("prepared"), "prepare", "--device", "cpu")

    @property
    def env(self) -> dict[str, str]:
        keep = {name: text for name, text in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
        return {**keep, "HOME": str(self.folder / "home"), "PYTHONPATH": str(PROJECT), "TERM": "dumb", "COLUMNS": "100"}

    def workspace(self, name: str, luck: str) -> Path:
        """A new one with the template as its task. A tuner draws by its agent's name: `luck` is theirs."""
        path = self.folder / name
        path.mkdir()
        self.swarm(path, "init", ".")
        # two runs of the baseline for everybody: three would be a tenth of the time of an agent alone
        policy = "policy: {baseline_runs: 2}\n"
        (path / "swarm.yaml").write_text(
            f"task: {{path: task, budget: '{self.budget}'}}\ndevice: cpu\nagents: {{{luck}: {{kind: tuner}}}}\n{policy}"
        )
        return path

    def swarm(self, workspace: Path, *words: str, check: bool = True) -> None:
        """Run `swarm WORDS` there. Raises RuntimeError with its words when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "swarm", *words], cwd=workspace, env=self.env, text=True, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=600, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"swarm {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")

    def close(self) -> None:
        """End all processes whose command or folder lies in this one, and nobody else's."""
        for pid in ours(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def ours(folder: Path) -> Iterator[int]:
    mark = os.fsencode(folder)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "cmdline").read_bytes() or os.fsencode(os.readlink(entry / "cwd")).startswith(mark):
                    yield int(entry.name)


# --- a campaign ---------------------------------------------------------------------------------------------------


def campaign(place: Place, name: str, luck: str, cores: Sequence[str], seconds: float) -> dict[str, Any]:
    """One workspace per entry of `cores`, side by side. What the one with the best estimate calls best, and counts of all."""
    spaces = [place.workspace(f"{name}-{number}", luck) for number in range(len(cores))]
    net = (seconds + 300) / 3600  # ends it also when this script dies
    with ThreadPoolExecutor(len(spaces)) as pool:
        words = [("spawn", "--device", "cpu", "--gpus", c, "--hours", f"{net:.3f}") for c in cores]
        list(pool.map(lambda pair: place.swarm(pair[0], *pair[1]), zip(spaces, words, strict=True)))
        time.sleep(seconds)
        list(pool.map(lambda space: _stop(place, space), spaces))
    found = [_told(space) for space in spaces]
    best = min(found, key=lambda one: one["score"])
    sums = {word: sum(one[word] for one in found) for word in ("experiments", "promotions")}
    return {**best, **sums}


def _stop(place: Place, space: Path) -> None:
    """Let what runs finish, for a while; then all of it ends."""
    place.swarm(space, "stop", check=False)
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and _value(space, "SELECT state FROM campaigns") != "ended":
        time.sleep(0.5)
    place.swarm(space, "stop", "--now", check=False)
    for pid in ours(space):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _told(space: Path) -> dict[str, Any]:
    """What a finished campaign says of itself. Without a best (it did not get so far) nothing was gained."""
    best, baseline = _value(space, "SELECT best FROM campaigns"), _value(space, "SELECT baseline FROM campaigns")
    scores = [_value(space, "SELECT estimate FROM experiments WHERE id=?", ident) for ident in (baseline, best)]
    counts = {
        "experiments": COUNTED,
        "promotions": "SELECT COUNT(*) FROM promotions WHERE by='confirmation' AND withdrawn IS NULL",
    }
    told: dict[str, Any] = {name: _value(space, sql) for name, sql in counts.items()}
    if None in scores or best == baseline:
        return {**told, "score": scores[0] if scores[0] is not None else float("inf"), "claimed": 0.0, "source": None}
    commit = str(_value(space, 'SELECT "commit" FROM experiments WHERE id=?', best))
    source = Hub(Workspace(space).hidden).read(commit, "train.py").decode()
    return {**told, "score": scores[1], "claimed": scores[0] - scores[1], "source": source}


def _value(space: Path, sql: str, *args: object) -> Any:
    with contextlib.closing(sqlite3.connect(f"file:{space}/.swarm/results.db?mode=ro", uri=True, timeout=20)) as db:
        row = db.execute(sql, args).fetchone()
    return row[0] if row else None


# --- the truth ----------------------------------------------------------------------------------------------------


def measured(place: Place, source: str) -> list[float]:
    """Scores of a train.py outside of any campaign, by seed, two at once."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda seed: _score(place, source, seed), SEEDS))


def _score(place: Place, source: str, seed: int) -> float:
    """Raises RuntimeError when it does not say one."""
    with tempfile.TemporaryDirectory(dir=place.folder, prefix="truth-") as folder:
        (Path(folder) / "train.py").write_text(source)
        shutil.copy(place.task / "prepare.py", folder)
        env = {**place.env, "SWARM_BUDGET": place.budget, "SWARM_SEED": str(seed), "OMP_NUM_THREADS": "1",
               "OMP_WAIT_POLICY": "passive", "CUDA_VISIBLE_DEVICES": ""}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "train.py"], cwd=folder, env=env, text=True, capture_output=True, check=False
        )
        found = re.search(r"^val_bpb:\s+(\S+)", done.stdout, re.M)
        if found is None:
            raise RuntimeError(f"seed {seed}: {done.stdout[-500:]}\n{done.stderr[-2000:]}")
        return float(found[1])


# --- pairs --------------------------------------------------------------------------------------------------------


def pair(place: Place, number: int, seconds: float, given: list[float]) -> list[dict[str, Any]]:
    """Both ways once; who begins changes from pair to pair. `given`: scores of the file as given."""
    ways = {"isolated": ("0,", "1,"), "pollinated": ("0,1",)}
    rows = []
    for way in list(ways) if number % 2 == 0 else list(ways)[::-1]:
        found = campaign(place, f"{number}-{way}", f"luck{number}", ways[way], seconds)
        source = found.pop("source")
        after = given if source is None else measured(place, source)
        gain = statistics.fmean(a - b for a, b in zip(given, after, strict=True))
        rows.append({"pair": number, "way": way, **found, "true": gain, "scores": after})
        print(f"pair {number}: {way:<10} {found['experiments']} experiments, claims {found['claimed']:.4f}, "
              f"true {gain:.4f}", flush=True)  # fmt: skip
    return rows


def told(rows: Sequence[dict[str, Any]], setting: str) -> str:
    """The table, and the difference pair by pair."""
    cells = [[str(r["pair"] + 1), r["way"], str(r["experiments"]), str(r["promotions"]), f"{r['claimed'] * 1000:.1f}",
              f"{r['true'] * 1000:.1f}"] for r in rows]  # fmt: skip
    true = {way: [r["true"] * 1000 for r in rows if r["way"] == way] for way in ("isolated", "pollinated")}
    text = f"{setting}\n\n{table(HEAD, cells)}\n"
    if len(true["isolated"]) < 2:
        return text
    more = mean(b - a for a, b in zip(true["isolated"], true["pollinated"], strict=True))
    said = ", ".join(f"{way} {mean(values)}" for way, values in true.items())
    return f"{text}\nTrue gain × 1000: {said}; pollinated − isolated, pair by pair: {more} (n={more.n}).\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--minutes", type=float, default=50, help="in all; a pair that would not end by then is not begun"
    )
    parser.add_argument("--each", type=float, default=4, help="minutes of a campaign")
    parser.add_argument("--budget", default="flops:4e11", help="of a run")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "swarm-real.jsonl")
    parser.add_argument("--out", type=Path, help="a file for the table")
    words = parser.parse_args()
    key = f"{words.each:g} min each, {words.budget}, 2 cores"
    lines = words.cache.read_text().splitlines() if words.cache.exists() else []
    rows = [row for line in lines if (row := json.loads(line))["key"] == key]
    end, longest = time.monotonic() + words.minutes * MINUTE, 2 * words.each * MINUTE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = Place(Path(tempfile.mkdtemp(prefix="swarm-real-")), words.budget)
    try:
        place.prepare()
        given = measured(place, (place.task / "train.py").read_text())
        while time.monotonic() + longest < end:
            began = time.monotonic()
            made = [{"key": key, **row} for row in pair(place, len(rows) // 2, words.each * MINUTE, given)]
            rows += made
            with words.cache.open("a") as out:
                out.write("".join(json.dumps(row) + "\n" for row in made))
            longest = max(longest, time.monotonic() - began)
    finally:
        place.close()
    text = told(rows, f"{key}; true: mean of {len(SEEDS)} fresh seeds")
    print(text)
    if words.out:
        words.out.write_text(f"# For real, two cores: `python -m bench.real`\n\n{text}")


if __name__ == "__main__":
    main()
