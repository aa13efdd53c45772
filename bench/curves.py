"""Real loss curves for `bench.early`: the template on a core, as given and with constants moved as a tuner moves them.

    python -m bench.curves --out bench/data/curves.json [--changes 60] [--budget flops:4e11]

One process at a time, at low priority, about 10 s a run; what the file holds already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from swarm.agents.proposing import propose
from swarm.agents.space import space
from swarm.cli.packaged import templates
from swarm.research.constants import constants, with_values
from swarm.runner.curve import Curve
from swarm.runner.summary import parse

TIPS: dict[str, dict[str, str]] = {
    "as given": {},
    "tuned": {
        "DEPTH": "1",
        "ASPECT_RATIO": "64",
        "TRAIN_SEQ_LEN": "64",
        "TOTAL_BATCH_SIZE": "1024",
        "UNEMBEDDING_LR": "0.01",
    },
}  # what the changes start from: a first file, and one on which most of what helps has been found
SEEDS = 8  # of each of these files


def asked(source: str, changes: int) -> list[dict[str, Any]]:
    """What is to be measured: file, change, seed. The files take turns, so that the first rows say something already."""
    plan: list[tuple[int, dict[str, Any]]] = []
    for number, (tip, values) in enumerate(TIPS.items()):
        here = with_values(source, values)
        dims, taken = space(constants(here), {}, False, ()), set[str]()
        plan += [(seed, {"tip": tip, "change": {}, "seed": 1000 * number + seed}) for seed in range(SEEDS)]
        for n in range(changes):
            change = propose(dims, (), (), taken, 1000 * number + n) or {}
            plan.append((SEEDS + n, {"tip": tip, "change": change, "seed": 1000 * number + 100 + n}))
    return [row for _, row in sorted(plan, key=lambda pair: pair[0])]


def measured(source: str, prepare: Path, row: dict[str, Any], budget: str) -> dict[str, Any]:
    """One run: its curve and its score (None: it crashed)."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text(with_values(source, {**TIPS[row["tip"]], **row["change"]}))
        (Path(folder) / "prepare.py").write_bytes(prepare.read_bytes())
        env = {**os.environ, "SWARM_BUDGET": budget, "SWARM_SEED": str(row["seed"]), "OMP_NUM_THREADS": "1"}
        argv = ["nice", "-n", "10", sys.executable, "train.py"]
        run = subprocess.run(argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    curve = Curve()
    curve.write(run.stdout)
    summary = parse(run.stdout.decode(errors="replace"), "val_bpb")
    return {**row, "score": summary.score if run.returncode == 0 else None, "curve": curve.points}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--changes", type=int, default=60, help="of each file")
    parser.add_argument("--budget", default="flops:4e11")
    words = parser.parse_args()
    source = (templates() / "train.py").read_text()
    rows = json.loads(words.out.read_text())["runs"] if words.out.exists() else []
    for row in asked(source, words.changes)[len(rows) :]:
        rows.append(measured(source, templates() / "prepare.py", row, words.budget))
        lines = ",\n".join(json.dumps(r) for r in rows)
        words.out.write_text(f'{{"budget": "{words.budget}", "runs": [\n{lines}\n]}}\n')
        print(len(rows), row["tip"], row["change"], rows[-1]["score"], len(rows[-1]["curve"]), flush=True)


if __name__ == "__main__":
    main()
