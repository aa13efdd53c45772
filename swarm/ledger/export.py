"""Taking the results along: karpathy's results.tsv, or everything as CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any, TextIO

from swarm.ledger.ledger import columns
from swarm.ledger.reader import Reader
from swarm.research.experiment import Campaign, Experiment

LONG = ("patch", "reason")  # left out of the CSV


def results_tsv(reader: Reader, file: TextIO) -> int:
    """`commit val_bpb memory_gb status description`: a line per judged experiment of the newest campaign, baseline first.

    As autoresearch writes it: 7-character commits, 0.000000 and 0.0 for crashes, memory in GB. Returns the lines written.
    """
    campaign = reader.campaign()
    file.write(f"commit\t{campaign.metric}\tmemory_gb\tstatus\tdescription\n")
    count = 0
    for e in _judged(reader, campaign):
        crashed = e.verdict == "crash" or e.raw is None
        score = "0.000000" if crashed else f"{e.raw:.6f}"
        memory = "0.0" if crashed else f"{(e.peak_vram_mb or 0) / 1024:.1f}"
        status = (
            "crash" if crashed else "keep" if e.origin == "baseline" else e.verdict
        )  # 0.000000 wins nothing as a crash
        file.write(
            f"{(e.commit or e.submitted or '')[:7]}\t{score}\t{memory}\t{status}\t{' '.join(e.description.split())}\n"
        )
        count += 1
    return count


def _judged(reader: Reader, campaign: Campaign) -> Iterator[Experiment]:
    where = (
        "WHERE campaign=? AND stage='done' AND (verdict IN ('keep','discard','crash') OR origin='baseline') "
        "ORDER BY origin!='baseline', bound, rowid"
    )
    for row in reader.db.execute(f"SELECT {columns(Experiment)} FROM experiments {where}", (campaign.id,)):
        yield Experiment(*row)


def everything(reader: Reader) -> Iterator[dict[str, Any]]:
    """Every experiment of the ledger with its hardware, oldest first."""
    names = {h: (a, t, b) for h, a, t, b in reader.rows("SELECT id, accelerator, torch, budget FROM classes")}
    for row in reader.db.execute(f"SELECT {columns(Experiment)} FROM experiments ORDER BY rowid"):
        e = Experiment(*row)
        accelerator, torch, budget = names.get(e.klass or -1, (None, None, None))
        yield asdict(e) | {"hardware": accelerator, "torch": torch, "budget": budget}


def json_lines(reader: Reader, file: TextIO) -> int:
    """One JSON object per experiment, its patch and its runs with it."""
    count = 0
    for item in everything(reader):
        runs = [asdict(r) for r in reader.runs(item["id"])]
        stack = json.loads(item["stack_of"]) if item["stack_of"] else None
        file.write(json.dumps(item | {"stack_of": stack, "measurements": runs}, ensure_ascii=False) + "\n")
        count += 1
    return count


def comma_separated(reader: Reader, file: TextIO) -> int:
    """A table for spreadsheets; texts that would be taken for formulas are quoted."""
    names = [f.name for f in fields(Experiment) if f.name not in LONG] + ["hardware", "torch", "budget"]
    writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    count = 0
    for item in everything(reader):
        writer.writerow({k: _safe(v) for k, v in item.items()})
        count += 1
    return count


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value
