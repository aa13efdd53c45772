"""What `make demo` shows: the workspace's results.db, read-only, in words and bars."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

QUIET = 20.0  # seconds between two lines about nothing new, where there is no terminal


class Record:
    """The ledger of one workspace, and how much of it was told already. `began`: on the monotonic clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.seen = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

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
    def ended(self) -> bool:
        return bool(self.value("SELECT state FROM campaigns ORDER BY id DESC LIMIT 1") == "ended")

    @property
    def experiments(self) -> int:
        return int(self.value("SELECT COUNT(*) FROM experiments WHERE verdict IN ('keep','discard','crash')") or 0)

    def confirmed(self) -> sqlite3.Row | None:
        """The last promotion that a second measurement confirmed and nothing withdrew."""
        sql = "SELECT * FROM promotions WHERE by='confirmation' AND withdrawn IS NULL ORDER BY id DESC LIMIT 1"
        return next(iter(self.rows(sql)), None)

    def confirming(self) -> bool:
        """Whether something that looks better than best is being measured again."""
        sql = "SELECT 1 FROM runs WHERE purpose='confirm' AND status IN ('queued', 'running')"
        return bool(self.value(sql))

    def measuring(self) -> int:
        """Rebases whose re-measurement is not there yet."""
        return int(self.value("SELECT COUNT(*) FROM rebases WHERE outcome='measuring'") or 0)


@contextlib.contextmanager
def board(demo: Record, console: Console, limit: int, enough: int) -> Iterator[Callable[[], None]]:
    """A live board in a terminal, plain lines elsewhere. Yields what draws it."""
    bars = Progress(
        TextColumn("  {task.description:<12}"),
        BarColumn(40),
        MofNCompleteColumn(),
        console=console,
    )
    clock = bars.add_task("seconds", total=limit)
    count = bars.add_task("experiments", total=enough)
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(console=console, transient=True)) if console.is_terminal else None
        spoken = [0.0]

        def draw() -> None:
            for line in news(demo):
                console.print(line, markup=False, soft_wrap=True)
            bars.update(clock, completed=min(int(demo.seconds), limit))
            bars.update(count, completed=demo.experiments, total=max(enough, demo.experiments))
            if live is not None:
                live.update(Group(bars, *(Text(f"  {line}") for line in now(demo))))
            elif demo.seconds - spoken[0] > QUIET:
                spoken[0] = demo.seconds
                console.print(
                    f"  {demo.seconds:.0f} s · {demo.experiments} experiments · {now(demo)[0]}",
                    markup=False,
                    soft_wrap=True,
                )

        yield draw


def now(demo: Record) -> list[str]:
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


def news(demo: Record) -> list[str]:
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


def promotions(demo: Record) -> list[str]:
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


def rebases(demo: Record) -> list[str]:
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
