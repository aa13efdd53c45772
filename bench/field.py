"""A real swarm for measuring: the command line, keeper, coordinator, runners and sandbox as a person has them.

Its one stand-in is the agent: its process sleeps, and the benchmark submits in its name at the real door, so that the
queue is always full and no thinking is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from swarm.client import Client
from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace
from tests.e2e.box import Box

# When the training's first and last line ran, by the machine's monotonic clock: all else between two runs is ours.
TRAIN = '''"""One run: it sleeps, and says when it began and ended."""

import time

begin = time.monotonic()

import os
import random

A = 1.0

SECONDS = 1.0

time.sleep(SECONDS)
print(f"begin: {begin:.4f}")
print("---")
print(f"val_bpb: {3.0 + random.Random(int(os.environ['SWARM_SEED'])).gauss(0, 0.005):.6f}")
print(f"end: {time.monotonic():.4f}", flush=True)
'''


class Field:
    """A workspace with `slots` slots and `agents` agents that share them. Use it in a `with`."""

    def __init__(self, folder: Path, slots: int, agents: int, seconds: float) -> None:
        self.box = Box(folder, TRAIN.replace("SECONDS = 1.0", f"SECONDS = {seconds}"))
        self.workspace = Workspace(self.box.ws)
        self.slots, self.agents = slots, agents
        self._over = threading.Event()
        self._crowd: list[threading.Thread] = []
        self.acknowledged: list[str] = []  # experiments that the door took

    def __enter__(self) -> Field:
        """Spawn by the command line; slots beyond the machine's cores are leased at the same door."""
        cores = min(self.slots, len(os.sched_getaffinity(0)))
        words = ["--device", "cpu", "--gpus", str(cores), "--agents", f"command:{max(2, self.agents)}", "--hours", "1"]
        try:
            self.box.run("spawn", *words, "--command", "sleep 3600")
            if self.slots > cores:
                self._lease(cores)
        except BaseException:
            self.box.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()
        self.box.close()

    def _lease(self, first: int) -> None:
        """More slots than cores: what the command line will not do for a person, the door does."""
        rows = self.box.query("SELECT c.accelerator, c.torch FROM slots s JOIN classes c ON c.id=s.klass LIMIT 1")
        task = json.loads(self.box.value("SELECT task FROM campaigns"))["task"]
        slots = [
            {"id": str(n), "devices": f"cpu:{n}", "accelerator": rows[0][0], "torch": rows[0][1]}
            for n in range(first, self.slots)
        ]
        Client.at(self.workspace).post("spawn", task=task, slots=slots)

    # --- the agents' part -------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Keep every queue full from now on."""
        names = [name for (name,) in self.box.query("SELECT name FROM agents WHERE kind='command'")]
        for n, name in enumerate(names):
            self._crowd.append(threading.Thread(target=self._work, args=(name, n), daemon=True))
            self._crowd[-1].start()

    def rest(self) -> None:
        """No more is submitted, until `fill` is called again."""
        self._over.set()
        for thread in self._crowd:
            thread.join(60)
        self._crowd.clear()
        self._over.clear()

    def drained(self) -> None:
        """Wait until nothing runs and nothing is queued."""
        self.box.until("SELECT COUNT(*)=0 FROM runs WHERE status IN ('queued','running')", patience=300)
        self.box.until("SELECT COUNT(*)=0 FROM experiments WHERE stage!='done'", patience=300)

    def _work(self, name: str, n: int) -> None:
        client = Client.at(self.workspace, f"agent.{name}")
        count = 0
        while not self._over.is_set():
            try:
                if not client.post("wait", timeout=5.0)["room"]:
                    continue
                count += 1
                answer = client.post("submit/values", values={"A": f"{n + 2}.{count:06d}"}, description=f"{n} {count}")
                self.acknowledged.append(str(answer["experiment"]))
            except Refused:
                time.sleep(0.05)
            except SwarmError:
                if not self._over.is_set():
                    raise

    # --- what was measured ------------------------------------------------------------------------------------

    def spans(self) -> list[tuple[str, int, float, float]]:
        """Slot, run, begin and end of every training that printed both, in the order of their beginnings."""
        found = []
        for run, n, slot in self.box.query("SELECT run, n, slot FROM attempts WHERE outcome='finished'"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                begin, end = span(self.workspace.run_folder(run, n))
                found.append((str(slot), int(run), begin, end))
        return sorted(found, key=lambda s: s[2])


def span(folder: Path) -> tuple[float, float]:
    """When the training of a run's folder began and ended."""
    said = dict(line.split(": ") for line in (folder / "log.txt").read_text().splitlines() if ": " in line)
    return float(said["begin"]), float(said["end"])


def gaps(spans: Sequence[tuple[str, int, float, float]]) -> Iterator[float]:
    """Seconds between the end of a training and the beginning of the next one on the same slot."""
    ends: dict[str, float] = {}
    for slot, _, begin, end in spans:
        if slot in ends:
            yield begin - ends[slot]
        ends[slot] = end


def told(name: str, values: Sequence[float], unit: str = "s", scale: float = 1.0) -> str:
    """`name  median (quartiles, least to most, n)`."""
    v = sorted(x * scale for x in values)
    if len(v) < 2:
        return f"{name:<34} {v[0] if v else float('nan'):8.3f} {unit}  (n={len(v)})"
    low, middle, high = statistics.quantiles(v, n=4, method="inclusive")
    return f"{name:<34} {middle:8.3f} {unit}  (quartiles {low:.3f} to {high:.3f}, all {v[0]:.3f} to {v[-1]:.3f}, n={len(v)})"


def machine() -> str:
    """What this was measured on."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = platform.system()
    load = os.getloadavg()[0]
    return f"{len(os.sched_getaffinity(0))} cores, {system}, Python {platform.python_version()}, load {load:.1f}"


def by_hand(command: Sequence[str]) -> None:
    """Run a command as a shell would, saying nothing."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
