"""The verbs of the story, each with what comes before it and what its caller may expect when all is over."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm.errors import Refused
from swarm.repo import Hub
from swarm.runner import curve
from tests.coordinator.play import TRAIN
from tests.faults.stage import HELD, Stage

Do = Callable[[Stage], Any]


def nothing(stage: Stage) -> None:
    pass


def then(*steps: Do) -> Do:
    """One after the other."""

    def do(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return do


@dataclass(frozen=True)
class Scene:
    """`act` is killed at each of its effects, then asked again. `end` looks at what came of it (after a rest).

    `daily`: a point where a weakness was found, tried every day; `parts`: into how many tests the whole sweep is cut;
    `users`: who makes one more change at the end (the agents whose worktrees the verb writes).
    """

    name: str
    before: Do
    act: Do
    end: Do = nothing
    daily: tuple[int, str] | None = None
    parts: int = 1
    users: tuple[str, ...] = ("a0",)


def count(stage: Stage, sql: str, *args: Any) -> int:
    return int(stage.ledger.value(f"SELECT COUNT(*) FROM {sql}", *args))


def begin(stage: Stage) -> None:
    stage.spawn(2, policy={"rebase_every": 30})
    stage.settle()


def kept(stage: Stage) -> None:
    """Best is e0002 of a0; a1 stands on it by now, but does not know."""
    begin(stage)
    stage.measured("a0", A=0.5)


def bad(stage: Stage) -> None:
    begin(stage)
    stage.measured("a0", A=5)


def ended(stage: Stage) -> None:
    kept(stage)
    stage.story.stop(now=True)
    stage.settle()


def searching(stage: Stage) -> None:
    assert stage.world.campaign.state == "searching"


def once(origin: str, text: str) -> Do:
    """Asked twice, measured once."""

    def end(stage: Stage) -> None:
        rows = stage.ledger.rows("SELECT id, verdict FROM experiments WHERE origin=? AND description=?", origin, text)
        real = [ident for ident, verdict in rows if verdict != "answered"]
        assert len(real) == 1, rows
        runs = "runs WHERE experiment=? AND purpose IN ('screen','person') AND status='finished'"
        assert count(stage, runs, real[0]) == 1

    return end


def _submit(stage: Stage) -> None:
    stage.submit("a0", "one change", A=0.5)


def _values(stage: Stage) -> None:
    answer = stage.story.submit_values("a0", {"A": "0.5"}, "one change")
    stage.promised[answer["experiment"]] = TRAIN.replace("A = 1.0", "A = 0.5")


def _both(stage: Stage) -> None:
    stage.submit("a1", B=1.9)
    stage.submit("a0", A=0.1)


def _went_round(stage: Stage) -> None:
    """Both changes are in best, whichever was judged first."""
    assert count(stage, "events WHERE kind='rebased'") >= 1
    best = stage.hub.read(stage.e(stage.world.campaign.best or "").commit or "", "train.py").decode()
    assert "A = 0.1" in best
    assert "B = 1.9" in best


def _one_promotion(stage: Stage) -> None:
    assert count(stage, "promotions") == 1
    assert stage.world.campaign.best == "e0002"


def _two_promotions(stage: Stage) -> None:
    bad(stage)
    stage.measured("a1", B=9)
    for ident in ("e0002", "e0003"):
        stage.story.promote(ident, force=True, hold=True)


def _one_undone(stage: Stage) -> None:
    assert count(stage, "promotions WHERE withdrawn IS NOT NULL") == 1
    assert stage.world.campaign.best == "e0002"


def _told_once(stage: Stage) -> None:
    assert count(stage, "events WHERE kind='told'") == 1


def _persons_file(stage: Stage) -> None:
    """A commit of the person's own repository."""
    bad(stage)
    git = ["git", "-C", str(stage.task_folder), "-c", "user.name=p", "-c", "user.email=p@localhost"]
    for words in (["init", "-q", "-b", "mine"], ["add", "."], ["commit", "-q", "-m", "as given"]):
        subprocess.run([*git, *words], check=True)
    (stage.task_folder / "train.py").write_text(TRAIN.replace("A = 1.0", "A = 0.3"))
    subprocess.run([*git, "commit", "-q", "-a", "-m", "better"], check=True)


def _persons_is_best(stage: Stage) -> None:
    rows = stage.ledger.rows("SELECT id FROM experiments WHERE origin='promote'")
    assert len(rows) == 1, rows
    assert stage.world.campaign.best == rows[0][0]
    assert count(stage, "promotions") == 1


def _stopped(stage: Stage) -> None:
    assert stage.world.campaign.state == "ended"
    assert stage.tmux.panes == {}
    assert count(stage, "experiments WHERE stage!='done' AND origin!='baseline'") == 0


def _running(stage: Stage) -> None:
    kept(stage)
    stage.submit("a0", A=0.4)
    stage.submit("a1", C=2.0)
    stage.step()


def _agent_stopped(stage: Stage) -> None:
    assert stage.a("a0").state == "stopped"
    assert "a0" not in stage.tmux.panes
    assert [s.id for s in stage.world.slots()] == ["1"]


def _half_done(stage: Stage) -> None:
    """a0 runs one thing, has another in its queue and edits a third."""
    begin(stage)
    stage.measured("a1", B=1.0)
    stage.submit("a0", A=0.4)
    stage.step()
    stage.submit("a0", C=2.0)
    stage.edit("a0", C=1.25)


def _replaced(stage: Stage) -> None:
    assert stage.a("a0").state == "stopped"
    assert "a0" not in stage.tmux.panes
    assert "a0-scripted" in stage.tmux.panes
    assert [s.agent for s in stage.world.slots()] == ["a0-scripted", "a1"]
    assert count(stage, "agents WHERE kind='scripted'") == 3
    assert count(stage, "events WHERE kind='replaced'") == 1
    ((name, commit),) = [(n, c) for n, c in stage.ledger.refs().items() if n.startswith("refs/stray/a0/")]
    assert "C = 1.25" in stage.hub.read(commit, "train.py").decode(), name
    assert [r for (r,) in stage.ledger.rows("SELECT verdict FROM experiments WHERE agent='a0'")].count("cancelled") == 1


def _goes_on(stage: Stage) -> None:
    searching(stage)
    assert set(stage.tmux.panes) == {"a0", "a1"}
    assert len(stage.world.slots()) == 2
    assert not stage.world.campaign.paused


def _after_agent(stage: Stage) -> None:
    kept(stage)
    stage.story.stop(["a0"])
    stage.story.stop(now=True)
    stage.settle()


def _spawned(stage: Stage) -> None:
    searching(stage)
    assert count(stage, "runs WHERE purpose='baseline' AND status='finished'") % 3 == 0
    assert set(stage.tmux.panes) == {"a0", "a1"}


def _second(stage: Stage) -> None:
    ended(stage)
    stage.edit("a0", C=7)


def _moved(stage: Stage) -> None:
    assert "A = 0.5" in (stage.workspace.worktree("a1") / "train.py").read_text()
    assert stage.a("a1").base == stage.a("a1").tip


def _lose_place(stage: Stage) -> None:
    """Once: worktrees, sessions and refs are gone, and the next start has something to do."""
    if stage.lost:
        return
    stage.lost = True
    for name in ("a0", "a1"):
        stage.world.worktrees.remove(name)
    stage.tmux.panes.clear()
    Hub(stage.workspace.hidden).set_refs({"refs/heads/best": None, "refs/experiments/e0002": None})


def _ask_wave(stage: Stage) -> None:
    stage.story.grid(["A=1,9", "B=2,9"], request="w1")


def _one_wave(stage: Stage) -> None:
    """Asked once, each cell measured once, answered once, and told once."""
    assert stage.ledger.rows("SELECT id, state FROM waves") == [(1, "done")]
    assert count(stage, "cells") == 4
    assert count(stage, "experiments WHERE origin='wave'") == 3
    runs = "SELECT COUNT(*) FROM runs r JOIN experiments e ON e.id=r.experiment WHERE e.origin='wave' AND r.purpose='screen'"
    assert stage.ledger.rows(f"{runs} AND r.status='finished'") == [(3,)]
    assert count(stage, "events WHERE kind='wave'") == 1
    assert count(stage, "notes WHERE text LIKE 'wave 1 on%'") == 1


def _waved(stage: Stage) -> None:
    begin(stage)
    _ask_wave(stage)


def _half_waved(stage: Stage) -> None:
    _waved(stage)
    stage.step()


def _wave_stopped(stage: Stage) -> None:
    assert stage.ledger.rows("SELECT state FROM waves") == [("stopped",)]
    assert count(stage, "events WHERE kind='wave'") == 1
    assert count(stage, "experiments WHERE origin='wave' AND verdict='cancelled'") >= 1


def _apart(stage: Stage) -> None:
    """Two kept changes that do not fit each other, a blank that is due, and slots that idle."""
    stage.spawn(2, policy={"rebase_every": 1e9, "confirm_share": 0.0, "blank": 0.5})
    stage.settle()
    for agent, value in (("a0", 0.9), ("a1", 0.8)):
        stage.submit(agent, A=value)
    stage.step()
    stage.step()
    stage.story.promote("e0001", hold=True)


def _rest(stage: Stage) -> None:
    for _ in range(12):
        stage.step(400.0)
    stage.settle()


def _no_twice(stage: Stage) -> None:
    rows = stage.ledger.rows("SELECT base, stack_of FROM experiments WHERE agent='swarm' AND origin='stack'")
    assert len(rows) == len(set(rows)), rows
    assert count(stage, "events WHERE kind='unstacked'") == count(stage, "notes WHERE text LIKE '%stack on%'")
    assert count(stage, "experiments WHERE origin='blank' AND verdict IN ('keep','discard')") >= 1
    assert count(stage, "figures WHERE name='blanks'") == 1


CONTROL = {"name": "control", "kind": "tuner", "slot": None, "options": {"idle": True, "control": True}}


def _beside(stage: Stage) -> None:
    """Two agents and a control."""
    named = [{"name": f"a{i}", "kind": "scripted", "slot": str(i)} for i in (0, 1)]
    stage.spawn(2, named=[*named, CONTROL], policy={"control": 0.5})


def _spawned_beside(stage: Stage) -> None:
    searching(stage)
    assert set(stage.tmux.panes) == {"a0", "a1", "control"}
    assert stage.ledger.rows("SELECT id, state FROM campaigns ORDER BY id") == [(-1, "searching"), (1, "searching")]


def _proposed(stage: Stage) -> None:
    """Something of the control's and something of an agent's wait."""
    _beside(stage)
    stage.settle()
    answer = stage.story.submit_values("control", {"B": "1.0"}, "one change")
    stage.promised[answer["experiment"]] = TRAIN.replace("B = 2.0", "B = 1.0")
    stage.submit("a0", A=0.5)


def _for_a_while(stage: Stage) -> None:
    for _ in range(25):
        stage.step(20)


def _each_its_best(stage: Stage) -> None:
    rows = stage.ledger.rows("SELECT campaign, experiment FROM promotions WHERE withdrawn IS NULL ORDER BY campaign")
    assert rows == [(-1, "e0002"), (1, "e0003")], rows
    assert [best for (best,) in stage.ledger.rows("SELECT best FROM campaigns ORDER BY id")] == ["e0002", "e0003"]
    assert stage.ledger.value("SELECT COUNT(*) FROM words WHERE rowid=4") == 0


def _nothing_better(stage: Stage) -> None:
    """Two programs, and as many experiments without a gain as it takes."""
    stage.workspace.programs.mkdir(exist_ok=True)
    for name in ("x", "y"):
        (stage.workspace.programs / f"{name}.md").write_text(f"# {name}\n")
    named = [
        {"name": f"a{i}", "kind": "scripted", "slot": str(i), "program": p, "programs": ["x", "y"]}
        for i, p in enumerate("xy")
    ]
    stage.spawn(2, named=named, policy={"plateau": 1})
    stage.settle()
    stage.submit("a0", A=5)
    stage.submit("a1", A=6)
    stage.settle()


def _changed_once(stage: Stage) -> None:
    assert count(stage, "events WHERE kind='plateau'") == 1
    assert count(stage, "events WHERE kind='switched'") == 2
    assert [stage.a(name).program for name in BOTH] == ["y", "x"]


def _with_idea(stage: Stage) -> None:
    begin(stage)
    stage.story.idea_add(None, text="lower A")


def _tries_it(stage: Stage) -> None:
    if stage.ledger.value("SELECT state FROM ideas") != "done":
        stage.story.idea_claim("a0")
        stage.edit("a0", A=0.5)
        with contextlib.suppress(Refused):  # it was taken, and its files are gone from the worktree already
            stage.story.submit("a0", "one change", expect=-0.5, p=0.9, idea=1)
    stage.settle()


def _tried_once(stage: Stage) -> None:
    """The verdict is the idea's outcome and in the agent's record, once."""
    ((state, experiment, outcome),) = stage.ledger.rows("SELECT state, experiment, outcome FROM ideas")
    assert (state, outcome) == ("done", stage.e(experiment).verdict)
    sums = json.loads(stage.ledger.value("SELECT value FROM figures WHERE name='calibration'"))["a0"]
    told = count(stage, "experiments WHERE expect IS NOT NULL AND verdict IN ('keep','discard','crash')")
    assert sums["n"] == sums["np"] == told == 1


def _pages(stage: Stage) -> None:
    stage.story.improve("a0", page="what-failed", text="nothing yet", version=0)
    stage.story.idea_add("a0", text="lower B", evidence="e0001")
    stage.story.flag("a1", "e0002", "too good")


def _written_once(stage: Stage) -> None:
    for table in (
        "pages",
        "ideas",
        "events WHERE kind='improved'",
        "events WHERE kind='idea'",
        "events WHERE kind='flagged'",
    ):
        assert count(stage, table) == 1, table


def _hopeless(stage: Stage) -> None:
    """A run of a0 goes on, and its loss is far above what the baseline's were."""
    stage.spawn(2, policy={"rebase_every": 30, "early": "parent", "baseline_runs": 5})
    stage.settle()
    for (run,) in stage.ledger.rows("SELECT id FROM runs"):
        for n in range(1, 21):
            stage.ledger.add("curves", run=run, fraction=n / 20, loss=7 - n / 20 + 0.01 * run)
    stage.submit("a0", A=9)
    stage.step()
    folder = _run_of(stage, "e0002")
    (folder / HELD).touch()
    (folder / curve.FILE).write_text("".join(f"{n / 20:g} {14 - n / 20:g}\n" for n in range(1, 9)))


def _run_of(stage: Stage, ident: str) -> Path:
    run, attempt = stage.ledger.rows("SELECT id, attempt FROM runs WHERE experiment=?", ident)[0]
    return stage.workspace.run_folder(run, attempt)


def _ended_early(stage: Stage) -> None:
    e = stage.e("e0002")
    assert e.verdict == "discard", e
    assert (e.reason or "").startswith("ended at 30 % of its budget"), e
    assert stage.ledger.rows("SELECT status, attempt FROM runs WHERE experiment='e0002'") == [("cancelled", 1)]
    assert count(stage, "curves c JOIN runs r ON r.id=c.run WHERE r.experiment='e0002'") == 8
    assert (_run_of(stage, "e0002") / "result.json").exists(), "its process goes on"


BOTH = ("a0", "a1")
SCENES = [
    Scene("spawn", nothing, lambda s: s.spawn(2), _spawned, (9, "inside"), users=BOTH),
    Scene("spawn a second campaign", _second, lambda s: s.spawn(2), _spawned, (5, "before"), users=BOTH),
    Scene("the baseline", lambda s: s.spawn(2), lambda s: s.settle(), _spawned),
    Scene("submit", begin, _submit, once("submit", "one change"), (6, "inside")),
    Scene("submit values", begin, _values, once("submit", "one change")),
    Scene("bind, dispatch, collect, judge, confirm, promote, pollinate", then(begin, _both),
          lambda s: s.settle(), _went_round, (12, "before"), parts=3),
    Scene("contact", kept, lambda s: s.story.contact("a1"), _moved, (2, "inside"), users=("a1",)),
    Scene("promote", bad, lambda s: s.story.promote("e0002", force=True, hold=True), _one_promotion),
    Scene("promote a person's commit", _persons_file, lambda s: s.story.promote("mine", force=True, hold=True),
          _persons_is_best, (5, "before")),
    Scene("promote when measured", _persons_file, then(lambda s: s.story.promote("mine"), Stage.settle), _persons_is_best, parts=2),
    Scene("withdraw", then(bad, lambda s: s.story.promote("e0002", force=True)), lambda s: s.settle(),
          lambda s: searching(s)),
    Scene("undo", then(bad, lambda s: s.story.promote("e0002", force=True, hold=True)), lambda s: s.story.undo(),
          lambda s: searching(s)),
    Scene("undo one of two", _two_promotions, lambda s: s.story.undo(request="r1"), _one_undone, (1, "after")),
    Scene("tell", begin, lambda s: s.story.tell("a0", "look at B", request="t1"), _told_once, (1, "after")),
    Scene("try", begin, lambda s: s.story.try_file({"train.py": TRAIN.replace("A = 1.0", "A = 0.2")}, "mine"),
          once("try", "mine"), (5, "after")),
    Scene("stop", _running, then(lambda s: s.story.stop(), Stage.settle, lambda s: s.step(60), Stage.settle), _stopped),
    Scene("stop --now", _running, then(lambda s: s.story.stop(now=True), Stage.settle), _stopped),
    Scene("stop an agent", _running, then(lambda s: s.story.stop(["a0"]), Stage.settle), _agent_stopped),
    Scene("resume after the end", _after_agent, lambda s: s.story.resume({"hours": 1}), _goes_on, (2, "before"), users=BOTH),
    Scene("replace", _half_done, lambda s: s.story.replace("a0", "scripted", source="best"), _replaced, (4, "inside"), parts=2,
          users=("a0-scripted",)),
    Scene("grid", begin, then(_ask_wave, Stage.settle), _one_wave, parts=3),
    Scene("grid, answered", _waved, lambda s: s.settle(), _one_wave, (4, "after"), parts=2),
    Scene("stop a grid", _half_waved, then(lambda s: s.story.stop_grid(1), Stage.settle), _wave_stopped),
    Scene("stacks and blanks", _apart, _rest, _no_twice, (7, "inside"), parts=3),
    Scene("pause and resume", _running, then(lambda s: s.story.pause(), lambda s: s.story.resume()), _goes_on),
    Scene("spawn with a control", nothing, _beside, _spawned_beside, (11, "inside"), users=BOTH),
    Scene("the control is measured, confirmed, promoted", _proposed, _for_a_while, _each_its_best, parts=3),
    Scene("a plateau", _nothing_better, lambda s: [s.step(31), s.step(31)], _changed_once, (1, "inside")),
    Scene("submit an idea", _with_idea, _tries_it, _tried_once, (4, "after")),
    Scene("write an idea, a page, a flag", kept, _pages, _written_once),
    Scene("end a run early", _hopeless, then(lambda s: s.step(10), Stage.settle), _ended_early, (1, "after")),
    Scene("recover", kept, then(_lose_place, Stage.close, Stage.open), _goes_on, users=BOTH),
]  # fmt: skip
