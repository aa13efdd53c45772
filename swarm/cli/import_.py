"""`swarm import results.tsv`: what an earlier autoresearch found, beside the ledger's own experiments.

Imported experiments are shown, never compared: nobody knows on which machine they were measured.
"""

from __future__ import annotations

from pathlib import Path

from swarm import clock
from swarm.cli.places import rest
from swarm.errors import SwarmError
from swarm.workspace import Workspace


def run(workspace: Workspace, file: Path) -> None:
    """Read the file and write down what is not there yet.

    Raises SwarmError when it cannot be read, holds no experiments, or a coordinator runs.
    """
    from swarm.ledger import imported
    from swarm.ledger.tsv import parse

    try:
        table = parse(file.read_text(errors="replace"))
    except OSError as error:
        raise SwarmError(f"cannot read {file}: {error.strerror}.", "swarm import results.tsv") from None
    if not table.rows:
        raise SwarmError(
            f"{file} holds no experiments that can be read.",
            "Lines like: commit, val_bpb, memory_gb, status (keep, discard or crash), description, with tabs between",
        )
    rest(workspace)
    new = imported.write(workspace, table, file.name, clock.now())
    again = f" · {len(table.rows) - new} were there already" if new < len(table.rows) else ""
    skipped = f" · lines that made no sense: {', '.join(map(str, table.skipped[:10]))}" if table.skipped else ""
    print(f"  {new} experiments imported{again}{skipped}. They are shown (swarm show), never ranked with yours.")
