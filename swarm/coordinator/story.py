"""The story: every verb of the door as a method, and one synchronous `step`. Runs on one thread only."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swarm import clock
from swarm.coordinator import (
    adopt,
    collect,
    company,
    confirm,
    contact,
    control,
    dispatch,
    early,
    ending,
    flag,
    grid,
    idea,
    note,
    notebook,
    once,
    plateau,
    pollinate,
    promote,
    recover,
    remeasure,
    replace,
    resume,
    scene,
    sound,
    spawn,
    submit,
    turn,
    watch,
    waves,
)
from swarm.coordinator.world import LIVE, World
from swarm.errors import Refused, SwarmError
from swarm.ledger.ledger import Ledger
from swarm.ports import AgentKind, Executor, Sessions
from swarm.repo import Failed, Hub, Worktrees
from swarm.research.experiment import NO_WORKERS, Run
from swarm.workspace import Workspace

log = logging.getLogger(__name__)

BUSY = 0.25  # seconds between looks while something runs
IDLE = 1.0
BACK = 5.0  # seconds by which a clock may be put right without anybody noticing


class Story:
    """What the coordinator knows and does. `now` is a parameter wherever time matters to a test.

    `awake` is the clock for durations (see swarm/clock.py).
    """

    def __init__(
        self,
        workspace: Workspace,
        ledger: Ledger,
        hub: Hub,
        worktrees: Callable[[Sequence[str]], Worktrees],
        executor: Executor,
        sessions: Sessions,
        kinds: Callable[[str], AgentKind],
        now: Callable[[], float] = clock.now,
        strangers: Callable[[], Mapping[str, Sequence[int]]] = dict,
        awake: Callable[[], float] = clock.awake,
    ) -> None:
        self.world = World(workspace, ledger, hub, worktrees, executor, sessions, kinds, strangers, now(), awake())
        self._now = now
        self._awake = awake
        recover.recover(self.world)

    # --- time -------------------------------------------------------------------------------------------------

    @property
    def changed(self) -> int:
        """Grows with everything that happens; who waits for news looks again when it has."""
        return self.world.changed

    def step(self, now: float) -> bool:
        """Go on with the story. Returns whether anything happened."""
        w = self.world
        self._tick(now)
        if not w.has_campaign:
            return False
        try:
            did = collect.collect(w)
            did = early.look(w) or did
            if w.dirty:
                w.dirty = False
                did = any(w.both(lambda w: confirm.withdraw(w) or confirm.review(w))) or promote.wanted(w) or did
                did = waves.review(w) or did
            did = ending.review(w) or did
            did = pollinate.pollinate(w) or did
            did = dispatch.dispatch(w) or did
            did = company.look(w) or did
            did = any(w.both(watch.watch)) or did
            control.look(w)
            did = plateau.look(w) or did
            w.move_refs()
        except BaseException as error:
            recover.load(w)  # what is in memory may be ahead of a transaction that was rolled back
            if isinstance(error, Failed):
                sound.look(w)
            raise
        w.dirty = w.dirty or did
        return did

    def _tick(self, now: float) -> None:
        """Appointments of a clock that was set back since are nobody's: all is due anew."""
        if now < self.world.now - BACK:
            self.world.timers.clear()
            self.world.its_timers.clear()
        self.world.now = now
        self.world.awake = self._awake()

    def next_wake(self, now: float) -> float:
        """When `step` should be called again if nobody asks for anything, in seconds since 1970."""
        if not self.world.has_campaign:
            return now + 60.0
        return now + (BUSY if self.world.ledger.open_runs("running") else IDLE)

    def over(self) -> bool:
        """Nothing left to do: no campaign, or it has ended and nothing runs."""
        w = self.world
        return not w.has_campaign or (w.campaign.state == "ended" and not w.ledger.open_runs("running"))

    def close(self) -> None:
        """Leave the ledger in one file: a copy of `results.db` then holds all of it."""
        self.world.ledger.close()

    def _do(self, verb: Callable[..., dict[str, Any]], *args: Any, **named: Any) -> dict[str, Any]:
        w = self.world
        self._tick(self._now())
        if not w.has_campaign and verb is not spawn.spawn:
            raise Refused("no campaign here yet.", "swarm spawn starts one.")
        try:
            answer = verb(w, *args, **named)
        except Refused:
            self._move_refs()
            raise
        except KeyError as error:
            raise Refused(
                f"there is no {error.args[0]} here.", "swarm leaderboard and swarm status list what there is.", 404
            ) from None
        except BaseException as error:
            recover.load(w)
            if isinstance(error, Failed) and sound.look(w):
                raise Refused("what everybody builds on was damaged, and was given up.", "Ask again.", 503) from None
            raise
        w.changed += 1
        self._move_refs()
        return answer

    def _move_refs(self) -> None:
        """What the ledger says is done, and said so, though refs find no room just now: every step tries them again."""
        try:
            self.world.move_refs()
        except (SwarmError, OSError):
            log.exception("refs of the hub could not be moved; the next step tries again")

    # --- the owner's verbs ------------------------------------------------------------------------------------

    def spawn(self, **wish: Any) -> dict[str, Any]:
        return self._do(spawn.spawn, **wish)

    def promote(self, what: str, force: bool = False, hold: bool = False) -> dict[str, Any]:
        return self._do(promote.by_person, what, force, hold)

    def undo(self, request: str | None = None) -> dict[str, Any]:
        """`request`: a name; said again under the same one it is done once. So with `tell`."""
        return self._do(promote.undo, request)

    def try_file(self, files: dict[str, str], description: str) -> dict[str, Any]:
        return self._do(_try, files, description)

    def grid(self, words: list[str], agent: str | None = None, **wish: Any) -> dict[str, Any]:
        """Queue a wave; `agent` None: a person asks. See grid.ask."""
        return self._do(grid.ask, words, agent=agent, **wish)

    def stop_grid(self, number: int, agent: str | None = None) -> dict[str, Any]:
        return self._do(grid.stop, number, agent)

    def pause(self) -> dict[str, Any]:
        return self._do(resume.pause)

    def resume(self, stop: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._do(resume.resume, stop)

    def stop(self, agents: list[str] | None = None, now: bool = False) -> dict[str, Any]:
        return self._do(ending.stop, agents, now)

    def successor(self, who: str, kind: str) -> dict[str, Any]:
        return self._do(replace.successor, who, kind)

    def replace(self, who: str, kind: str, **wish: Any) -> dict[str, Any]:
        return self._do(replace.replace, who, kind, **wish)

    def tell(self, agent: str, text: str, request: str | None = None) -> dict[str, Any]:
        return self._do(_tell, agent, text, request)

    # --- the agents' verbs ------------------------------------------------------------------------------------

    def submit(
        self,
        agent: str,
        description: str,
        hypothesis: str | None = None,
        expect: float | None = None,
        on: str | None = None,
        p: float | None = None,
        idea: int | None = None,
    ) -> dict[str, Any]:
        return self._do(_agents(submit.submit), agent, description, hypothesis, expect, on, p, idea)

    def submit_values(self, agent: str, values: dict[str, str], description: str | None = None) -> dict[str, Any]:
        return self._do(_agents(submit.submit_values), agent, values, description)

    def constants(self, agent: str) -> dict[str, Any]:
        return self._do(_agents(contact.constants_of), agent)

    def scene(self, agent: str) -> dict[str, Any]:
        return self._do(_agents(scene.scene), agent)

    def turn(self, agent: str, **said: Any) -> dict[str, Any]:
        return self._do(_agents(turn.turn), agent, **said)

    def adopt(self, agent: str, experiment: str) -> dict[str, Any]:
        return self._do(_agents(adopt.adopt), agent, experiment)

    def note(self, agent: str | None, text: str) -> dict[str, Any]:
        """`agent` None: a person's note."""
        return self._do(note.note, agent, text)

    def idea_add(self, agent: str | None, **said: Any) -> dict[str, Any]:
        """`agent` None: a person's idea; so with `idea_done` and `improve`."""
        return self._do(idea.add, agent, **said)

    def idea_claim(self, agent: str, ident: int | None = None) -> dict[str, Any]:
        return self._do(idea.claim, agent, ident)

    def idea_done(self, agent: str | None, ident: int, **said: Any) -> dict[str, Any]:
        return self._do(idea.done, agent, ident, **said)

    def improve(self, agent: str | None, **said: Any) -> dict[str, Any]:
        return self._do(notebook.improve, agent, **said)

    def flag(self, agent: str, experiment: str, why: str) -> dict[str, Any]:
        return self._do(flag.flag, agent, experiment, why)

    def remeasure(self, agent: str, experiment: str, why: str) -> dict[str, Any]:
        return self._do(remeasure.remeasure, agent, experiment, why)

    def contact(
        self, agent: str, final: bool = False, patient: bool = False, heard: int | None = None
    ) -> dict[str, Any]:
        """One look for `wait`; see contact.contact."""
        before = self.world.changed
        answer = self._do(_agents(contact.contact), agent, final, patient, heard)
        self.world.changed = before  # hearing the news is no news
        return answer

    def hear(self, agent: str, seq: int) -> dict[str, Any]:
        """News up to `seq` was heard."""
        before = self.world.changed
        answer = self._do(_agents(contact.hear), agent, seq)
        self.world.changed = before
        return answer

    # --- for everybody ----------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The bare facts; screens draw theirs from the ledger."""
        w = self.world
        if not w.has_campaign:
            return {"state": "none"}
        c = w.campaign
        return {
            "campaign": c.name, "state": c.state, "metric": c.metric, "better": c.better, "budget": w.task.budget,
            "paused": bool(c.paused), "best": c.best, "baseline": c.baseline,
            "why_ended": c.why_ended, "agents": [{"name": a.name, "kind": a.kind, "state": a.state} for a in w.agents() if a.kind not in NO_WORKERS],
            "live": len([a for a in w.agents(*LIVE) if a.kind not in NO_WORKERS]), "running": len(w.ledger.open_runs("running")),
            "queued": len(w.ledger.open_runs("queued")),
        }  # fmt: skip

    def experiment(self, ident: str) -> dict[str, Any]:
        return self._do(_card, ident)


def _try(w: World, files: dict[str, str], description: str) -> dict[str, Any]:
    """A person's own file, measured as it is. Raises Refused for other files, and when there is no slot."""
    if w.campaign.state not in ("baseline", "searching"):
        raise Refused("the campaign has ended: there is no slot for a run.", "swarm resume --hours 1, then try again.")
    odd = [name for name in files if name not in w.task.edit]
    if odd:
        raise Refused(
            f"{', '.join(odd)} is not a file of this task that may change.", f"It may be: {', '.join(w.task.edit)}"
        )
    base = w.commit_of(w.campaign.best or "")
    commit = w.hub.commit({n: t.encode() for n, t in files.items()}, base, description)
    if w.hub.tree(commit) == w.hub.tree(base):
        raise Refused("your file is the same as the best one.", "Change it, then try again.")
    e = promote.add_exact(w, commit, " ".join(description.split())[: submit.DESCRIPTION], "try")
    return {"experiment": e.id, "commit": commit}


def _agents(verb: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The verb of an agent, on the side where this one belongs."""

    def do(w: World, agent: str, *args: Any, **named: Any) -> dict[str, Any]:
        with w.side_of_agent(agent):
            return verb(w, agent, *args, **named)

    return do


def _tell(w: World, agent: str, text: str, request: str | None) -> dict[str, Any]:
    w.agent(agent)
    if once.before(w, "told", request) is None:
        w.say("told", agent, None, text=text[:4000], **once.named(request))
    return {"told": agent}


def _card(w: World, ident: str) -> dict[str, Any]:
    e = promote.find(w, ident)
    if e is None or e.campaign < 0:
        raise KeyError(ident)
    runs = w.ledger.all(Run, "WHERE experiment=? ORDER BY id", e.id)
    return {
        "experiment": e.id, "commit": e.commit, "agent": e.agent, "stage": e.stage, "verdict": e.verdict, "reason": e.reason,
        "score": e.raw, "estimate": e.estimate, "stderr": e.stderr, "p_better": e.p_better, "parent": e.parent,
        "description": e.description, "runs": [{"id": r.id, "status": r.status, "seed": r.seed, "score": r.score} for r in runs],
        "stack_of": json.loads(e.stack_of) if e.stack_of else None,
    }  # fmt: skip
