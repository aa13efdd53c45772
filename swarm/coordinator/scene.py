"""scene: what an agent's brief tells beside its news: the task's facts, where it works, the best and its change, what others
found out, the next idea on the person's list. Bounded here, so that no answer grows with the campaign."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import program
from swarm.coordinator.world import World
from swarm.ledger import backlog, pages
from swarm.research.experiment import Agent
from swarm.research.judging import detectable

DIFF = 6_000  # characters of the best one's change
NOTES = 8  # findings of others
FALLEN = 4  # experiments that did not hold
PAGES = 10  # of the notebook, by name


def scene(w: World, name: str) -> dict[str, Any]:
    """All of it, as plain data. Raises KeyError when there is no such agent."""
    agent = w.agent(name)
    return {
        "where": _where(w, agent), "facts": _facts(w), "best": _best(w, agent), "findings": _findings(w, agent),
        "next": program.next_idea(w, agent),
        "constraints": [rule.text for rule in program.rules_of(w, agent).constraints],
    }  # fmt: skip


def _where(w: World, agent: Agent) -> str:
    """`GPU 3, NVIDIA H100 80GB HBM3`, `cores 0, 1, Intel …, shared with 2 other agents`."""
    slots = w.slots_of(agent)
    if not slots:
        return ""
    unit = "core" if slots[0].devices.startswith("cpu") else "GPU"
    names = sorted({str(w.ledger.value("SELECT accelerator FROM classes WHERE id=?", s.klass)) for s in slots})
    ids = f"{unit}{'s' if len(slots) > 1 else ''} {', '.join(s.id for s in slots[:16])}"
    pool = ", which all agents without one of their own share" if slots[0].agent != agent.name else ""
    return f"{ids}, {' + '.join(names)}{pool}"


def _facts(w: World) -> list[str]:
    """What a run is, and what can be seen in one."""
    task, facts = w.task, []
    facts += [f"limits: {', '.join(f'{k} at most {v:g}' for k, v in task.limits.items())}"] if task.limits else []
    if task.gpus_per_run > 1:
        facts.append(f"each run has {task.gpus_per_run} GPUs")
    if task.seed == "none":
        facts.append("nothing in the task takes a seed: the same code measured twice shows the machine's noise")
    base = w.ledger.experiment(w.campaign.baseline or "") if w.campaign.baseline else None
    if base is not None and base.estimate is not None:
        size = [f"{base.steps} steps"] if base.steps else []
        size += [f"{base.params_m:g}M parameters"] if base.params_m else []
        size += [f"{base.peak_vram_mb:.0f} MB at its peak"] if base.peak_vram_mb else []
        made = f" ({', '.join(size)})" if size else ""
        facts.append(f"the task as given scores {task.metric.name} {base.estimate:.6g}{made}")
    sd = w.beliefs.noise(w.home).sd if base is not None and base.estimate is not None else 0.0
    if sd:
        facts.append(
            f"one run of the same code spreads by {sd:.2g} (sd): less than {detectable(sd):.2g} cannot be seen in one"
        )
    return facts


def _best(w: World, agent: Agent) -> dict[str, Any]:
    """The best of now (the agent's own, where each works for itself) and its whole change since the task as given; empty
    while that is the task itself."""
    best = agent.tip if w.policy.apart else w.campaign.best
    if not best or best == w.campaign.baseline:
        return {}
    e = w.ledger.experiment(best)
    if e.commit is None:
        return {}
    patch = w.hub.diff(w.commit_of(w.campaign.baseline or ""), e.commit)
    short = patch[:DIFF].rsplit("\n", 1)[0] if len(patch) > DIFF else patch.rstrip("\n")
    return {
        "experiment": e.id, "agent": e.agent, "estimate": e.estimate, "stderr": e.stderr, "runs": e.runs,
        "description": e.description, "diff": short, "left_out": len(patch) - len(short) if len(patch) > DIFF else 0,
    }  # fmt: skip


def _findings(w: World, agent: Agent) -> list[str]:
    """The newest notes, an agent's own too (its last session may be gone), and what looked good and did not hold."""
    notes = w.ledger.rows(
        "SELECT agent, SUBSTR(text, 1, 2000) FROM notes WHERE campaign=? ORDER BY id DESC LIMIT ?", w.campaign.id, NOTES
    )
    if w.policy.apart:
        return [f"you noted: {text}" for who, text in reversed(notes) if who == agent.name]
    said = [f"{'you' if who == agent.name else who or 'a person'} noted: {text}" for who, text in reversed(notes)]
    fallen = w.ledger.rows(
        "SELECT id, SUBSTR(description, 1, 2000) FROM experiments WHERE campaign=? AND dropped=1 ORDER BY rowid DESC LIMIT ?",
        w.campaign.id, FALLEN,
    )  # fmt: skip
    said += [f"{ident} looked good and did not hold when measured again: {text}" for ident, text in fallen]
    return said + _written(w)


def _written(w: World) -> list[str]:
    """What there is to read beside: the notebook's pages by name, and how many ideas wait."""
    names = [page.name for page in pages.listed(w.ledger, w.campaign.id)]
    waiting = backlog.counts(w.ledger, w.campaign.id).of.get("open", 0)
    found = [f"the notebook has pages about {', '.join(names[:PAGES])}"] if names else []
    some = "1 idea of the backlog waits" if waiting == 1 else f"{waiting} ideas of the backlog wait"
    return found + ([f"{some} for somebody (ideas, idea_claim)"] if waiting else [])
