"""What a soak has done, in a few lines."""

from __future__ import annotations

import re
import shutil
from collections import Counter

from tests.soak.driver import Soak
from tests.soak.owner import rows

FIGURES = {
    "experiments": "SELECT COUNT(*) FROM experiments",
    "judged": "SELECT COUNT(*) FROM experiments WHERE verdict IS NOT NULL",
    "kept": "SELECT COUNT(*) FROM experiments WHERE verdict='keep'",
    "crashes": "SELECT COUNT(*) FROM experiments WHERE verdict='crash'",
    "runs finished": "SELECT COUNT(*) FROM runs WHERE status='finished'",
    "runs crashed": "SELECT COUNT(*) FROM runs WHERE status='crashed'",
    "runs cancelled": "SELECT COUNT(*) FROM runs WHERE status='cancelled'",
    "attempts": "SELECT COUNT(*) FROM attempts",
    "lost": "SELECT COUNT(*) FROM attempts WHERE outcome='lost'",
    "by the machine": "SELECT COUNT(*) FROM runs WHERE reason LIKE 'machine:%'",
    "promotions": "SELECT COUNT(*) FROM promotions",
    "withdrawn": "SELECT COUNT(*) FROM promotions WHERE withdrawn IS NOT NULL",
    "agents fallen": "SELECT COUNT(*) FROM events WHERE kind='agent' AND json_extract(data, '$.state')='crashed'",
    "agents restarted": "SELECT COUNT(*) FROM events WHERE kind='agent' AND json_extract(data, '$.state')='restarted'",
    "agents given up": "SELECT COUNT(*) FROM events WHERE kind='agent' AND json_extract(data, '$.why') LIKE 'given up%'",
    "rebases": "SELECT COUNT(*) FROM rebases",
}


def table(soak: Soak) -> str:
    """The closing table: the ledger's figures, the faults, the restarts, what the diary acknowledged."""
    said = "".join(path.read_text() for path in soak.diaries.glob("*.jsonl"))
    log = soak.workspace.log
    logged = "".join(path.read_text(errors="replace") for path in sorted(log.parent.glob(log.name + "*")))
    lines = [(name, rows(soak.workspace.ledger, sql)[0][0]) for name, sql in FIGURES.items()]
    lines += [
        ("acknowledged", said.count('"did": "submitted"')),
        ("lives of the coordinator", logged.count("listening on")),
    ]
    why = rows(
        soak.workspace.ledger, "SELECT SUBSTR(why, 1, 90), COUNT(*) FROM attempts WHERE outcome='lost' GROUP BY 1"
    )
    lines += [(f"lost: {text}", n) for text, n in why]
    used = shutil.disk_usage(soak.disk.path)
    lines += [("MB of the disk used", used.used >> 20), ("MB of the disk", used.total >> 20)]
    lines += [(f"swarm {name}", n) for name, n in sorted(soak.restarts.items())]
    lines += [(f"fault: {name}", n) for name, n in sorted(soak.faults.done.items())]
    lines += [(f"owner: {name}", n) for name, n in sorted(soak.owner.done.items())]
    lines += [(f"refused: {name}", n) for name, n in soak.owner.refused.most_common(8)]
    lines += [(f"in the log: {text}", n) for text, n in errors(logged, str(soak.workspace.root)).most_common(12)]
    return "\n" + "\n".join(f"  {n:>7}  {name}" for name, n in lines)


def errors(log: str, root: str) -> Counter[str]:
    """The exceptions in the coordinator's log, without what differs from one to the next."""
    found = re.findall(r"^[\w.]*(?:Error|Failed|Exception|Damaged|Missing)\b.*$", log, re.M)
    return Counter(re.sub(r"[0-9a-f]{7,}|[0-9]+", "N", line.replace(root, "…"))[:150] for line in found)
