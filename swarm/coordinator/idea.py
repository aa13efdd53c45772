"""idea: the backlog of what somebody should try. Nobody holds what another holds; what is measured has its outcome.

Leases are looked at when somebody asks, never by a step: the claimed ones are few (ideas.MOST_HELD for each agent).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused
from swarm.research import hypotheses, ideas
from swarm.research.experiment import Agent
from swarm.research.ideas import Idea

COLUMNS = ", ".join(f.name for f in fields(Idea))
RENEW = ideas.LEASE / 8  # seconds between renewals
OFF = "taken off the list"


def add(w: World, name: str | None, text: str, priority: float = 1.0, evidence: str | None = None) -> dict[str, Any]:
    """Write an idea down for an agent (None: for a person). The same words again are the same idea.

    Raises Refused for an empty one, and for an agent that has ideas.MOST_OPEN which nobody tried.
    """
    if name is not None:
        w.agent(name)
    kept = " ".join(text.split())[: ideas.LONGEST]
    if not kept:
        raise Refused("an idea without a word.", "Say in a sentence what somebody should try.", 422)
    there = w.ledger.value("SELECT id FROM ideas WHERE campaign=? AND text=?", w.campaign.id, kept)
    if there is not None:
        return {"idea": int(there), "known": True}
    with w.ledger.tx():
        refresh(w)
        if name is not None and _waiting(w, name) >= ideas.MOST_OPEN:
            raise Refused(
                f"{ideas.MOST_OPEN} ideas of yours wait, and nobody has tried them.",
                "Try one: idea_claim('next'), edit, submit(…, idea=ITS_NUMBER). Or drop what is not worth a run: idea_done.", 409,
            )  # fmt: skip
        ident = _insert(w, name, kept, ideas.bounded(priority, name is None), evidence)
        w.say("idea", name, None, idea=ident)
    return {"idea": ident, "known": False}


def claim(w: World, name: str, ident: int | None = None) -> dict[str, Any]:
    """Give the agent this idea, or (None) the first that is free; asked again it answers the same.

    Raises Refused when it is somebody else's or over, when nothing is free, and for more than ideas.MOST_HELD.
    """
    w.agent(name)
    with w.ledger.tx():
        refresh(w)
        idea = find(w, ident) if ident is not None else _first(w, name)
        if idea is None:
            raise Refused(
                "no idea is free: all are tried, or somebody's.", "Have one of your own: idea_add(text).", 404
            )
        _may(w, idea, name)
        _take(w, idea.id, name)
    return told(find(w, idea.id))


def done(
    w: World, name: str | None, ident: int, experiment: str | None = None, drop: bool = False, why: str = ""
) -> dict[str, Any]:
    """End an idea: tried as `experiment`, or dropped. Said again it is done once.

    Raises Refused when another agent holds it, when it is over in another way, or `experiment` is none of this campaign.
    """
    if name is not None:
        w.agent(name)
    with w.ledger.tx():
        refresh(w)
        idea = find(w, ident)
        state = "dropped" if drop else "done"
        if idea.state == state and experiment in (None, idea.experiment):
            return told(idea)
        if idea.state in ("done", "dropped"):
            raise Refused(ideas.refusal(idea, ideas.Standing(idea.state), "", 0) + ".", "See: ideas.", 409)
        if name is not None and idea.holder not in (None, name):
            raise Refused(f"idea {ident} is {idea.holder}'s.", "Leave it to them, or take another: ideas.", 409)
        outcome = " ".join(why.split())[: ideas.EVIDENCE] or None
        if experiment is not None:
            e = w.ledger.experiment(experiment)
            outcome = outcome or e.verdict
        _end(w, ident, state, outcome, **({"experiment": experiment} if experiment else {}))
        w.say("idea", name, experiment, idea=ident, state=state)
    return told(find(w, ident))


def find(w: World, ident: int) -> Idea:
    """Raises Refused when there is no such idea in this campaign."""
    rows = w.ledger.rows(f"SELECT {COLUMNS} FROM ideas WHERE id=? AND campaign=?", ident, w.campaign.id)
    if not rows:
        raise Refused(f"there is no idea {ident} here.", "See: ideas (swarm idea list).", 404)
    return Idea(*rows[0])


def told(idea: Idea) -> dict[str, Any]:
    """An idea as the door tells it."""
    return {
        "idea": idea.id, "text": idea.text, "author": idea.author, "evidence": idea.evidence, "priority": idea.priority,
        "state": idea.state, "holder": idea.holder, "experiment": idea.experiment, "outcome": idea.outcome,
    }  # fmt: skip


# --- what follows from other verbs --------------------------------------------------------------------------------


def may_try(w: World, name: str, ident: int) -> None:
    """Raises Refused when an experiment of this agent cannot be the try of that idea."""
    with w.ledger.tx():
        refresh(w)
        idea = find(w, ident)
    why = ideas.refusal(idea, ideas.Standing(idea.state, idea.holder), name, 0)
    if why:
        raise Refused(
            f"{why}. Your files are untouched.", "Submit without idea=, or claim another: idea_claim('next').", 409
        )


def tried(w: World, name: str, experiment: str, ident: int) -> None:
    """The experiment tries this idea: it is its author's until the verdict. Inside a transaction."""
    w.ledger.change(
        "ideas", {"id": ident, "campaign": w.campaign.id}, state="claimed", holder=name, until=w.now + ideas.LEASE,
        experiment=experiment,
    )  # fmt: skip


def judged(w: World, experiment: str, verdict: str) -> None:
    """A verdict fell: it is the outcome of the ideas that the experiment tried. Inside a transaction."""
    for (ident,) in w.ledger.rows("SELECT id FROM ideas WHERE experiment=? AND state='claimed'", experiment):
        _settle(w, int(ident), verdict)


def heard_of(w: World, name: str) -> None:
    """An agent asked something: its leases go on."""
    due = f"ideas:{name}"
    if w.now < w.timers.get(due, 0.0):
        return
    w.timers[due] = w.now + RENEW
    held = "SELECT 1 FROM ideas WHERE campaign=? AND holder=? AND state='claimed'"
    if w.ledger.value(held, w.campaign.id, name):
        where = {"campaign": w.campaign.id, "holder": name, "state": "claimed"}
        w.ledger.change("ideas", where, until=w.now + ideas.LEASE)


def refresh(w: World) -> None:
    """Free what nobody holds any more, and settle what was judged. Inside a transaction; reads the claimed ones only."""
    rows = w.ledger.rows(
        f"SELECT {', '.join(f'i.{f.name}' for f in fields(Idea))}, e.verdict FROM ideas i LEFT JOIN experiments e "
        "ON e.id=i.experiment WHERE i.campaign=? AND i.state='claimed'", w.campaign.id
    )  # fmt: skip
    living = {a.name for a in w.agents(*LIVE)} if rows else set()
    for *values, verdict in rows:
        idea = Idea(*values)
        now = ideas.stands(idea, idea.holder in living, verdict, w.now)
        if now.state == "done":
            _settle(w, idea.id, str(verdict))
        elif now.state == "open":
            _free(w, idea.id)


# --- a person's list ----------------------------------------------------------------------------------------------


def listed(w: World, entries: Sequence[str], source: str, tried: Callable[[], set[str]]) -> dict[str, Idea]:
    """The rows of the list in the program `source` by their texts, made where they are missing; `tried` tells what was tried
    before there were rows. Inside a transaction."""
    marks = ", ".join("?" * len(ideas.STATES))
    rows = w.ledger.rows(
        f"SELECT {COLUMNS} FROM ideas WHERE campaign=? AND state IN ({marks}) AND priority>? AND author IS NULL",
        w.campaign.id, *ideas.STATES, ideas.LISTED,
    )  # fmt: skip
    found = {idea.text: idea for idea in (Idea(*row) for row in rows)}
    missing = {text: n for text, n in ideas.numbered(entries).items() if text not in found}
    over = tried() if missing else set()
    for text, n in missing.items():
        ident = _insert(w, None, text, ideas.of_list(n), source)
        if text in over:
            _end(w, ident, "done", None)
        found[text] = find(w, ident)
    return found


def any_listed(w: World) -> bool:
    """Whether an entry of a person's list waits."""
    sql = "SELECT 1 FROM ideas WHERE campaign=? AND state IN ('open','claimed') AND priority>?"
    return w.ledger.value(sql, w.campaign.id, ideas.LISTED) is not None


def _edited(w: World, rows: dict[str, Idea], entries: Sequence[str], source: str) -> None:
    """What a person took off the list is nobody's to try any more; what is on it again is."""
    for text, row in list(rows.items()):
        untried = row.state == "open" or (row.state == "claimed" and row.experiment is None)
        if text not in entries and row.evidence == source and untried:
            _end(w, row.id, "dropped", OFF)
        elif text in entries and row.state == "dropped" and row.outcome == OFF:
            _free(w, row.id)
            rows[text] = find(w, row.id)


def next_of(
    w: World, agent: Agent, entries: Sequence[str], rank: int, of: int, tried: Callable[[], set[str]]
) -> int | None:
    """The number of the entry that this agent, `rank` of `of` with this list, is to try next; from now on it holds it. None
    when all are tried or held."""
    with w.ledger.tx():
        refresh(w)
        source = f"{agent.program}.md"
        rows = listed(w, entries, source, tried)
        _edited(w, rows, entries, source)
        mine = {t for t in entries if rows[t].holder == agent.name and rows[t].experiment is None}
        taken = {t for t in entries if rows[t].state != "open"} - mine
        number = hypotheses.deal(entries, taken, rank, of)
        chosen = entries[number - 1] if number is not None else ""
        for text in mine - {chosen}:  # an earlier one came back
            _free(w, rows[text].id)
        if chosen and chosen not in mine:
            _take(w, rows[chosen].id, agent.name)
    return number


# --- rows ---------------------------------------------------------------------------------------------------------


def _insert(w: World, author: str | None, text: str, priority: float, evidence: str | None) -> int:
    known = (evidence or "").strip()[: ideas.EVIDENCE] or None
    return w.ledger.add(
        "ideas", campaign=w.campaign.id, author=author, text=text, evidence=known, priority=priority, state="open", at=w.now
    )  # fmt: skip


def _waiting(w: World, author: str) -> int:
    sql = "SELECT COUNT(*) FROM ideas WHERE campaign=? AND state='open' AND author=?"
    return int(w.ledger.value(sql, w.campaign.id, author))


def _first(w: World, name: str) -> Idea | None:
    """What the agent holds and did not submit yet, else the first that is open."""
    of = f"SELECT {COLUMNS} FROM ideas WHERE campaign=? AND "
    rows = w.ledger.rows(
        f"{of} holder=? AND state='claimed' AND experiment IS NULL ORDER BY id LIMIT 1", w.campaign.id, name
    )
    rows = rows or w.ledger.rows(f"{of} state='open' ORDER BY priority DESC, id LIMIT 1", w.campaign.id)
    return Idea(*rows[0]) if rows else None


def _may(w: World, idea: Idea, name: str) -> None:
    held = w.ledger.value(
        "SELECT COUNT(*) FROM ideas WHERE campaign=? AND holder=? AND state='claimed' AND experiment IS NULL AND id!=?",
        w.campaign.id, name, idea.id,
    )  # fmt: skip
    why = ideas.refusal(idea, ideas.Standing(idea.state, idea.holder), name, int(held))
    if why:
        raise Refused(f"{why}.", "Submit or end one of yours first, or see the others: ideas.", 409)


def _take(w: World, ident: int, name: str) -> None:
    w.ledger.change("ideas", {"id": ident}, state="claimed", holder=name, until=w.now + ideas.LEASE)


def _free(w: World, ident: int) -> None:
    w.ledger.change(
        "ideas", {"id": ident}, state="open", holder=None, until=None, experiment=None, outcome=None, ended=None
    )


def _settle(w: World, ident: int, verdict: str) -> None:
    if verdict in ideas.UNTRIED:
        _free(w, ident)
    else:
        _end(w, ident, "done", verdict)


def _end(w: World, ident: int, state: str, outcome: str | None, **more: Any) -> None:
    w.ledger.change(
        "ideas", {"id": ident}, state=state, holder=None, until=None, outcome=outcome, ended=w.now, **more
    )  # fmt: skip
