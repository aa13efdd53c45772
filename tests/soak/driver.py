"""A campaign of many slots on a small disk of its own, under faults at random moments, and its end.

Everything lies in one fresh folder: home/ (the HOME of all), task/, disk/ (the mount, with the workspace), diary/ (outside
the disk), shim/ (the clock). A person's own HOME, tmux server and ledger are never touched.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarm import procs
from swarm.workspace import Workspace
from tests.soak import plan, task
from tests.soak.diary import Diary
from tests.soak.disk import Disk
from tests.soak.family import Process, family, hit
from tests.soak.faults import Faults
from tests.soak.owner import Owner, rows, yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
# the real `swarm spawn`, told that this machine has as many cores as there are slots
SPAWN = (
    "import sys; from swarm.slots import choosing; n = int(sys.argv.pop(1)); choosing.cores = lambda: list(range(n)); "
    "from swarm.__main__ import main; main()"
)
PATIENCE = 120.0  # seconds
TICK = 0.1
LOOK = 3.0  # seconds between looks whether somebody has to be revived
PER_MINUTE = 40 << 20  # bytes of disk


@dataclass(frozen=True)
class Wish:
    """What was asked for. `rest`: seconds an agent thinks between two ideas, on average."""

    minutes: float
    seed: int
    slots: int = 64
    rest: float = 8.0


class Soak:
    """One soak in `folder`. `say` prints a line."""

    def __init__(self, folder: Path, wish: Wish, say: Callable[[str], None] = print) -> None:
        self.folder, self.wish, self.say = folder, wish, say
        for name in ("home", "task", "shim"):
            (folder / name).mkdir(parents=True)
        (folder / "task" / "train.py").write_text(task.TRAIN)
        (folder / "task" / "prepare.py").write_text("FROZEN = 1\n")
        shutil.copy(HERE / "shim" / "sitecustomize.py", folder / "shim")
        self.diaries = folder / "diary"
        self.diary = Diary(self.diaries, "driver")
        self.disk = Disk(folder / "disk", (200 << 20) + int(wish.minutes * PER_MINUTE))
        self.workspace = Workspace(folder / "disk" / "a wörkspace")
        self.workspace.root.mkdir()
        self.workspace.yaml.write_text(yaml(folder / "task"))
        self.faults = Faults(self.diary, self.disk, folder / "shim" / "offset", self.family)
        self.owner = Owner(self.workspace, Diary(self.diaries, "owner"), plan.acts(wish.seed, self._seconds), wish.seed)
        self.restarts: Counter[str] = Counter()
        self._looked = 0.0
        self._alive = time.monotonic()
        self._reviving = threading.Thread()

    @property
    def _seconds(self) -> float:
        return self.wish.minutes * 60

    def family(self) -> list[Process]:
        """The processes of this soak."""
        return family(self.workspace.root, self.workspace.session_name)

    # --- the story --------------------------------------------------------------------------------------------

    def run(self) -> list[str]:
        """Begin, disturb, end. Returns what is wrong before the checker has looked: a campaign that did not go on or end."""
        if self.disk.trouble:
            self.say(f"!! NO SMALL DISK ({self.disk.trouble}): disk faults are LEFT OUT. Run it as root.")
        self.begin()
        self.disturb()
        return self.finish()

    def begin(self) -> None:
        """Spawn, and wait until the baseline is measured."""
        agent = [sys.executable, "-P", HERE / "agent.py", PROJECT, self.diaries, self.wish.seed, self.wish.rest]
        self._spawn(str(self.wish.slots), shlex.join(map(str, agent)))
        self._until(
            lambda: self._state() == "searching", PATIENCE + 4 * self.wish.slots, "the baseline was not measured"
        )
        self.diary.note("began")

    def disturb(self) -> None:
        """The plan, moment by moment, while the owner acts."""
        faults = plan.faults(self.wish.seed, self._seconds, not self.disk.trouble)
        began = time.monotonic()
        self.owner.start()
        while (now := time.monotonic() - began) < self._seconds:
            while faults and faults[0].at <= now:
                self.faults.do(faults.pop(0))
            self.faults.undo_due()
            self._look_after()
            time.sleep(TICK)

    def finish(self) -> list[str]:
        """All faults undone, one more result to show that it goes on, then `swarm stop` and the end of everything."""
        self.faults.undo_all()
        self.owner.end()
        if self._reviving.is_alive():
            self._reviving.join()
        self.diary.note("ended")
        wrong = []
        self._resume()
        judged = self._judged()
        for why, true in (
            ("after the faults nothing more was judged", lambda: self._judged() > judged),
            ("the campaign does not end", self._stopped),
            ("processes are left", lambda: not self.family()),
        ):
            try:
                self._until(true, PATIENCE, why)
            except TimeoutError as error:
                wrong.append(str(error))
        self.diary.close()
        return wrong

    def close(self, keep: bool) -> None:
        """Kill what is left, take the disk away; with `keep` what was on it stays in the folder, as `kept`."""
        for _ in range(3):
            for process in self.family():
                hit(process, signal.SIGKILL)
        if keep and not self.disk.trouble:
            shutil.copytree(self.disk.path, self.folder / "kept", symlinks=True, dirs_exist_ok=True, ignore=_unreadable)
        self.disk.unmount()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- parts ------------------------------------------------------------------------------------------------

    def swarm(self, *words: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `swarm WORDS` in the workspace as a person would; `code`: Python to run instead of `-m swarm`."""
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        path = os.pathsep.join([str(self.folder / "shim"), str(PROJECT)])
        env = {**keep, "HOME": str(self.folder / "home"), "PYTHONPATH": path, "TERM": "dumb", "COLUMNS": "100"}
        program = ["-m", "swarm"] if code is None else ["-c", code]
        return subprocess.run(
            [sys.executable, *program, *words], cwd=self.workspace.root, env=env, text=True, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip

    def _spawn(self, gpus: str, command: str) -> None:
        words = ("spawn", "--device", "cpu", "--gpus", gpus, "--agents", "command", "--command", command)
        done = self.swarm(str(self.wish.slots), *words, "--experiments", "1000000", code=SPAWN)
        if done.returncode:
            raise RuntimeError(f"swarm spawn: {done.stdout}{done.stderr}")

    def _look_after(self) -> None:
        """A person who sees that nothing answers any more says `swarm resume`; not at once, the keeper comes first."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        if self._reviving.is_alive() or procs.held(self.workspace.keeper) or procs.held(self.workspace.lock):
            self._alive = now
        elif now - self._alive > LOOK and not self.disk.full:
            self._reviving = threading.Thread(target=self._resume, name="reviving", daemon=True)
            self._reviving.start()  # faults go on meanwhile

    def _resume(self) -> None:
        """`swarm resume`; what it complains of is said."""
        self.restarts["resume"] += 1
        try:
            done = self.swarm("resume")
        except subprocess.TimeoutExpired:
            self.say("swarm resume did not come back")
            return
        if done.returncode:
            self.restarts["resume that failed"] += 1
            self.say(f"swarm resume: {' '.join((done.stdout + done.stderr).split())[:400]}")

    def _state(self) -> str:
        found = rows(self.workspace.ledger, "SELECT state FROM campaigns ORDER BY id DESC LIMIT 1")
        return str(found[0][0]) if found else "none"

    def _judged(self) -> int:
        return int(rows(self.workspace.ledger, "SELECT COUNT(*) FROM experiments WHERE verdict IS NOT NULL")[0][0])

    def _stopped(self) -> bool:
        state = self._state()
        if state in ("baseline", "searching"):
            self.swarm("stop")
        return state == "ended"

    def _until(self, true: Callable[[], bool], patience: float, why: str) -> None:
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"{why} ({patience:.0f} s)")
            time.sleep(5 * TICK)


def _unreadable(folder: str, names: list[str]) -> list[str]:
    """What copytree leaves out: the ballast, and pipes and sockets."""
    return [
        n
        for n in names
        if n == "ballast" or not any(t(f"{folder}/{n}") for t in (os.path.isfile, os.path.isdir, os.path.islink))
    ]
