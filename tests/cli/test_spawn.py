"""spawn: everything that costs nothing is looked at first; what is asked of the coordinator; what a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarm import slots
from swarm.cli import machine, spawn, spawned
from swarm.config import Stop
from swarm.errors import SwarmError
from swarm.runner import sandbox
from swarm.slots import choosing, nvidia
from swarm.workspace import Workspace
from tests.cli.conftest import FakeClient, Typed
from tests.ledger.made import made

SLOTS: list[dict[str, Any]] = [
    {"id": "0", "devices": "cpu:4", "accelerator": "x86", "torch": "2.9", "device_nodes": []},
    {"id": "1", "devices": "cpu:5", "accelerator": "x86", "torch": "2.9", "device_nodes": []},
]
AGENTS: list[dict[str, Any]] = [
    {"name": f"cpu{i}-tuner", "kind": "tuner", "options": {"device": "cpu"}, "program": None, "slot": str(i)}
    for i in (0, 1)
]
ANSWER = {
    "campaign": "c1",
    "base": "ab" * 20,
    "runs": 3,
    "notes": ["your uncommitted edits are part of it"],
    "agents": [],
}


def with_gpus(monkeypatch: pytest.MonkeyPatch, those: list[slots.Gpu]) -> None:
    monkeypatch.setattr(slots, "gpus", lambda: those)
    monkeypatch.setattr(nvidia, "gpus", lambda: those)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, home: Path) -> FakeClient:
    """Two CPU cores, a prepared cache, and a coordinator that says yes."""
    (home / ".cache" / "swarm").mkdir(parents=True)
    (home / ".cache" / "swarm" / "fingerprint.json").write_text("{}")
    monkeypatch.setattr(choosing, "cores", lambda: [4, 5])
    monkeypatch.setattr(choosing, "cpu_model", lambda: "x86")
    monkeypatch.setattr(choosing, "torch_version", lambda python=None: "2.9")
    with_gpus(monkeypatch, [])
    fake = FakeClient({"spawn": ANSWER})
    monkeypatch.setattr("swarm.daemon.start.ensure", lambda workspace: fake)
    return fake


def test_spawn(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    code, out, err = typed("spawn", "--device", "cpu", "--hours", "2", "--sandbox", "off")
    assert (code, err) == (0, "")
    ((path, body),) = asked.asked
    assert path == "spawn"
    assert body["agents"] == AGENTS
    assert body["slots"] == SLOTS
    assert body["stop"]["hours"] == 2
    assert body["policy"]["sandbox"] == "off"
    assert body["task"]["budget"].startswith("flops:")
    assert "task    templates abababa · edits train.py · minimises val_bpb" in out
    assert "note    your uncommitted edits are part of it" in out
    assert "(2 h)" in out
    assert "2 agents are running" in out
    assert "Now: the baseline, 3 seeds" in out
    assert "swarm attach cpu0-tuner" in out or machine.absent(["tmux"])
    assert 'swarm tell cpu0-tuner "…"' in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_request_is_what_the_door_takes(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    from swarm.api import wire

    typed("spawn", "--device", "cpu", "--hours", "2")
    ((_, body),) = asked.asked
    wire.Spawn.model_validate(json.loads(json.dumps(body)))


def test_without_a_terminal_the_end_must_be_said(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    code, _, err = typed("spawn", "--device", "cpu")
    assert code == 1
    assert "--hours 10" in err
    assert asked.asked == []


def test_when_it_stops() -> None:
    none = spawn.Asked()
    assert spawn.when_it_stops(none, None, True).stop.hours == 10
    assert spawn.when_it_stops(none, Stop(usd=3), False).stop == Stop(usd=3)
    assert spawn.when_it_stops(spawn.Asked(experiments=5), Stop(usd=3), False).stop == Stop(experiments=5)
    with pytest.raises(SwarmError, match="08:30"):
        spawn.when_it_stops(spawn.Asked(until="8h30"), None, True)


def test_data_that_is_not_prepared(typed: Typed, place: Workspace, asked: FakeClient, home: Path) -> None:
    (home / ".cache" / "swarm" / "fingerprint.json").unlink()
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 1
    assert "swarm prepare" in err
    assert asked.asked == []
    assert not place.hidden.exists()


def test_torch_that_is_not_there(
    typed: Typed, place: Workspace, asked: FakeClient, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (template / "train.py").write_text("import torch\n")
    monkeypatch.setattr(machine, "interpreter", lambda python: machine.Interpreter("/some/python", "3.11.2", {}))
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 1
    assert "/some/python -m pip install" in err


def test_a_python_that_does_not_start(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    place.yaml.write_text("task: {path: templates, python: /nowhere/python}\n")
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 1
    assert "/nowhere/python" in err


def test_missing_system_programs(
    typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "absent", lambda programs=(): ["git", "tmux"])
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 1
    assert "apt-get install -y git tmux" in err


def test_a_required_sandbox_that_does_not_work(
    typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "trouble", lambda: "not installed")
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2", "--sandbox", "required")
    assert code == 1
    assert "bubblewrap" in err
    assert typed("spawn", "--device", "cpu", "--hours", "2", "--sandbox", "perhaps")[0] == 2
    code, out, _ = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 0
    assert "NOT sandboxed" in out


def test_a_mistake_in_swarm_yaml(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    place.yaml.write_text("stopp: {hours: 1}\n")
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 1
    assert "stopp" in err


def test_more_agents_share_the_end_that_was_said(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    from tests.cli.test_verbs import recorded

    ledger = recorded(place)
    ledger.change("campaigns", {"id": 1}, stop=json.dumps({"rule": {"hours": 3.0}, "since": 1000.0}))
    ledger.close()
    code, out, _ = typed("spawn", "--device", "cpu")
    assert code == 0
    assert asked.asked[0][1]["stop"]["hours"] == 3
    assert "(3 h)" in out
    assert "join the campaign c1" in out


def test_wall_seconds_tell_when() -> None:
    from swarm.config import Task

    task = Task(path="/t", budget="wall:300")
    plan = spawned.Plan(task, AGENTS, SLOTS, spawned.End(Stop(hours=10)), "off")
    text = "\n".join(spawned.lines(plan, ANSWER, 0.0, 1.4))
    assert "done about" in text
    assert "about 21 runs an hour" in text
    assert "takes a seed" not in text


def test_spawn_in_a_clone_hides_itself(typed: Typed, clone: Path, asked: FakeClient, home: Path) -> None:
    cache = home / ".cache" / "autoresearch"
    code, _, err = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 1
    assert "autoresearch" in err
    assert sorted(p.name for p in clone.iterdir()) == [".git", "prepare.py", "program.md", "train.py"]
    cache.mkdir()
    (cache / "data").write_text("")
    code, out, _ = typed("spawn", "--device", "cpu", "--hours", "2")
    assert code == 0
    assert "nothing in the task takes a seed" in out
    assert "/.swarm/" in (clone / ".git" / "info" / "exclude").read_text()
    assert asked.asked[0][1]["task"]["seed"] == "none"


def test_agents_are_dealt(typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    place.yaml.write_text("commands: {aider: 'cat {brief}'}\n")
    words = ("spawn", "--device", "cpu", "--hours", "1", "--agents")
    assert typed(*words, "aider:1,tuner:1,command:1", "--command", "echo {brief}")[0] == 0
    agents = asked.asked[-1][1]["agents"]
    assert [(a["name"], a["kind"], a["slot"], a["program"]) for a in agents] == [
        ("aider-1", "command", None, "architecture"),
        ("tuner-1", "tuner", None, None),
        ("command-1", "command", None, "optimizer"),
    ]
    assert agents[0]["options"] == {"command": "cat {brief}"}
    assert typed("spawn", "--device", "cpu", "--hours", "1", "--command", "echo {brief}")[0] == 0
    assert asked.asked[-1][1]["agents"][0]["options"] == {"command": "echo {brief}"}
    assert typed(*words, "tuner:0")[0] == 2
    monkeypatch.setattr("swarm.agents.found.shutil", SimpleNamespace(which=lambda name: None))
    code, _, err = typed(*words, "claude")
    assert code == 1
    assert "npm install -g @anthropic-ai/claude-code" in err
    assert typed("spawn", "--device", "cpu", "--hours", "1", "--gpus", "7")[0] == 1
    assert typed("spawn", "--device", "abacus", "--hours", "1")[0] == 2


def test_no_gpu_and_nobody_asked_for_a_cpu(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    code, _, err = typed("spawn", "--hours", "1", "--gpus", "8", "--agents", "claude,codex")
    assert code == 1
    assert "no NVIDIA or AMD GPU here" in err
    assert "swarm spawn --device cpu --gpus 2 --agents tuner" in err
    assert asked.asked == []


def test_gpus(typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    those = [slots.Gpu(i, f"GPU-{i}", "NVIDIA H100", 80000, device_nodes=(f"/dev/nvidia{i}",)) for i in range(4)]
    with_gpus(monkeypatch, those)
    place.yaml.write_text("task: {path: templates, gpus_per_run: 2}\n")
    code, out, err = typed("spawn", "--hours", "1", "--gpus", "0-3", "--agents", "tuner")
    assert (code, err) == (0, "")
    body = asked.asked[-1][1]
    assert [s["id"] for s in body["slots"]] == ["0-1", "2-3"]
    assert body["task"]["budget"] == "wall:300"
    assert [a["name"] for a in body["agents"]] == ["gpu0-1-tuner", "gpu2-3-tuner"]
    assert "First agent results about" in out


def test_a_taken_core_is_refused(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    from tests.cli.test_verbs import recorded

    ledger = recorded(place)
    klass = ledger.klass("x86", "2.9", "wall:300")
    ledger.add("slots", id="0", campaign=1, klass=klass, devices="cpu:4")
    ledger.close()
    code, _, err = typed("spawn", "--device", "cpu", "--gpus", "0,", "--agents", "tuner")
    assert (code, asked.asked) == (1, [])
    assert "taken already" in err
    assert typed("spawn", "--device", "cpu", "--agents", "tuner")[0] == 0
    assert [s["id"] for s in asked.asked[-1][1]["slots"]] == ["1"]


def test_programs_are_dealt_in_turn(typed: Typed, place: Workspace, asked: FakeClient, template: Path) -> None:
    words = ("spawn", "--device", "cpu", "--hours", "1", "--command", "echo {brief}", "--agents", "command:3,tuner:1")
    assert typed(*words, "--program", "optimizer, programs/architecture.md")[0] == 0
    dealt = [a["program"] for a in asked.asked[-1][1]["agents"]]
    assert dealt == ["optimizer", "architecture", "optimizer", None]
    place.yaml.write_text("program: [optimizer]\n")
    assert typed(*words)[0] == 0
    assert [a["program"] for a in asked.asked[-1][1]["agents"]] == ["optimizer"] * 3 + [None]
    (place.programs / "mine.md").write_text("mine")
    assert typed(*words, "--program", "mine")[0] == 0
    assert asked.asked[-1][1]["agents"][0]["program"] == "mine"


def test_a_program_that_is_not_there(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    words = ("spawn", "--device", "cpu", "--hours", "1", "--command", "echo {brief}")
    code, _, err = typed(*words, "--program", "optimizer,archtecture")
    assert (code, asked.asked) == (2, [])
    assert "there is no program archtecture." in err
    assert "There are: architecture, optimizer" in err
    assert typed(*words, "--program", ",")[0] == 2


def test_a_clone_may_use_a_program_of_swarms(typed: Typed, clone: Path, asked: FakeClient, home: Path) -> None:
    (home / ".cache" / "autoresearch").mkdir()
    (home / ".cache" / "autoresearch" / "data").write_text("")
    words = ("spawn", "--device", "cpu", "--hours", "1", "--command", "echo {brief}")
    assert typed(*words, "--program", "optimizer")[0] == 0
    assert asked.asked[-1][1]["agents"][0]["program"] == "optimizer"
    assert (clone / "programs" / "optimizer.md").is_file()


def test_clients_by_name(typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from swarm.agents.clients import recipes

    words = ("spawn", "--device", "cpu", "--hours", "1", "--agents", "gemini:2,aider,mine:1")
    place.yaml.write_text("commands: {mine: {command: 'cat < {brief}', env: {MODE: fast}}}\n")
    monkeypatch.setattr("swarm.agents.command.shutil", SimpleNamespace(which=lambda name: None))
    code, _, err = typed(*words)
    assert (code, asked.asked) == (1, [])
    assert "not installed: gemini" in err and "npm install -g @google/gemini-cli" in err
    monkeypatch.setattr("swarm.agents.command.shutil", SimpleNamespace(which=lambda name: f"/bin/{name}"))
    assert typed(*words)[0] == 0
    agents = asked.asked[-1][1]["agents"]
    assert [a["name"] for a in agents] == ["gemini-1", "gemini-2", "aider-1", "mine-1"]
    assert {a["kind"] for a in agents} == {"command"}
    assert agents[2]["options"] == recipes()["aider"].options()
    assert agents[3]["options"] == {"command": "cat < {brief}", "env": {"MODE": "fast"}}
    place.yaml.write_text("commands: {gemini: 'my-gemini {brief}'}\n")
    assert typed(*words[:-1], "gemini:1")[0] == 0
    assert asked.asked[-1][1]["agents"][0]["options"] == {"command": "my-gemini {brief}"}, "a person's own comes first"


def test_a_script_is_named_from_where_the_person_stands(
    typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.root / "steps.json").write_text('[{"wait": true}]')
    monkeypatch.chdir(place.root)
    words = ("spawn", "--device", "cpu", "--hours", "1", "--agents", "scripted", "--command", "steps.json")
    assert typed(*words)[0] == 0
    assert asked.asked[-1][1]["agents"][0]["options"] == {"script": str(place.root / "steps.json")}


def test_a_control_is_spawned_where_one_is_asked_for(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    words = ("spawn", "--device", "cpu", "--hours", "2", "--sandbox", "off")
    assert typed(*words)[0] == 0
    body = asked.asked[-1][1]
    assert body["policy"]["control"] == 0 and "control" not in [a["name"] for a in body["agents"]]
    asked.answers["spawn"] = {**ANSWER, "control": True}
    code, out, _ = typed(*words, "--control", "0.1")
    body = asked.asked[-1][1]
    assert code == 0 and body["policy"]["control"] == 0.1
    assert body["agents"][-1] == {
        "name": "control", "kind": "tuner", "options": {"device": "cpu", "idle": True, "control": True}, "program": None,
        "slot": None,
    }  # fmt: skip
    assert "10 % of the core time goes to a tuner that sees nobody's results" in " ".join(out.split())
    assert "confirms, stacks or tunes" not in out
    place.yaml.write_text("control: 0.2\n")
    typed(*words)
    assert asked.asked[-1][1]["policy"]["control"] == 0.2
    assert typed(*words, "--control", "0.9")[0] == 2


def test_a_control_does_not_come_later(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    made(place.ledger).db.close()
    code, _, err = typed("spawn", "--device", "cpu", "--control", "0.1")
    assert code == 2 and "begins with its campaign" in err


def test_what_a_program_was_dealt_from_is_told_unless_a_person_named_the_one(
    typed: Typed, place: Workspace, asked: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.yaml.write_text("commands: {mine: 'cat {brief}'}\n")
    words = ("spawn", "--device", "cpu", "--hours", "1", "--agents", "mine:1,tuner:1")
    assert typed(*words, "--program", "optimizer,architecture")[0] == 0
    mine, tuner = asked.asked[-1][1]["agents"][:2]
    assert mine["program"] == "optimizer" and mine["programs"] == ["optimizer", "architecture"]
    assert "programs" not in tuner
    assert typed(*words, "--program", "optimizer")[0] == 0
    assert "programs" not in asked.asked[-1][1]["agents"][0]


def test_new_agents_on_different_ground(typed: Typed, place: Workspace, asked: FakeClient) -> None:
    words = ("spawn", "--device", "cpu", "--hours", "1")
    assert typed(*words)[0] == 0 and "source" not in asked.asked[-1][1]
    assert typed(*words, "--from", "diverse")[0] == 0 and asked.asked[-1][1]["source"] == "diverse"
    code, _, err = typed(*words, "--from", "nowhere")
    assert code == 2 and "diverse" in err
