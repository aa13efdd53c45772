"""What `--roles experimenter:6,verifier:1,analyst:1` means: who of the agents does what. Only experimenters get GPUs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Sequence

from swarm.cli import packaged
from swarm.errors import UsageError
from swarm.research import roles
from swarm.research.roles import ABLE, EXPERIMENTER, FOLDER, ROLES
from swarm.slots import parse_agents
from swarm.workspace import Workspace

COUNT = re.compile(r"[1-9]\d{0,2}")


def parse(text: str | None) -> dict[str, int]:
    """How many of each role; nothing for nothing. Raises UsageError for words that are no roles."""
    found: dict[str, int] = {}
    for word in (text or "").replace(" ", "").split(",") if text else []:
        role, _, count = word.partition(":")
        if role not in ROLES or not COUNT.fullmatch(count or "1") or role in found:
            raise UsageError(
                f"--roles {text}: roles with counts. There are {', '.join(ROLES)}.",
                "--roles experimenter:6,verifier:1,analyst:1",
            )
        found[role] = int(count or "1")
    return found


def experimenters(wish: str | None, count: int | None) -> str | None:
    """The wish for agents when so many of them experiment: the kinds in turn. Raises UsageError where both say how many."""
    if count is None:
        return wish
    kinds = parse_agents(wish)
    if any(n for _, n in kinds):
        raise UsageError(
            f"--agents {wish} and --roles experimenter:{count} both say how many.",
            f"--agents {','.join(dict.fromkeys(k for k, _ in kinds))} --roles experimenter:{count}",
        )
    each = [kinds[i % len(kinds)][0] for i in range(count)]
    return ",".join(f"{kind}:{each.count(kind)}" for kind in dict.fromkeys(each))


def others(
    asked: dict[str, int], wish: str | None, sorts: dict[str, str], used: Collection[str]
) -> list[tuple[str, str, str]]:
    """Name, word and role of the agents that do not experiment, of the wished kinds that can. `sorts`: kind by word.

    Raises UsageError when no wished kind can have such a role.
    """
    wanted = [role for role, n in asked.items() if role != EXPERIMENTER for _ in range(n)]
    if not wanted:
        return []
    able = [word for word, _ in parse_agents(wish) if roles.able(wanted[0], sorts.get(word, word))]
    if not able:
        raise UsageError(
            f"--roles: a {wanted[0]} reads and writes, which no {wish or 'tuner'} can.",
            f"Have {' or '.join(ABLE[:2])} among the agents: --agents claude,tuner --roles {wanted[0]}:1   "
            "(verifying and statistics go on by themselves without)",
        )
    taken = set(used)
    found = []
    for i, role in enumerate(wanted):
        name = next(n for k in range(1, len(taken) + 2) if (n := f"{role}-{k}") not in taken)
        taken.add(name)
        found.append((name, able[i % len(able)], role))
    return found


def program(workspace: Workspace, role: str) -> str:
    """The name of a role's program; copied into programs/ where it is missing, so that it can be edited there."""
    path = workspace.programs / FOLDER / f"{role}.md"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(packaged.programs() / FOLDER / f"{role}.md", path)
    return f"{FOLDER}{role}"


def lines(agents: Sequence[dict[str, object]]) -> list[str]:
    """`2 of them experiment, 1 is an analyst`, where there is more than one role."""
    mine = [str(a.get("role") or EXPERIMENTER) for a in agents]
    rest = [f"{mine.count(r)} {r}{'s' * (mine.count(r) > 1)}" for r in dict.fromkeys(mine) if r != EXPERIMENTER]
    return [f"{', '.join(rest)} without a GPU: they read, note, and say what is doubtful"] if rest else []
