"""program: the text a person edits while agents work. Its news, the constraints it sets, the ideas it lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from swarm.coordinator import idea
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.research import constraints, hypotheses, roles
from swarm.research.constants import Constant, constants
from swarm.research.constraints import Rules
from swarm.research.experiment import Agent

LONGEST = 100_000  # characters of a program that are read
READ = 4 * LONGEST  # bytes


def program_of(w: World, agent: Agent) -> tuple[str, str | None]:
    """The text a person edits for this agent, as it is now, and its hash (stored at first sight).

    A file that is gone or empty (an editor may just be writing it) changes nothing: what the agent was told counts.
    """
    _, text = _file(w, agent.program)
    if text:
        return text, _stored(w, text)
    told = w.ledger.value("SELECT text FROM programs WHERE hash=?", agent.program_hash)
    return (str(told), agent.program_hash) if told is not None else ("", None)


def told(w: World, agent: Agent) -> str:
    """The program when it was edited since the agent last heard of it, else nothing. From now on the agent knows it."""
    text, digest = program_of(w, agent)
    if digest is None or digest == agent.program_hash:
        return ""
    (w.workspace.agents / agent.name / "brief.md").write_text(text)
    w.set_agent(agent.name, program_hash=digest)
    if agent.program_hash is None:
        return ""
    if not _heard_of(w, digest):
        _report(w, _doubts(w, {f"{agent.program}.md" if agent.program else w.task.program: text}))
    w.say("program", agent.name, None, hash=digest)
    return text


def _heard_of(w: World, digest: str) -> bool:
    """Whether an agent was told this edition of a program already."""
    sql = "SELECT 1 FROM events WHERE campaign=? AND kind='program' AND json_extract(data, '$.hash')=?"
    return w.ledger.value(sql, w.campaign.id, digest) is not None


def there(w: World, name: str) -> bool:
    """Whether there is a program of this name with something in it."""
    return bool(_text(w.workspace.programs / f"{name}.md"))


def _file(w: World, name: str | None) -> tuple[str, str]:
    """What a person calls the program, and its text; that of the task for an agent that was dealt none."""
    folder = w.workspace.programs
    places = (
        [folder / f"{name}.md"] if name else [w.workspace.root / w.task.program, Path(w.task.path) / w.task.program]
    )
    for path in places:
        if text := _text(path):
            return path.name, text
    return "", ""


def _text(path: Path) -> str:
    """Empty when there is nothing to read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            text = file.read(READ).decode(errors="replace")[:LONGEST]
    except OSError:
        return ""
    return text if text.strip() else ""


def _stored(w: World, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if w.ledger.value("SELECT 1 FROM programs WHERE hash=?", digest) is None:
        w.ledger.add("programs", hash=digest, text=text, at=w.now)
    return digest


# --- constraints --------------------------------------------------------------------------------------------------


def rules_of(w: World, agent: Agent) -> Rules:
    """What the agent may not do: by its program; one that reads none (a tuner) by all programs that others read here."""
    return sum((constraints.read(text) for text in _texts(w, [agent]).values()), Rules())


def _texts(w: World, agents: Iterable[Agent]) -> dict[str, str]:
    """The programs that bind these agents, by file name: their own, or those in play, or (nobody reads any) all."""
    found: dict[str, str] = {}
    for agent in agents:
        if agent.program:
            found[f"{agent.program}.md"] = program_of(w, agent)[0]
            continue
        others = w.ledger.all(Agent, "WHERE campaign=? AND program>'' ORDER BY rowid", w.ground)  # the control's too
        others = [a for a in others if not str(a.program).startswith(roles.FOLDER)]
        found |= {f"{a.program}.md": program_of(w, a)[0] for a in others}
        if not others:
            found |= {name: text for name, text in [_file(w, None)] if text}
            found |= {path.name: _text(path) for path in sorted(w.workspace.programs.glob("*.md"))}
    return found


def check(w: World, agent: Agent, base: str, files: Mapping[str, bytes]) -> None:
    """Raises Refused when these files, as a change of the commit `base`, break a constraint of the program."""
    rules = rules_of(w, agent).constraints
    if not rules:
        return
    given, gpu = w.commit_of(w.campaign.baseline or ""), _on_gpu(w)
    said: list[str] = []
    for path, data in files.items():
        if path.endswith(".py"):
            after = constants(data.decode(errors="replace"))
            said += constraints.broken(rules, _constants(w, given, path), _constants(w, base, path), after, gpu)
    if said:
        raise Refused(
            f"the program forbids it: {'; '.join(said[:5])}. Your files are untouched.",
            "Change that, then submit again: these lines are the person's, under # Constraints.",
        )


def doubts(w: World, agents: Iterable[Agent]) -> list[str]:
    """What a person should know of the constraints of these agents' programs before they work; it is recorded, too."""
    return _report(w, _doubts(w, _texts(w, agents)))


def _doubts(w: World, texts: Mapping[str, str]) -> list[str]:
    given: dict[str, Constant] = {}
    for path in w.task.edit:
        if path.endswith(".py"):
            given |= _constants(w, w.commit_of(w.campaign.baseline or ""), path)
    said = []
    for name, text in texts.items():
        found = constraints.doubts(constraints.read(text), given, _on_gpu(w))
        said += [f"{name}, # Constraints: {doubt}" for doubt in found]
    return said


def _report(w: World, said: list[str]) -> list[str]:
    for line in said:
        w.say("machine", None, None, text=line)
    return said


def _constants(w: World, commit: str, path: str) -> dict[str, Constant]:
    return constants(w.hub.read(commit, path).decode(errors="replace"))


def _on_gpu(w: World) -> bool:
    return any(not slot.devices.startswith("cpu") for slot in w.slots())


# --- hypotheses ---------------------------------------------------------------------------------------------------


def next_idea(w: World, agent: Agent) -> str:
    """`H3: …`, the entry under # Hypotheses that this agent is to try next, and holds from now on; empty when there is none."""
    if not agent.program:
        return ""
    entries = hypotheses.read(program_of(w, agent)[0])
    if not entries and not idea.any_listed(w):
        return ""
    sharers = [a.name for a in w.agents(*LIVE) if a.program == agent.program]
    rank = sharers.index(agent.name) if agent.name in sharers else 0
    number = idea.next_of(w, agent, entries, rank, len(sharers), lambda: _tried(w))
    return f"H{number}: {entries[number - 1]}" if number else ""


def _tried(w: World, but: str = "") -> set[str]:
    """The hypotheses that experiments of this campaign (`but` one) name, as texts: what was tried before a list had rows."""
    rows = w.ledger.rows(
        "SELECT program_hash, hypothesis, description FROM experiments WHERE campaign=? AND program_hash IS NOT NULL "
        "AND (verdict IS NULL OR verdict NOT IN ('conflict', 'cancelled')) AND id!=?", w.campaign.id, but
    )  # fmt: skip
    lists: dict[str, list[str]] = {}
    found = set()
    for digest, *words in rows:
        for number in hypotheses.named(*words):
            if digest not in lists:
                lists[digest] = hypotheses.read(w.ledger.value("SELECT text FROM programs WHERE hash=?", digest) or "")
            if 0 < number <= len(lists[digest]):
                found.add(lists[digest][number - 1])
    return found


def named(w: World, agent: Agent, ident: str, *words: str | None) -> list[int]:
    """The rows of the backlog that these words, of the experiment `ident`, name as entries of the agent's list. A number means what it meant in the
    edition that the agent was told, so a list that is edited or put in another order keeps its state. In a transaction."""
    numbers = hypotheses.named(*words)
    text = w.ledger.value("SELECT text FROM programs WHERE hash=?", agent.program_hash) if numbers else None
    entries = hypotheses.read(str(text)) if text else []
    meant = [entries[n - 1] for n in sorted(numbers) if 0 < n <= len(entries)]
    rows = idea.listed(w, entries, f"{agent.program}.md", lambda: _tried(w, ident)) if meant else {}
    return [rows[text].id for text in meant if rows[text].state in ("open", "claimed")]
