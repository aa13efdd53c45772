"""`swarm promote`: ask the coordinator (started for the moment where none runs), and say what moved and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from swarm.cli.figures import score
from swarm.cli.places import owner
from swarm.cli.screen import chance


def run(what: str | None, force: bool = False, hold: bool = False) -> None:
    """Promote `what`, or with None take the last promotion back."""
    client = owner(start=True)
    if what is None:
        answer = client.post("promote/undo")
        print(
            f"  best   {answer['previous']}  →  {answer['experiment']} again. All agents hear of it at their next contact."
        )
        return
    print("\n".join(lines(client.post("promote", what=what, force=force, hold=hold), hold)))


def lines(answer: Mapping[str, Any], held: bool = False) -> list[str]:
    """The drawing of SCREENS: from, to, who is told, how to undo."""
    if answer.get("message"):
        return [f"  {answer['message']}"]
    name = str(answer.get("commit") or "")[:7]
    out = [_moved(answer, name), *_told(answer)]
    keep = (
        "it is held: later runs do not take it back"
        if held
        else f"keep it whatever comes   swarm promote {name} --hold"
    )
    return [*out, f"  undo   swarm promote --undo                 {keep}"]


def _moved(answer: Mapping[str, Any], name: str) -> str:
    was = str(answer.get("previous_experiment") or "nothing")
    p = answer.get("p")
    sure = "" if p is None else f"P(better) {chance(p)}"
    if answer.get("measuring"):
        n = int(answer.get("runs") or 0)
        runs = {0: "no run", 1: "one run"}.get(n, f"{n} runs")
        told = f"{runs} so far" + (f" ({sure})" if sure else "")
        return f"  best   {was}  →  {answer['experiment']} {name}, by you. It has {told}: confirming it now."
    before = f"{was} {_value(answer, 'previous_')}".rstrip()
    return f"  best   {before}  →  {answer['experiment']} {name}  {_value(answer, '')}   {sure}".rstrip()


def _value(answer: Mapping[str, Any], prefix: str) -> str:
    estimate, n = answer.get(prefix + "estimate"), int(answer.get(prefix + "runs") or 0)
    if estimate is None:
        return "(not measured)"
    return f"{score(estimate, answer.get(prefix + 'stderr'))} ({n} run{'s' * (n != 1)})"


def _told(answer: Mapping[str, Any]) -> list[str]:
    on_it, behind, stays, elsewhere = (list(answer.get(k) or []) for k in ("on_it", "behind", "stays", "elsewhere"))
    total = int(answer.get("told", len(on_it) + len(behind) + len(stays) + len(elsewhere)))
    if not total:
        return ["  told   nobody: no agent runs now"]
    at_once = int(answer.get("at_once") or 1)
    rows: Sequence[tuple[str, list[str], str]] = (
        ("on it already", on_it, ""),
        ("will be rebased", behind, f" (at most {at_once} at a time, each re-measured)"),
        ("stays for now", stays, " (not behind; it sees the diff)"),
        ("looks elsewhere", elsewhere, " (on purpose, on a good branch of its own)"),
    )
    head = f"  told   {total} agent{'s' * (total != 1)}, each at its next contact"
    return [head, *(f"           {label:<18}  {', '.join(names)}{why}" for label, names, why in rows if names)]
