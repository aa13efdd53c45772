"""promote: best moves, by confirmation or by a person; and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swarm.coordinator import confirm, once, pollinate, seeding
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.research.experiment import Experiment, Promotion


def promote(w: World, ident: str, by: str, p: float | None, hold: bool = False) -> None:
    """Move best to an experiment; the ledger first, then the ref."""
    with w.ledger.tx():
        previous = w.campaign.best
        w.ledger.add(
            "promotions",
            campaign=w.campaign.id,
            experiment=ident,
            previous=previous,
            by=by,
            p=p,
            hold=int(hold),
            at=w.now,
        )
        move_to(w, ident)
        w.say("promoted", None, ident, previous=previous, by=by, p=p)


def move_to(w: World, ident: str) -> None:
    """Best is this one now. Inside the caller's transaction, which also says why."""
    w.set_campaign(best=ident)
    if not w.beside:
        w.pin("refs/heads/best", w.commit_of(ident))
    w.dirty = True
    w.timers["pollinate"] = 0.0


def standing(w: World) -> Promotion | None:
    """The promotion that made today's best; None for the baseline."""
    return w.ledger.one(
        Promotion, "WHERE campaign=? AND experiment=? AND withdrawn IS NULL ORDER BY id DESC",
        w.campaign.id, w.campaign.best,
    )  # fmt: skip


def withdraw(w: World, promotion: Promotion, p: float) -> None:
    """Best goes back to what stood before; the promotion stays in the history."""
    with w.ledger.tx():
        w.ledger.change("promotions", {"id": promotion.id}, withdrawn=w.now)
        w.set_experiment(promotion.experiment, dropped=1)
        to = promotion.previous or w.campaign.baseline
        assert to is not None
        move_to(w, to)
        w.say("withdrawn", None, promotion.experiment, to=to, p=p)


def undo(w: World, request: str | None = None) -> dict[str, Any]:
    """A person takes the last promotion back. The same request again undoes no second one.

    Raises Refused when best is the baseline.
    """
    done = once.before(w, "withdrawn", request)
    if done is not None:
        back = str(json.loads(done.data)["to"])
        return {"experiment": back, "previous": done.experiment, **_card(w, back, "")}
    last = standing(w)
    if last is None or last.previous is None:
        raise Refused("nothing was promoted yet: best is the baseline.", "swarm leaderboard shows what there is.")
    with w.ledger.tx():
        w.ledger.change("promotions", {"id": last.id}, withdrawn=w.now)
        w.set_experiment(last.experiment, dropped=1)
        move_to(w, last.previous)
        w.say("withdrawn", None, last.experiment, to=last.previous, by="person", **once.named(request))
    return {"experiment": last.previous, "previous": last.experiment, **_card(w, last.previous, "")}


# --- what a person asks for ---------------------------------------------------------------------------------------


def by_person(w: World, what: str, force: bool = False, hold: bool = False) -> dict[str, Any]:
    """`swarm promote`: a kept experiment moves at once, something unknown is measured first.

    Raises Refused: no such commit, discarded or crashed without `force`, a run is needed and cannot be had.
    """
    found = find(w, what)
    if found is None:
        return _unknown(w, what, force, hold)
    if found.origin == "imported":  # others' scores are no results of ours: it is measured first, if we can have it
        return _unknown(w, found.commit or what, force, hold)
    e = w.ledger.experiment(found.same_as) if found.same_as else found
    if e.campaign < 0:
        raise Refused(
            f"{e.id} is the control's: once others build on it, there is nothing to compare the swarm with.",
            f"Look at it: swarm show {e.id} · take it home: swarm export {e.id}",
        )
    if e.id == w.campaign.best:
        return _hold(w, e) if hold else {"message": f"{e.id} is best already.", "moved": False, **_card(w, e.id, "")}
    if e.commit is None and e.verdict is not None:
        raise Refused(
            f"{e.id} was never measured: {(e.reason or e.verdict).splitlines()[0]}.",
            f'See its change: swarm show {e.id} · make it on best and measure that: swarm try my_train.py -m "…"',
        )
    if e.commit is None or (e.runs == 0 and not force and e.verdict is None):
        raise Refused(
            f"{e.id} has not been measured yet.", f"Wait for it (swarm show {e.id}), or promote it unseen: --force"
        )
    if e.verdict in ("discard", "crash", "conflict", "cancelled") and not force:
        raise Refused(
            f"{e.id} was not kept ({e.verdict}: {(e.reason or '').splitlines()[0] if e.reason else 'no reason'}).",
            f"Look at it: swarm show {e.id} · promote it all the same: swarm promote {what} --force",
        )
    return _move_by_person(w, e, hold)


def _move_by_person(w: World, e: Experiment, hold: bool) -> dict[str, Any]:
    previous = w.campaign.best
    p = confirm.p_over_best(w, e.id)
    before = _card(w, previous, "previous_") if previous else {}
    with w.ledger.tx():
        w.set_experiment(e.id, dropped=0)
        promote(w, e.id, "person", p, hold)
        measuring = _confirm_afterwards(w, e)
    return {
        "moved": True, "p": p, "measuring": measuring, **_card(w, e.id, ""), **before, **pollinate.outlook(w),
    }  # fmt: skip


def _confirm_afterwards(w: World, e: Experiment) -> bool:
    """What a person promoted on one run is measured again, while there are slots to do it."""
    missing = w.policy.confirm_runs - len(w.beliefs.losses(e.id, w.home))
    if missing <= 0 or w.campaign.state != "searching":
        return False
    for _ in range(missing):
        w.ledger.add_run(e.id, "person", w.home, w.key(w.home), w.now, seeding.confirming(w, e.id, w.home))
    return True


def _hold(w: World, e: Experiment) -> dict[str, Any]:
    last = standing(w)
    if last is not None:
        w.ledger.change("promotions", {"id": last.id}, hold=1)
    return {"message": f"{e.id} stays best whatever its later runs say.", "moved": False, **_card(w, e.id, "")}


def _card(w: World, ident: str, prefix: str) -> dict[str, Any]:
    e = w.ledger.experiment(ident)
    card = {"experiment": e.id, "commit": e.commit, "estimate": e.estimate, "stderr": e.stderr, "runs": e.runs}
    return {prefix + name: value for name, value in card.items()}


def find(w: World, what: str) -> Experiment | None:
    """By experiment, commit (of at least four digits, as measured or submitted), branch, `best` or `baseline`."""
    text = what.strip()
    if text == "best" and w.campaign.best:
        return w.ledger.experiment(w.campaign.best)
    if text == "baseline" and w.campaign.baseline:
        return w.ledger.experiment(w.campaign.baseline)
    number = text.removeprefix("e")
    if number.isdecimal() and (text.startswith("e") or len(number) <= 4):
        found = w.ledger.one(Experiment, "WHERE id=?", f"e{int(number):04d}")
        if found is not None:
            return found
    agent = w.ledger.agent(w.campaign.id, text.removeprefix("swarm/"))
    if agent is not None:
        return w.ledger.experiment(agent.tip)
    if len(text) >= 4 and all(c in "0123456789abcdef" for c in text.lower()):
        return w.ledger.one(
            Experiment,
            'WHERE "commit" LIKE ? OR submitted LIKE ? ORDER BY rowid',
            text.lower() + "%",
            text.lower() + "%",
        )
    return None


def _unknown(w: World, what: str, force: bool, hold: bool) -> dict[str, Any]:
    """A commit of the person's own repository: measured first, or with `force` promoted unseen."""
    source = Path(w.task.path)
    commit = w.hub.pull(source, what) if source.is_dir() else None
    if commit is None:
        raise Refused(
            f"no commit {what} in this swarm or in your repository.",
            'Look for one: swarm leaderboard · measure a file of yours: swarm try my_train.py -m "…"',
        )
    baseline = w.commit_of(w.campaign.baseline or "")
    files = {p: w.hub.read(commit, p) for p in w.task.edit}
    measured = w.hub.commit(files, baseline, f"{what}: from your repository")
    twin = w.ledger.one(
        Experiment,
        "WHERE campaign=? AND tree=? AND (runs>0 OR (origin='promote' AND stage='done' AND verdict IS NULL)) ORDER BY rowid",
        w.campaign.id,
        w.hub.tree(measured),
    )  # measured, or promoted unseen before
    if twin is not None:
        return by_person(w, twin.id, force, hold)
    if not force and w.campaign.state != "searching":
        raise Refused(
            f"{what} has not been measured, and the campaign is over: there is no slot for it.",
            "swarm resume --hours 1 first, or promote it unseen: --force",
        )
    text = f"{what} from your repository"
    if force:
        with w.ledger.tx():
            e = add_exact(w, measured, text, "promote")
            w.set_experiment(
                e.id, stage="done", parent=w.campaign.best, commit=measured, bound=w.ledger.next_bound(), klass=w.home
            )
            return _move_by_person(w, w.ledger.experiment(e.id), hold)
    e = add_exact(w, measured, text, "promote")
    message = f"{what} is new here: measuring it as {e.id} first; it becomes best if it is kept."
    return {"message": message, "moved": False, "measuring": True, "experiment": e.id, "commit": measured}


def add_exact(w: World, commit: str, description: str, origin: str) -> Experiment:
    """A person's own files, measured as they are against best of then. What waits or runs already is not doubled."""
    tree = w.hub.tree(commit)
    for before in w.unfinished("you"):
        if before.exact and before.origin == origin and before.tree == tree:
            return before
    ident = w.ledger.next_experiment()
    base = w.commit_of(w.campaign.baseline or "")
    with w.ledger.tx():
        ensure_person(w)
        w.ledger.add(
            "experiments", id=ident, campaign=w.campaign.id, agent="you", origin=origin, stage="queued", kind="code",
            description=description, base=w.campaign.best, submitted=commit, exact=1, tree=tree,
            patch=w.hub.diff(base, commit), lines=w.hub.lines(base, commit), created=w.now,
        )  # fmt: skip
        w.pin(f"refs/submitted/{ident}", commit)
        w.say("submitted", "you", ident, description=description)
    return w.ledger.experiment(ident)


def ensure_person(w: World) -> None:
    """The person is an author like any other, without slot or session."""
    if w.ledger.agent(w.campaign.id, "you") is None:
        best = w.campaign.best or w.campaign.baseline
        w.ledger.add(
            "agents",
            name="you",
            campaign=w.campaign.id,
            kind="person",
            state="waiting",
            base=best,
            tip=best,
            created=w.now,
        )


def wanted(w: World) -> bool:
    """Commits a person asked to promote, measured and kept by now: promote them."""
    rows = w.ledger.all(
        Experiment, "WHERE campaign=? AND origin='promote' AND verdict='keep' AND dropped=0 AND id NOT IN "
        "(SELECT experiment FROM promotions WHERE campaign=?) ORDER BY rowid", w.campaign.id, w.campaign.id
    )  # fmt: skip
    for e in rows:
        _move_by_person(w, e, False)
    return bool(rows)
