"""The commands that only look, beside a typer command that does nothing. Ratios, in one run.

    python -m bench.screens [ROUNDS [EXPERIMENTS]]

A finished ledger of EXPERIMENTS (100,000) is written first. Then ROUNDS (15) rounds, each command once per round and in
another order each time, all as console scripts of the same shape, by the same interpreter, their output thrown away.
`wall` is what a person waits for, `cpu` the same work when the machine is busy with other things.
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.field import machine
from bench.season import ledger
from bench.spawn import PROJECT
from swarm.workspace import Workspace

LIMIT = 1.5
NOTHING = '''import typer

app = typer.Typer()


@app.command()
def nothing() -> None:
    """Do nothing."""
'''
SCRIPT = """#!{python}
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.exit({name}())
"""
COMMANDS = {
    "no-op": ("nothing",),
    "no-op --help": ("nothing", "--help"),
    "swarm --help": ("swarm", "--help"),
    "swarm leaderboard": ("swarm", "leaderboard"),
    "swarm leaderboard -n 50": ("swarm", "leaderboard", "-n", "50"),
    "swarm leaderboard --json": ("swarm", "leaderboard", "--json"),
    "swarm status": ("swarm", "status"),
    "swarm status --json": ("swarm", "status", "--json"),
}


def scripts(folder: Path) -> None:
    """Two console scripts, as an installer writes them."""
    (folder / "noop.py").write_text(NOTHING)
    for script, module, name in (("nothing", "noop", "app"), ("swarm", "swarm.__main__", "main")):
        path = folder / script
        path.write_text(SCRIPT.format(python=sys.executable, module=module, name=name))
        path.chmod(0o755)


def timed(argv: list[str], folder: Path, env: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, cwd=folder, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(folder: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Every command in a new order each round; the first round only warms the disk's cache."""
    scripts(folder)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": f"{folder}:{PROJECT}", "TERM": "dumb"}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for n in range(rounds + 1):
        names = list(COMMANDS)
        random.Random(n).shuffle(names)
        for name in names:
            script, *words = COMMANDS[name]
            times = timed([str(folder / script), *words], folder / "ws", env)
            if n:
                found[name].append(times)
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    experiments = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        workspace = Workspace(folder / "ws")
        workspace.make()
        begin = time.monotonic()
        rows = ledger(workspace.ledger, experiments)
        size = workspace.ledger.stat().st_size / 1e6
        told = ", ".join(f"{count} {table}" for table, count in rows.items())
        print(f"{machine()}; ledger of {size:.0f} MB ({told}) written in {time.monotonic() - begin:.0f} s")
        found = measured(folder, rounds)
    base = [statistics.median(column) for column in zip(*found["no-op"], strict=True)]
    print(f"{'median (quartiles), n=' + str(rounds):<26} {'wall ms':>20} {'cpu ms':>20}   × no-op: wall, cpu")
    for name, times in found.items():
        cells, ratios = [], []
        for column, floor in zip(zip(*times, strict=True), base, strict=True):
            low, middle, high = statistics.quantiles(column, n=4, method="inclusive")
            cells.append(f"{1000 * middle:.0f} ({1000 * low:.0f}-{1000 * high:.0f})")
            ratios.append(middle / floor)
        verdict = "" if name.startswith("no-op") else "met" if ratios[0] <= LIMIT else "MISSED"
        print(f"{name:<26} {cells[0]:>20} {cells[1]:>20}   {ratios[0]:.2f}, {ratios[1]:.2f}  {verdict}")


if __name__ == "__main__":
    main()
