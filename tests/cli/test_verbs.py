"""What each verb asks of the coordinator, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swarm.cli import promote, spawned
from swarm.config import Policy, Task
from swarm.errors import Refused
from swarm.ledger.ledger import Ledger
from swarm.workspace import Workspace
from tests.cli.conftest import FakeClient, Typed


def recorded(place: Workspace, state: str = "searching", edit: tuple[str, ...] = ("train.py",)) -> Ledger:
    """A ledger with one campaign, its baseline and an agent."""
    place.make()
    ledger = Ledger(place.ledger)
    task = Task(path=str(place.root), edit=edit)
    ledger.add(
        "campaigns", name="c1", task=json.dumps({"task": task.model_dump(mode="json"), "policy": Policy().model_dump()}),
        stop="{}", state=state, metric="val_bpb", better="lower", best="e0001", baseline="e0001",
        why_ended="stop.hours" if state == "ended" else None, created=1.0,
    )  # fmt: skip
    ledger.add(
        "experiments", id="e0001", campaign=1, origin="baseline", kind="code", description="as given", stage="done",
        commit="ab" * 20, created=1.0,
    )  # fmt: skip
    ledger.add(
        "agents", name="gpu0", campaign=1, kind="tuner", state="thinking", base="e0001", tip="e0001", created=1.0
    )
    return ledger


@pytest.fixture
def door(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """A coordinator for a workspace in which a campaign goes on."""
    recorded(place).close()
    fake = FakeClient({})
    use(monkeypatch, fake)
    return fake


def use(monkeypatch: pytest.MonkeyPatch, fake: FakeClient) -> None:
    monkeypatch.setattr("swarm.daemon.start.ensure", lambda workspace: fake)
    monkeypatch.setattr("swarm.client.Client.at", lambda workspace, who="owner": fake)


MOVED: dict[str, Any] = {
    "moved": True, "p": 0.86, "measuring": False, "experiment": "e0231", "commit": "9f3c1e2" + "0" * 33,
    "estimate": 0.98031, "stderr": 0.0008, "runs": 4, "previous_experiment": "e0198", "previous_commit": "04e2b1f",
    "previous_estimate": 0.9816, "previous_stderr": 0.0009, "previous_runs": 3, "told": 4, "at_once": 2,
    "on_it": ["gpu0-claude"], "behind": ["gpu1", "gpu2"], "stays": ["gpu7"], "elsewhere": ["gpu5"],
}  # fmt: skip


def test_promote(typed: Typed, door: FakeClient) -> None:
    door.answers["promote"] = MOVED
    code, out, _ = typed("promote", "9f3c1e2", "--hold")
    assert code == 0
    assert door.asked == [("promote", {"what": "9f3c1e2", "force": False, "hold": True})]
    assert "e0198 0.9816 ± .0009 (3 runs)  →  e0231 9f3c1e2  0.9803 ± .0008 (4 runs)   P(better) 0.86" in out
    assert "told   4 agents, each at its next contact" in out
    assert "will be rebased     gpu1, gpu2 (at most 2 at a time, each re-measured)" in out
    assert "looks elsewhere     gpu5 (on purpose, on a good branch of its own)" in out
    assert "it is held" in out


def test_promote_on_one_run_says_that_it_is_confirmed() -> None:
    text = "\n".join(promote.lines({**MOVED, "runs": 1, "p": 0.31, "measuring": True}))
    assert "e0198  →  e0231 9f3c1e2, by you. It has one run so far (P(better) 0.31): confirming it now." in text


def test_promote_without_agents() -> None:
    text = "\n".join(promote.lines({**MOVED, "told": 0, "on_it": [], "behind": [], "stays": []}))
    assert "nobody" in text


def test_promote_of_something_unmeasured() -> None:
    assert promote.lines({"message": "measuring it first.", "moved": False}) == ["  measuring it first."]


def test_promote_of_the_unknown(typed: Typed, door: FakeClient) -> None:
    door.answers["promote"] = Refused("no commit deadbee in this swarm or in your repository.", "Look for one")
    assert typed("promote", "deadbee") == (
        1,
        "",
        "swarm: no commit deadbee in this swarm or in your repository.\n  Look for one\n",
    )


def test_undo(typed: Typed, door: FakeClient) -> None:
    door.answers["promote/undo"] = {"experiment": "e0198", "previous": "e0231"}
    code, out, _ = typed("promote", "--undo")
    assert code == 0
    assert "e0231  →  e0198 again" in out


@pytest.mark.parametrize("words", [["promote", "e0001"], ["stop"], ["tell", "gpu0", "hi"], ["pause"], ["resume"]])
def test_nothing_was_ever_spawned(typed: Typed, place: Workspace, words: list[str]) -> None:
    code, _, err = typed(*words)
    assert code == 1
    assert "swarm spawn" in err


def test_tell(typed: Typed, door: FakeClient) -> None:
    door.answers["agents/gpu0/tell"] = {"told": "gpu0"}
    assert typed("tell", "gpu0", "look at the data order")[0] == 0
    assert door.asked == [("agents/gpu0/tell", {"text": "look at the data order"})]
    assert typed("tell", "gpu0", "  ")[0] == 2


def test_stop(typed: Typed, door: FakeClient) -> None:
    door.answers["stop"] = {"stopped": [], "running": 2}
    code, out, _ = typed("stop")
    assert (code, door.asked[-1]) == (0, ("stop", {"agents": [], "now": False}))
    assert "2 runs finish first" in out
    typed("stop", "gpu0", "gpu1", "--now")
    assert door.asked[-1] == ("stop", {"agents": ["gpu0", "gpu1"], "now": True})


def test_stop_after_the_end(typed: Typed, place: Workspace) -> None:
    recorded(place, "ended").close()
    code, out, _ = typed("stop")
    assert code == 0
    assert "stop.hours" in out


def test_pause_and_resume(typed: Typed, door: FakeClient) -> None:
    door.answers.update({"pause": {"running": 1}, "resume": {"resumed": True, "restarted": []}})
    assert "1 run finish" in typed("pause")[1]
    assert typed("resume")[0] == 0
    assert door.asked[-1] == ("resume", {"stop": None})
    typed("resume", "--hours", "2")
    assert door.asked[-1][1]["stop"]["hours"] == 2
    assert typed("resume", "--until", "25:00")[0] == 1


def test_try(typed: Typed, door: FakeClient, tmp_path: Path) -> None:
    mine = tmp_path / "my_train.py"
    mine.write_text("LR = 1\n")
    door.answers["try"] = {"experiment": "e0007", "commit": "c" * 40}
    door.answers["experiments/e0007/wait"] = [
        {"experiment": "e0007", "verdict": None, "stage": "bound"},
        {"experiment": "e0007", "verdict": "keep", "score": 0.98, "p_better": 0.9, "description": "mine"},
    ]
    code, out, _ = typed("try", str(mine), "-m", "mine", "--wait")
    assert code == 0
    assert door.asked[0] == ("try", {"files": {"train.py": "LR = 1\n"}, "description": "mine"})
    assert "e0007  keep  0.9800   P(better) 0.90   mine" in out


def test_try_a_file_that_is_not_there(typed: Typed, door: FakeClient) -> None:
    assert typed("try", "nowhere.py", "-m", "x")[0] == 1
    assert door.asked == []


def test_try_does_not_guess_between_files(typed: Typed, place: Workspace, tmp_path: Path) -> None:
    recorded(place, edit=("a.py", "b.py")).close()
    (tmp_path / "mine.py").write_text("")
    code, _, err = typed("try", str(tmp_path / "mine.py"), "-m", "x")
    assert code == 2
    assert "a.py, b.py" in err


def test_submit_is_for_agents(typed: Typed, door: FakeClient) -> None:
    code, _, err = typed("submit", "-m", "x")
    assert code == 1
    assert "swarm try" in err


def seat(place: Workspace, monkeypatch: pytest.MonkeyPatch, fake: FakeClient) -> None:
    token = place.token("agent.gpu0")
    token.write_text("secret")
    note = place.agents / "seat.json"
    note.write_text(json.dumps({"door": str(place.door), "token": str(token)}))
    monkeypatch.setenv("SWARM_SEAT", str(note))

    def of(door: Path, token_file: Path) -> FakeClient:
        assert (door, token_file) == (place.door, token)
        return fake

    monkeypatch.setattr("swarm.client.Client.of", of)


def test_an_agent_submits_and_waits(
    typed: Typed, place: Workspace, door: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(place, monkeypatch, door)
    door.answers["submit"] = {"experiment": "e0002", "diff": "-LR = 1\n+LR = 2", "notes": ["tried before"], "room": 0}
    door.answers["wait"] = [
        {"stop": False, "room": 0, "news": [], "results": []},
        {
            "stop": False, "room": 1, "news": ["best is e0009"], "base": "e0009",
            "results": [{"experiment": "e0002", "verdict": "crash", "reason": "Trace\noom", "score": None}],
        },
    ]  # fmt: skip
    code, out, _ = typed("submit", "-m", "LR 1 to 2", "--wait")
    assert code == 0
    assert out.splitlines() == [
        "e0002 is queued. Your worktree is back at what you build on; room for 0 more.",
        "note: tried before",
        "-LR = 1",
        "+LR = 2",
        "e0002  crash   oom",
        "news: best is e0009",
        "You build on e0009. Room for 1 more.",
    ]


def test_an_agent_hears_that_it_is_over(
    typed: Typed, place: Workspace, door: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(place, monkeypatch, door)
    door.answers["wait"] = {"stop": True, "why": "stop.hours", "room": 0, "news": [], "results": []}
    assert "stop: stop.hours" in typed("wait")[1]


def test_an_unreadable_seat(typed: Typed, place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_SEAT", str(place.root / "nowhere.json"))
    assert typed("submit", "-m", "x")[0] == 1


def test_a_person_waits_for_the_end(typed: Typed, place: Workspace) -> None:
    recorded(place, "ended").close()
    fake = FakeClient({"health": {"ok": True}})
    with pytest.MonkeyPatch.context() as patch:
        use(patch, fake)
        code, out, _ = typed("wait")
    assert code == 0
    assert "stop.hours" in out


def test_a_person_gives_up_waiting(typed: Typed, door: FakeClient) -> None:
    door.answers["experiments/e0003/wait"] = {"experiment": "e0003", "verdict": None, "stage": "queued"}
    code, _, err = typed("wait", "e0003", "--timeout", "0")
    assert code == 1
    assert "swarm wait e0003" in err


def test_a_worktree_is_inside_its_workspace(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from swarm.cli.places import here

    place.make()
    tree = place.worktree("gpu0")
    tree.mkdir()
    for name in ("train.py", "prepare.py", "program.md"):
        (tree / name).write_text("")
    monkeypatch.chdir(tree)
    assert here().root == place.root


TSV = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "228791f\t0.997900\t44.0\tkeep\tbaseline\n"
    "abc1234\t0.000000\t0.0\tcrash\ttoo wide\n"
)


def test_import(typed: Typed, place: Workspace) -> None:
    (place.root / "results.tsv").write_text(TSV)
    code, out, _ = typed("import", "results.tsv")
    assert (code, "2 experiments imported" in out) == (0, True)
    assert "0 experiments imported · 2 were there already" in typed("import", "results.tsv")[1]
    ledger = Ledger(place.ledger)
    assert ledger.rows("SELECT id, verdict, raw, peak_vram_mb, origin, estimate FROM experiments") == [
        ("e0001", "keep", 0.9979, 44.0 * 1024, "imported", None),
        ("e0002", "crash", None, None, "imported", None),
    ]
    ledger.close()


def test_import_of_nothing(typed: Typed, place: Workspace) -> None:
    (place.root / "results.tsv").write_text("nonsense\n")
    code, _, err = typed("import", "results.tsv")
    assert code == 1
    assert "no experiments" in err
    assert typed("import", "nowhere.tsv")[0] == 1


def test_rights_are_told(template: Path) -> None:
    task = Task(path=str(template))
    plan = spawned.Plan(
        task, [{"name": "cpu0-command", "kind": "command", "slot": "0"}],
        [{"id": "0", "devices": "cpu:0", "accelerator": "x86"}], spawned.End(spawned.Stop(usd=3)), "off",
    )  # fmt: skip
    text = "\n".join(spawned.lines(plan, {"base": "ab" * 20, "runs": 3, "campaign": "c1"}, 0.0, 1.0))
    assert "NOT sandboxed" in text
    assert "all your rights" in text
    assert "at $3" in text
    assert "1 agent is running (1.0 s)" in text


def test_rights_of_clients_are_those_that_they_have(template: Path) -> None:
    def told(*agents: tuple[str, dict[str, object]]) -> str:
        people = [{"name": f"a{n}", "kind": kind, "options": options} for n, (kind, options) in enumerate(agents)]
        slots = [{"id": "0", "devices": "cpu:0", "accelerator": "x86"}]
        plan = spawned.Plan(Task(path=str(template)), people, slots, spawned.End(spawned.Stop(usd=3)), "off")
        return spawned._rights(plan)

    assert "No shell" in told(("claude", {})) and "open" not in told(("claude", {}))
    wide = told(("claude", {"permissions": "open"}))
    assert "behind a wall" in wide and "No shell" not in wide
    assert "without a wall" in told(("codex", {"permissions": "unwalled"}))
    both = told(("claude", {"permissions": "open"}), ("codex", {"interactive": True}))
    assert "codex guarded" in both and "claude open" in both and "own screens" in both


def test_the_template_of_a_checkout_is_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from swarm.cli.places import here

    root = tmp_path / "checkout"
    for name in ("templates/train.py", "templates/prepare.py", "templates/program.md", "swarm/workspace.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    monkeypatch.chdir(root / "templates")
    assert here().root == root
