"""`make demo`: a small swarm on two CPU cores, from nothing to a confirmed promotion and a picture.

Everything is done by the `swarm` command, as a person would; what is shown live is read from the workspace's results.db.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

PROJECT = Path(__file__).resolve().parent.parent
LONGEST = 6  # minutes
SEARCH = 285.0  # seconds after the start of the demo: then the search ends, whatever was found
ENOUGH = 20  # experiments; with a confirmed promotion the search may end
SETTLE = 8.0  # seconds after a promotion in which rebases are dealt out
LAST_RUNS = 30.0  # seconds that the runs in progress get to finish
BUDGET = "flops:4e11"  # per run: about five seconds of training on one core
TICK = 0.5

console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


class Demo:
    """One workspace, and when it began."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.cores = min(2, len(os.sched_getaffinity(0)))
        self.seen = 0

    def swarm(self, *words: str, check: bool = True) -> int:
        """Run `swarm WORDS` in the workspace, shown as a person would type it. Raises SystemExit when it fails."""
        console.print(f"\n[bold]$ swarm {escape(' '.join(words))}[/bold]")
        done = subprocess.run(self.argv(*words), cwd=self.folder, stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode:
            raise SystemExit(f"demo: swarm {words[0]} ended with {done.returncode}; its words are above.")
        return done.returncode

    @staticmethod
    def argv(*words: str) -> list[str]:
        return [sys.executable, "-m", "swarm", *words]

    def rows(self, sql: str, *args: object) -> list[sqlite3.Row]:
        """What results.db answers, read-only; nothing before it is there."""
        path = self.folder / ".swarm" / "results.db"
        if not path.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
                db.row_factory = sqlite3.Row
                return db.execute(sql, args).fetchall()
        except sqlite3.Error:
            return []  # being made just now

    def value(self, sql: str, *args: object) -> Any:
        found = self.rows(sql, *args)
        return found[0][0] if found else None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def ended(self) -> bool:
        return bool(self.value("SELECT state FROM campaigns ORDER BY id DESC LIMIT 1") == "ended")

    @property
    def experiments(self) -> int:
        return int(
            self.value("SELECT COUNT(*) FROM experiments WHERE stage='done' AND origin!='baseline' AND runs>0") or 0
        )

    def confirmed(self) -> sqlite3.Row | None:
        """The last promotion that a second measurement confirmed and nothing withdrew."""
        sql = "SELECT * FROM promotions WHERE by='confirmation' AND withdrawn IS NULL ORDER BY id DESC LIMIT 1"
        return next(iter(self.rows(sql)), None)

    def measuring(self) -> int:
        """Rebases whose re-measurement is not there yet."""
        return int(self.value("SELECT COUNT(*) FROM rebases WHERE outcome='measuring'") or 0)

    def done(self) -> bool:
        """Whether all was seen that there is to see."""
        last = self.confirmed()
        settled = last is not None and time.time() - last["at"] > SETTLE
        return settled and self.experiments >= ENOUGH and not self.measuring()


def main() -> int:
    demo = Demo(next_folder(PROJECT / "demo"))
    console.print(
        f"[bold]A small swarm on {demo.cores} CPU cores.[/bold] It takes about 5 minutes, {LONGEST} at most; ctrl-C ends it.\n"
        "  This is a toy: a 0.3M-parameter GPT that trains for seconds per run on your Python's own library.\n"
        "  On a GPU the same commands train a 50M-parameter one for 5 minutes per run.\n"
        f"  Workspace: {escape(str(demo.folder.relative_to(PROJECT)))}"
    )
    try:
        prepare(demo)
        search(demo)
        return ending(demo)
    except KeyboardInterrupt:
        console.print("\nstopped by you")
        return 130
    finally:
        stop(demo)


def next_folder(parent: Path) -> Path:
    """demo/1, demo/2, …: earlier ones stay as they are."""
    taken = [int(p.name) for p in parent.glob("*") if p.name.isdigit()] if parent.is_dir() else []
    return parent / str(max(taken, default=0) + 1)


def prepare(demo: Demo) -> None:
    """A workspace with the template as its task, and the data."""
    demo.folder.parent.mkdir(exist_ok=True)
    subprocess.run(
        demo.argv("init", str(demo.folder)),
        cwd=demo.folder.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    yaml = demo.folder / "swarm.yaml"
    yaml.write_text(f"task: {{path: task, budget: '{BUDGET}'}}\ndevice: cpu\n")
    demo.swarm("prepare", "--device", "cpu")


def search(demo: Demo) -> None:
    """Spawn, and show what happens until there is enough of it or the time is over."""
    hours = (SEARCH - demo.seconds + LAST_RUNS) / 3600  # a net: it ends also when this script dies
    demo.swarm("spawn", "--device", "cpu", "--gpus", str(demo.cores), "--agents", "tuner", "--hours", f"{hours:.3f}")
    console.print()
    with board(demo) as draw:
        while demo.seconds < SEARCH and not demo.done() and not demo.ended:
            draw()
            time.sleep(TICK)
        draw()
        end_search(demo, draw)


def end_search(demo: Demo, draw: Callable[[], None]) -> None:
    """End the search; what runs may finish."""
    subprocess.run(demo.argv("stop"), cwd=demo.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    end = demo.seconds + LAST_RUNS
    while not demo.ended and demo.seconds < end:
        draw()
        time.sleep(TICK)


@contextlib.contextmanager
def board(demo: Demo) -> Iterator[Callable[[], None]]:
    """A live board in a terminal, plain lines elsewhere. Yields what draws it."""
    bars = Progress(
        TextColumn("  {task.description:<12}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    clock = bars.add_task("seconds", total=int(SEARCH))
    count = bars.add_task("experiments", total=ENOUGH)
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(console=console, transient=True)) if console.is_terminal else None
        told = [0.0]

        def draw() -> None:
            for line in news(demo):
                console.print(line, markup=False, soft_wrap=True)
            bars.update(clock, completed=min(int(demo.seconds), int(SEARCH)))
            bars.update(count, completed=demo.experiments, total=max(ENOUGH, demo.experiments))
            if live is not None:
                live.update(Group(bars, *(Text(f"  {line}") for line in now(demo))))
            elif demo.seconds - told[0] > 20:
                told[0] = demo.seconds
                console.print(
                    f"  {demo.seconds:.0f} s · {demo.experiments} experiments · {now(demo)[0]}",
                    markup=False,
                    soft_wrap=True,
                )

        yield draw


def now(demo: Demo) -> list[str]:
    """Best so far, and what runs."""
    sql = "SELECT id, estimate, description FROM experiments WHERE verdict='keep' OR id=(SELECT baseline FROM campaigns) ORDER BY estimate IS NULL, estimate LIMIT 1"
    found = next((r for r in demo.rows(sql) if r["estimate"] is not None), None)
    lines = [
        f"best so far {found['estimate']:.4f}  {found['id']} {short(found['description'], 60)}"
        if found
        else "measuring the baseline"
    ]
    for r in demo.rows(
        "SELECT r.experiment, r.purpose, r.slot, r.started, e.agent, e.description FROM runs r "
        "JOIN experiments e ON e.id=r.experiment WHERE r.status='running' ORDER BY r.slot"
    ):
        what = f"{r['agent'] or ''} {short(r['description'])}" if r["purpose"] == "screen" else f"{r['purpose']} run"
        lines.append(
            f"core {r['slot']}: {r['experiment']} {what.strip()}, {time.time() - (r['started'] or time.time()):.0f} s"
        )
    return lines


def news(demo: Demo) -> list[str]:
    """What happened since the last look, a line each."""
    lines = []
    for e in demo.rows(
        "SELECT v.*, x.raw, x.description, x.verdict, x.reason FROM events v LEFT JOIN experiments x ON x.id=v.experiment "
        "WHERE v.seq>? ORDER BY v.seq", demo.seen
    ):  # fmt: skip
        demo.seen = e["seq"]
        if line := told(e, json.loads(e["data"])):
            lines.append(f"  {int(demo.seconds) // 60}:{int(demo.seconds) % 60:02}  {line}")
    return lines


def told(e: sqlite3.Row, data: dict[str, Any]) -> str:
    """An event as a line; empty for what is not worth one."""
    score = f"{e['raw']:.4f}" if e["raw"] is not None else ""
    match e["kind"]:
        case "baseline":
            return f"baseline {data['score']:.4f}, one run spreads by {data['sd']:.4f}"
        case "judged" if data.get("verdict") in ("keep", "discard", "crash"):
            return f"{e['experiment']} {data['verdict']:<8}{score:<7} {e['agent'] or ''}  {short(e['description'])}"
        case "confirming":
            return f"{e['experiment']} looks better than best: measuring it again, with another seed"
        case "not-held":
            return f"{e['experiment']} did not hold when it was measured again"
        case "promoted":
            return f"★ {e['experiment']} {score} is the new best: {short(e['description'])}"
        case "withdrawn":
            return f"{e['experiment']} is withdrawn by its later runs"
        case "rebased":
            moved = (
                f"its changes are measured again on it as {data['stack']}" if data.get("stack") else "it starts from it"
            )
            return f"{e['agent']} is rebased onto best {e['experiment']}: {moved}"
    return ""


def short(text: str, room: int = 56) -> str:
    """A description in one line of so many characters."""
    return text if len(text) <= room else text[: room - 1].rstrip(" ,") + "…"


def ending(demo: Demo) -> int:
    """Leaderboard, promotion, rebases, picture. Returns the exit status."""
    demo.swarm("leaderboard", "-n", "8")
    console.print()
    last = demo.confirmed()
    for line in [*promotions(demo), *rebases(demo)]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    demo.swarm("plot")
    minutes, seconds = divmod(int(demo.seconds), 60)
    place = demo.folder.relative_to(PROJECT)
    console.print(
        f"\n  {demo.experiments} experiments in {minutes} min {seconds} s. All of it stays in {place}: cd {place}, then",
        markup=False,
    )
    console.print("    swarm show EXPERIMENT    swarm diff EXPERIMENT    swarm status", markup=False)
    return 0 if last is not None else 1


def promotions(demo: Demo) -> list[str]:
    """The history of best, in words."""
    found = demo.rows(
        "SELECT p.*, e.raw, e.runs, e.description, e.agent FROM promotions p JOIN experiments e ON e.id=p.experiment "
        "WHERE p.by!='undo' ORDER BY p.id"
    )
    lines = [
        f"promoted  {r['experiment']} {r['raw']:.4f} ({r['runs']} runs) by {r['agent']}: {short(r['description'])}"
        + (f", P(better) {r['p']:.2f}" if r["p"] is not None else "") + (", withdrawn later" if r["withdrawn"] else "")
        for r in found if r["by"] == "confirmation"
    ]  # fmt: skip
    return lines or ["promoted  nothing: no find held when it was measured again, within the time. Run it once more."]


def rebases(demo: Demo) -> list[str]:
    """Who was moved onto a best found by another, and what the re-measurement said."""
    lines = []
    for r in demo.rows("SELECT * FROM rebases ORDER BY seq"):
        said = {
            "fast-forward": "nothing of its own to take along",
            "measuring": f"its changes as {r['stack']}, not measured before the end",
            "replayed": f"its changes as {r['stack']}, measured again: {r['verdict']}"
            + (f" {r['raw']:.4f}" if r["raw"] else ""),
        }.get(
            r["outcome"],
            f"its changes as {r['stack']}, measured again: {r['verdict']}, so it goes on from {r['best']} alone",
        )
        lines.append(f"rebased   {r['agent']} from {r['was']} onto {r['best']}: {said}")
    return lines or ["rebased   nobody: no agent was behind in this run, so none was needed."]


def stop(demo: Demo) -> None:
    """End everything that was started: agents, runs, coordinator and its keeper."""
    if not (demo.folder / ".swarm" / "results.db").exists():
        return
    if not demo.ended:
        subprocess.run(
            demo.argv("stop", "--now"), cwd=demo.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        end = time.monotonic() + 15
        while not demo.ended and time.monotonic() < end:
            time.sleep(0.2)
    for name in ("keeper", "coordinator"):
        lock = demo.folder / ".swarm" / "locks" / f"{name}.lock"
        note = lock if name == "keeper" else demo.folder / ".swarm" / "owner.json"
        with contextlib.suppress(OSError, ValueError, KeyError):
            pid = int(json.loads(note.read_text())["pid"])
            if str(demo.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
