"""dispatch: what a free slot does next, and starting it."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from swarm import procs
from swarm.coordinator import blanks, confirm, control, early, house, predict, seeding, sound, stacks
from swarm.coordinator.binding import bind, settle_binding
from swarm.coordinator.world import LIVE, World
from swarm.ports import Job, SlotBusy
from swarm.repo import Damaged
from swarm.research.experiment import NO_WORKERS, Agent, Experiment, Run, Slot
from swarm.runner import sandbox
from swarm.runner.spec import Cache, RunSpec

UNSTARTED = "not started"
STARTS = 4  # runs started in one step, so that the door is answered in between
SETTLED = 16  # experiments of the house that one look may find to need no run, for the same reason


def dispatch(w: World) -> bool:
    """Start what can be started. Returns whether anything was."""
    if w.campaign.paused or w.campaign.state not in ("baseline", "searching"):
        return False
    started = 0
    free = free_slots(w)
    if free:
        blanks.due(w)
    for slot in free:
        run = next_run(w, slot)
        if run is not None and start(w, slot, run):
            started += 1
        if started == STARTS:
            break
    return started > 0


def free_slots(w: World) -> list[Slot]:
    """Open slots on which no run of the ledger goes."""
    taken = {r.slot for r in w.ledger.open_runs("running")}
    return [s for s in w.slots() if s.id not in taken]


def next_run(w: World, slot: Slot) -> Run | None:
    """The next queued run for a slot; binds the head of a queue when its turn has come."""
    its = control.its_open_runs(w)
    for run in w.ledger.open_runs("queued"):
        if run.id not in its and _fits(w, run, slot):
            return run
    if w.campaign.state == "baseline":
        return None
    persons = (head(w, slot, a) for a in _persons(w))
    its_turn = (_of_control(w, slot, its) for _ in (0,) if slot.klass == w.home and control.due(w))
    others = (head(w, slot, a) for a in _turn(w, slot))
    ahead, behind = (_house(w, slot, waiting) for waiting in (house.ahead(w, slot), house.behind(w, slot)))
    found = itertools.chain(persons, its_turn, ahead, others, behind)
    return next((run for run in found if run is not None), None) or _spare(w, slot)


def _of_control(w: World, slot: Slot, its: Collection[int]) -> Run | None:
    """What the control measures next: its candidate again, but not twice running while it has something new."""
    with w.as_control():
        queued = [run for run in w.ledger.open_runs("queued") if run.id in its and run.klass in (None, slot.klass)]
        screens = [run for run in queued if run.purpose == "screen"]
        again = [run for run in queued if run.purpose != "screen" and confirm.elsewhere(w, run, slot)]
        if screens:  # it was lost
            return screens[0]
        if again and not control.confirmed_last(w):
            return again[0]
        fresh = (run for agent in w.agents(*LIVE) if (run := head(w, slot, agent)) is not None)
        return next(fresh, again[0] if again else None)


def _fits(w: World, run: Run, slot: Slot) -> bool:
    if run.klass is not None and run.klass != slot.klass:
        return False
    if run.purpose == "screen":
        author = w.ledger.experiment(run.experiment).agent
        agent = w.ledger.agent(w.campaign.id, author) if author else None
        mine = {s.id for s in w.slots_of(agent)} if agent and agent.kind not in NO_WORKERS else set()
        return not mine or slot.id in mine
    if run.purpose == "confirm":
        return confirm.may_run(w, run, slot)
    if run.purpose == "reference" and w.beliefs.losses(run.experiment, slot.klass):
        return not confirm.owners_turn(w, slot)  # one more of what was measured here; the first is never put off
    return True


def _spare(w: World, slot: Slot) -> Run | None:
    """For a slot with nothing to do for a while: what the swarm has of its own, what an agent that idles has ready, else
    a measurement again."""
    if not confirm.rested(w, slot):
        return None
    stacks.propose(w)
    for own in _house(w, slot, house.spare(w, slot)):
        return own
    for agent in w.agents(*LIVE):
        if w.idles(agent) and (ready := head(w, slot, agent)) is not None:
            return ready
    return confirm.idle_run(w, slot)


def _turn(w: World, slot: Slot) -> Iterator[Agent]:
    """Whose queue this slot serves: its owner's, or the pool's agents', fewest running first."""
    queueing = w.queueing()
    agents = [a for a in w.agents() if a.name in queueing]
    if slot.agent is not None:
        yield from (a for a in agents if a.name == slot.agent)
        return
    owners = {s.agent for s in w.slots() if s.agent}
    pool = [
        a for a in agents if a.kind not in NO_WORKERS and a.name not in owners and a.state in LIVE and not w.idles(a)
    ]
    yield from sorted(pool, key=lambda a: _going(w, a.name))


def _persons(w: World) -> list[Agent]:
    queueing = w.queueing()
    return [a for a in w.agents() if a.kind == "person" and a.name in queueing]


def _going(w: World, agent: str) -> int:
    sql = "SELECT COUNT(*) FROM experiments WHERE campaign=? AND agent=? AND stage='bound'"
    return int(w.ledger.value(sql, w.campaign.id, agent))


def head(w: World, slot: Slot, agent: Agent) -> Run | None:
    """Bind the agent's stack, or else its oldest submission, to its tip of now (late: so A is judged before B)."""
    if agent.kind != "person" and _going(w, agent.name) >= w.width(agent):
        return None
    while True:
        queued = [e for e in w.unfinished(agent.name) if e.stage == "queued"]
        if not queued:
            return None
        e = next((q for q in queued if q.origin == "stack"), None) or predict.first(w, queued)
        agent = w.agent(agent.name)
        tip = _parent(w, e, agent)
        if not w.beliefs.losses(tip, slot.klass) and not confirm.hopeless(w, tip, slot.klass):
            return _reference(w, tip, slot)
        run = _bound(w, slot, e, agent, tip)
        if run is not None:
            return run


def _house(w: World, slot: Slot, waiting: Iterable[str]) -> Iterator[Run]:
    """The next of the swarm's own experiments, on the parent that each was made for; one at most."""
    for ident in itertools.islice(waiting, SETTLED):
        e = w.ledger.experiment(ident)
        if not w.beliefs.losses(e.base or "", slot.klass) and not confirm.hopeless(w, e.base or "", slot.klass):
            run = _reference(w, e.base or "", slot)
        else:
            run = _bound(w, slot, e, w.agent(house.NAME), e.base or "")
            w.dirty = True  # what needed no run may have been the last of its wave
        if run is not None:
            yield run
            return


def _bound(w: World, slot: Slot, e: Experiment, agent: Agent, parent: str) -> Run | None:
    """Bind it and queue its run; None when it is done without one."""
    bound = bind(w, e, parent)
    with w.ledger.tx():
        ready = settle_binding(w, e, agent, bound, slot.klass)
    if bound.verdict == "crash":  # something of it is damaged: is it the ground?
        sound.look(w)
    if ready is None:
        return None
    return next(r for r in w.ledger.all(Run, "WHERE experiment=? AND status='queued'", e.id))


def _parent(w: World, e: Experiment, agent: Agent) -> str:
    """A person's file is judged against best, everything else against its agent's tip."""
    if agent.kind == "person":
        return w.campaign.best or agent.tip
    return agent.tip


def _reference(w: World, tip: str, slot: Slot) -> Run | None:
    """The parent has no result in this slot's class: measure it there first."""
    open_ones = w.ledger.all(Run, "WHERE experiment=? AND klass=? AND status IN ('queued','running')", tip, slot.klass)
    if open_ones:
        return None
    with w.ledger.tx():
        ident = w.ledger.add_run(
            tip, "reference", slot.klass, w.key(slot.klass), w.now, seeding.studying(w, tip, slot.klass)
        )
    return w.ledger.run(ident)


# --- starting ---------------------------------------------------------------------------------------------------


def start(w: World, slot: Slot, run: Run) -> bool:
    """Check the commit out, commit `running, attempt n`, start it. A checkout that fails leaves the run queued."""
    lock = w.workspace.locks / f"slot-{slot.id}.lock"
    if procs.held(lock):
        early.end_again(w, slot)
        return False  # else something of an earlier campaign still computes there
    attempt = run.attempt + 1
    folder = w.workspace.run_folder(run.id, attempt)
    spec = specify(w, slot, run, attempt, folder)
    try:
        w.hub.export(w.commit_of(run.experiment), Path(spec.work))
    except Damaged as damage:
        return _unfit(w, run, damage.message)
    with w.ledger.tx():
        w.ledger.change("runs", {"id": run.id}, status="running", attempt=attempt, slot=slot.id, klass=slot.klass,
                        key=w.key(slot.klass), started=w.now)  # fmt: skip
        w.ledger.add("attempts", run=run.id, n=attempt, slot=slot.id, boot_id=procs.boot_id(), started=w.now)
        w.ledger.change("slots", {"campaign": w.ground, "id": slot.id}, free_since=None)
    w.changed += 1
    try:
        w.executor.start(Job(spec, run_lock(w, run.id), lock))
    except SlotBusy:
        return False  # found lost at the next collect, and queued again
    except OSError as error:  # a full disk, no process to be had: nothing was started, and that is no fault of the run
        with w.ledger.tx():
            w.ledger.change(
                "attempts", {"run": run.id, "n": attempt}, ended=w.now, outcome="lost", why=f"{UNSTARTED}: {error}"
            )
            w.ledger.change("runs", {"id": run.id}, status="queued", started=None)
        raise
    return True


def _unfit(w: World, run: Run, why: str) -> bool:
    """Its commit is not what it was: nothing is measured under that name, and the others go on."""
    from swarm.coordinator import collect

    with w.ledger.tx(), w.side_of(run.experiment):
        w.ledger.change("runs", {"id": run.id}, status="crashed", reason=f"machine: {why}", ended=w.now)
        w.say("machine", None, run.experiment, text=f"{run.experiment} cannot be measured: {why}")
        collect.settle(w, w.ledger.run(run.id))
    sound.look(w)
    return False


def run_lock(w: World, run: int) -> Path:
    return w.workspace.locks / f"run-{run}.lock"


def specify(w: World, slot: Slot, run: Run, attempt: int, folder: Path) -> RunSpec:
    """Everything the runner needs. Makes the attempt's folder anew."""
    task = w.task
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    gpu = not slot.devices.startswith("cpu")
    env = dict(task.env)
    env["SWARM_PYTHON"] = task.python or sys.executable
    if gpu:
        env["CUDA_VISIBLE_DEVICES"] = slot.devices
    else:
        env |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    return RunSpec(
        run=run.id, attempt=attempt, folder=str(folder), work=str(folder / "work"), command=task.run.split(),
        metric=task.metric.name, seed=run.seed, seed_mode=task.seed, edit=list(task.edit), budget=task.budget,
        kill_after=kill_after(w, run), env=env, caches=[_cache(c) for c in task.caches], sandbox=w.policy.sandbox,
        hide=[str(w.workspace.root), str(Path.home())], prefixes=prefixes(task.python), devices=_nodes(w, slot) if gpu else [],
    )  # fmt: skip


def _cache(text: str) -> Cache:
    """`~/x` is seen at the same place below the run's own HOME."""
    return Cache(str(Path(text).expanduser()), text.removeprefix("~/"))


def prefixes(python: str | None) -> list[str]:
    """Where the interpreter lives: its own tree and, behind a virtual environment, that of its base."""
    here = [sys.prefix, sys.base_prefix, *(sandbox.interpreter(python) if python else [])]
    return sorted({str(Path(p)) for p in here if p not in ("/", "/usr")})


def _nodes(w: World, slot: Slot) -> list[str]:
    data = w.ledger.value(
        "SELECT json_extract(data, '$.nodes.\"' || ? || '\"') FROM events WHERE campaign=? AND kind='spawned' "
        "AND json_extract(data, '$.nodes.\"' || ? || '\"') IS NOT NULL ORDER BY seq DESC", slot.id, w.campaign.id, slot.id
    )  # fmt: skip
    return str(data).split(",") if data else sorted(str(p) for p in Path("/dev").glob("nvidia*") if os.path.exists(p))


def kill_after(w: World, run: Run) -> float:
    """Wall seconds until a run is ended from outside (DESIGN: the limit must hold from outside)."""
    kind, amount = w.task.budget.split(":")
    seen = w.ledger.rows(
        "SELECT seconds, training_s FROM runs WHERE experiment=? AND status='finished'", w.campaign.baseline
    )  # fmt: skip
    if run.purpose == "baseline" or not seen:
        return 3 * float(amount) + 600 if kind in ("wall", "cpu") else 3600.0
    total = max(s for s, _ in seen if s is not None)
    if kind != "wall":
        return float(3 * total + 2)
    other = max((s - (t or 0.0)) for s, t in seen if s is not None)
    return float(amount) + 1.5 * max(0.0, float(other)) + 2
