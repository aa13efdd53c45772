"""What a person types in the evening and reads in the morning: the real command, processes, git, tmux and SQLite."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from swarm.client import Client
from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace
from tests.e2e.box import PROJECT, TRAIN, Box, have, ours, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SPAWN = ("spawn", "--device", "cpu", "--gpus", "2", "--agents", "tuner")


def test_from_spawn_to_promotion_leaderboard_and_picture(box: Box) -> None:
    have("git", "tmux", "bwrap")
    said = box.run(*SPAWN, "--experiments", "200").stdout
    assert "2 agents are running" in said
    assert "stops   after 200 experiments" in said
    box.until("SELECT COUNT(*)>=1 FROM promotions WHERE by='confirmation'", patience=180)
    box.run("stop")
    box.until("SELECT state='ended' FROM campaigns")
    board = json.loads(box.run("leaderboard", "--json").stdout)
    assert board[0]["rank"] == 1
    assert {
        "experiment",
        "commit",
        "agent",
        "score",
        "estimate",
        "stderr",
        "runs",
        "state",
        "verdict",
        "p_better",
    } <= set(board[0])
    assert any(row["state"] == "best" for row in board)
    assert board[0]["estimate"] < 6.0
    assert "best" in box.run("status").stdout
    best = box.value("SELECT best FROM campaigns")
    for words in (("show", best), ("diff", best), ("log", best), ("leaderboard", "--tsv"), ("leaderboard", "--raw")):
        assert box.run(*words).stdout.strip()
    box.run("plot")
    assert (box.ws / "progress.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (box.ws / "progress.svg").read_text()[:2000]
    until(lambda: not [p for p in ours(box.folder) if p != os.getpid()], say=lambda: f"left: {list(ours(box.folder))}")
    runs = box.query("SELECT status, COUNT(*) FROM runs GROUP BY status")
    assert dict(runs).get("running", 0) == 0


def test_after_the_end_promote_and_export_still_work(box: Box) -> None:
    steps = box.folder / "steps.json"
    steps.write_text(json.dumps([{"set": {"A": "0.5"}}, {"wait": True}, {"set": {"B": "9.0"}}]))
    box.run(
        "spawn", "--device", "cpu", "--gpus", "1", "--agents", "scripted", "--command", str(steps), "--experiments", "2"
    )
    box.until("SELECT state='ended' FROM campaigns")
    until(lambda: not (box.ws / ".swarm" / "door.json").exists())
    kept = box.value("SELECT id FROM experiments WHERE verdict='keep' ORDER BY bound LIMIT 1")
    assert kept, box.query("SELECT id, verdict, reason FROM experiments")
    if box.value("SELECT best FROM campaigns") == kept:
        box.run("promote", "--undo")
    said = box.run("promote", kept).stdout
    assert kept in said
    assert box.value("SELECT best FROM campaigns") == kept
    subprocess.run(["git", "init", "-q", str(box.task)], check=True, env=box.env)
    tsv = box.run("export", "results.tsv").stdout + (box.ws / "results.tsv").read_text()
    assert "commit\tval_bpb\tmemory_gb\tstatus\tdescription" in tsv


def test_it_refuses_to_run_for_ever_by_accident(box: Box) -> None:
    done = box.run(*SPAWN, code=1)
    assert "say when it stops" in done.stderr
    assert "--hours" in done.stderr


def test_errors_say_what_to_do(box: Box) -> None:
    assert "swarm spawn" in box.run("leaderboard", code=1).stderr
    assert "swarm init" in box.run("status", code=1, cwd=box.home).stderr
    assert box.run("leaderboard", "--nonsense", code=2).returncode == 2
    assert (
        "cores"
        in box.run("spawn", "--device", "cpu", "--gpus", "4096", "--agents", "tuner", "--hours", "1", code=1).stderr
    )
    box.yaml.write_text("task: {path: [1]}\nstopp: 3\n")
    assert "stopp" in box.run(*SPAWN, "--hours", "1", code=1).stderr


def test_a_baseline_that_crashes_ends_the_campaign_at_once(tmp_path: Path) -> None:
    box = Box(tmp_path / "a box", train=TRAIN + "\nraise RuntimeError('no such kernel')\n")
    try:
        box.run(*SPAWN, "--hours", "1")
        box.until("SELECT state='ended' FROM campaigns")
        assert "no such kernel" in box.value("SELECT reason FROM experiments WHERE id='e0001'")
        assert "baseline crashed" in box.run("status").stdout
    finally:
        box.close()


def scripted(box: Box, name: str, slot: str, steps: list[dict[str, object]]) -> dict[str, object]:
    path = box.folder / f"{name}.json"
    path.write_text(json.dumps(steps))
    return {"name": name, "kind": "scripted", "slot": slot, "options": {"script": str(path)}, "program": None}


def begin(box: Box, agents: list[dict[str, object]], **stop: object) -> Client:
    """Spawn through the door, for agents that the command line has no words for."""
    from swarm.config import Task
    from swarm.daemon.start import ensure

    os.environ["HOME"] = str(box.home)
    workspace = Workspace(box.ws)
    workspace.make()
    client = ensure(workspace)
    slots = [
        {"id": a["slot"], "devices": f"cpu:{a['slot']}", "accelerator": "core", "torch": "", "device_nodes": []}
        for a in agents
    ]
    task = Task(path=str(box.task), run="python train.py", budget="wall:5")
    client.post(
        "spawn", task=task.model_dump(mode="json"), agents=agents, slots=slots, stop=stop or {"hours": 1},
        policy={"idle_after": 600, "rebase_every": 2}, name=None, force=False,
    )  # fmt: skip
    return client


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, box: Box) -> None:
    monkeypatch.setenv("HOME", str(box.home))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


@pytest.mark.usefixtures("home")
def test_an_agent_that_is_behind_is_rebased_and_measured_again(box: Box) -> None:
    """Both kinds: replayed and kept, and fallen back because its change does not help on the new best."""
    clash = "loss = A + B + C + (5.0 if A < 0.5 and C < 2.95 else 0.0) +"
    (box.task / "train.py").write_text(TRAIN.replace("loss = A + B + C +", clash))
    first = scripted(box, "first", "0", [{"set": {"A": "0.9"}}, {"wait": True}, {"set": {"A": "0.1"}}, {"wait": True}])
    second = scripted(box, "second", "1", [{"set": {"B": "1.9"}}, {"wait": True}])
    third = scripted(box, "third", "2", [{"set": {"C": "2.9"}}, {"wait": True}])
    begin(box, [first, second, third])
    box.until(
        "SELECT COUNT(DISTINCT outcome)=2 FROM rebases WHERE outcome IN ('replayed', 'fallen back')", patience=180
    )
    stack, best = box.query("SELECT stack, best FROM rebases WHERE outcome='replayed' ORDER BY seq LIMIT 1")[0]
    assert box.value("SELECT parent FROM experiments WHERE id=?", stack) == best
    assert box.value("SELECT runs FROM experiments WHERE id=?", stack) >= 1
    fallen = box.value("SELECT agent FROM rebases WHERE outcome='fallen back' ORDER BY seq LIMIT 1")
    assert fallen == "third"


@pytest.mark.usefixtures("home")
def test_killed_at_any_moment_the_coordinator_comes_back_and_nothing_is_counted_twice(box: Box) -> None:
    steps: list[dict[str, object]] = []
    for n in range(6):
        steps += [{"set": {"A": f"{0.9 - n / 10:.1f}"}}, {"wait": True}]
    begin(box, [scripted(box, "first", "0", steps)])
    killed = set()
    for n in range(3):
        box.until("SELECT COUNT(*)>? FROM runs WHERE status='finished' AND purpose='screen'", n)
        pid = int(box.door()["pid"])
        assert pid not in killed
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        until(lambda: (box.ws / ".swarm" / "door.json").exists() and int(box.door()["pid"]) not in killed, say=box.log)
    box.until("SELECT COUNT(*)>=6 FROM experiments WHERE origin='submit' AND stage='done'", patience=180)
    doubles = box.query("SELECT run, COUNT(*) FROM attempts WHERE outcome='finished' GROUP BY run HAVING COUNT(*)>1")
    assert doubles == []
    assert (
        box.value("SELECT COUNT(*) FROM experiments WHERE stage='done' AND verdict IS NULL AND origin!='baseline'") == 0
    )
    until(lambda: in_hub(box) >= set(box.query('SELECT name, "commit" FROM refs')), say=box.log)


def in_hub(box: Box) -> set[tuple[str, ...]]:
    """The refs that the hub really has."""
    words = ["git", "for-each-ref", "--format=%(refname) %(objectname)"]
    said = subprocess.run(words, cwd=box.ws / ".swarm", env=box.env, text=True, capture_output=True, check=True).stdout
    return {tuple(line.split(" ")) for line in said.splitlines()}


@pytest.mark.usefixtures("home")
def test_an_agent_that_dies_is_started_again_and_its_tmux_server_too(box: Box) -> None:
    have("tmux")
    steps: list[dict[str, object]] = [{"set": {"A": "0.9"}}, {"exit": 3}, {"set": {"A": "0.8"}}, {"wait": True}]
    begin(box, [scripted(box, "first", "0", steps)])
    box.until("SELECT COUNT(*)=2 FROM experiments WHERE origin='submit' AND stage='done'", patience=120)
    name = Workspace(box.ws).session_name
    subprocess.run(["tmux", "-L", name, "kill-server"], check=True, capture_output=True)
    box.until("SELECT COUNT(*)>=2 FROM events WHERE kind='agent' AND json_extract(data, '$.state')='restarted'")
    listed = until(
        lambda: (
            subprocess.run(["tmux", "-L", name, "list-sessions"], capture_output=True, text=True, check=False).stdout
        )
    )
    assert "first" in listed


@pytest.mark.usefixtures("home")
def test_a_command_line_agent_and_a_persons_own_file(box: Box) -> None:
    """`command`: any program that edits the file; and `swarm try`, `tell`, `promote`, `stop` beside it."""
    worker = box.folder / "worker.py"
    worker.write_text(
        "import pathlib, re, sys\nbrief = pathlib.Path(sys.argv[1]).read_text()\nassert 'val_bpb' in brief\n"
        "p = pathlib.Path('train.py'); t = p.read_text()\na = float(re.search(r'^A = (.*)$', t, re.M)[1])\n"
        "p.write_text(re.sub(r'^A = .*$', f'A = {a - 0.1:.2f}', t, flags=re.M))\nprint('A a little lower')\n"
    )
    said = box.run(
        "spawn", "--device", "cpu", "--gpus", "1", "--agents", "command", "--hours", "1",
        "--command", f"{sys.executable} '{worker}' {{brief}}",
    ).stdout  # fmt: skip
    assert "1 agent" in said
    box.until("SELECT COUNT(*)>=2 FROM experiments WHERE agent!='you' AND verdict='keep'")
    name = box.value("SELECT name FROM agents WHERE kind='command'")
    box.run("tell", name, "carry on")
    mine = box.folder / "mine.py"
    mine.write_text(TRAIN.replace("B = 2.0", "B = 0.5"))
    box.run("try", str(mine), "-m", "my own idea")
    e = box.until("SELECT id FROM experiments WHERE agent='you' AND verdict='keep'")
    assert "no commit deadbee" in box.run("promote", "deadbee", code=1).stderr
    box.run("promote", e, "--hold")  # the agent goes on meanwhile, and may be promoted right after
    assert box.value("SELECT COUNT(*) FROM promotions WHERE experiment=? AND hold=1", e) == 1
    box.run("promote", "--undo")
    assert box.value("SELECT COUNT(*) FROM promotions WHERE withdrawn IS NOT NULL") >= 1
    box.run("stop", "--now")
    box.until("SELECT state='ended' FROM campaigns")


def test_eight_spawns_at_once_make_one_campaign(box: Box) -> None:
    words = [
        sys.executable,
        "-m",
        "swarm",
        "spawn",
        "--device",
        "cpu",
        "--gpus",
        "1",
        "--agents",
        "tuner",
        "--experiments",
        "2",
    ]
    started = [
        subprocess.Popen(
            words,
            cwd=box.ws,
            env=box.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    ends = [(p.communicate(timeout=120), p.returncode) for p in started]
    codes = [code for _, code in ends]
    assert codes.count(0) >= 1, ends
    assert set(codes) <= {0, 1}, ends
    assert box.value("SELECT COUNT(*) FROM campaigns") == 1
    names = [n for (n,) in box.query("SELECT name FROM agents")]
    assert len(names) == len(set(names)) == codes.count(0)


@pytest.mark.usefixtures("home")
def test_nobody_without_a_token_gets_in_and_an_agent_gets_no_owners_verb(box: Box) -> None:
    begin(box, [scripted(box, "first", "0", [{"wait": True}])])
    url = str(box.door()["url"])
    with pytest.raises((Refused, SwarmError)):
        Client(url, "wrong").get("status")
    token = (box.ws / ".swarm" / "tokens" / "agent.first").read_text().strip()
    with pytest.raises(Refused):
        Client(url, token).post("stop", now=True)
    assert Client(url, token).get("status")["state"] in ("baseline", "searching")
    log = (box.ws / ".swarm" / "coordinator.log").read_text()
    assert token not in log
    for pid in ours(box.folder):
        assert token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_in_a_persons_own_clone_nothing_of_theirs_changes(box: Box) -> None:
    """A clone in the manner of autoresearch: literal seed varied, git status clean, results go back as they know them."""
    clone = box.folder / "clone"
    clone.mkdir()
    train = TRAIN.replace('random.Random(int(os.environ["SWARM_SEED"]))', "rng").replace(
        "begin = time.time()",
        "import types\n\ntorch = types.SimpleNamespace(manual_seed=random.Random)\nrng = torch.manual_seed(42)\nbegin = time.time()",
    )
    (clone / "train.py").write_text(train)
    (clone / "prepare.py").write_text("TIME_BUDGET = 5\n")
    (clone / "program.md").write_text("Make it better.\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@x"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as given"]):
        subprocess.run([*git, *words], cwd=clone, check=True, env=box.env, capture_output=True)
    (box.home / ".cache" / "autoresearch" / "data").mkdir(parents=True)
    (box.home / ".cache" / "autoresearch" / "tokenizer").mkdir()
    before = subprocess.run(
        ["git", "for-each-ref"], cwd=clone, env=box.env, capture_output=True, text=True, check=True
    ).stdout
    box.ws = clone
    box.run(*SPAWN, "--experiments", "3")
    box.until("SELECT state='ended' FROM campaigns")
    scores = [s for (s,) in box.query("SELECT score FROM runs WHERE purpose='baseline'")]
    assert len(set(scores)) == len(scores) >= 3  # the literal 42 was varied
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, env=box.env, capture_output=True, text=True, check=True
    )
    assert status.stdout == ""
    after = subprocess.run(
        ["git", "for-each-ref"], cwd=clone, env=box.env, capture_output=True, text=True, check=True
    ).stdout
    assert after == before
    best = box.value("SELECT best FROM campaigns")
    box.run("export", best, "--branch", "swarm-best")
    shown = subprocess.run(
        ["git", "show", "swarm-best:train.py"], cwd=clone, env=box.env, capture_output=True, text=True, check=True
    )
    assert "manual_seed(42)" in shown.stdout


def test_init_prepare_and_doctor_from_the_installed_package(tmp_path: Path) -> None:
    """The wheel holds templates and programs; what it installs is all that is needed."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path / "dist"), str(PROJECT)], check=True,
        timeout=300, capture_output=True,
    )  # fmt: skip
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "site")
    assert {"swarm/templates/train.py", "swarm/templates/prepare.py", "swarm/ledger/schema.sql"} <= names
    assert any(n.startswith("swarm/programs/") and n.endswith(".md") for n in names)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(tmp_path / "site"),
        "COLUMNS": "100",
    }
    (tmp_path / "home").mkdir()

    def swarm(*words: str, code: int = 0, cwd: Path = tmp_path) -> str:
        done = subprocess.run([sys.executable, "-m", "swarm", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=90,
                              stdin=subprocess.DEVNULL, check=False)  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    swarm("init", "mine")
    mine = tmp_path / "mine"
    assert (mine / "swarm.yaml").is_file()
    assert list((mine / "programs").glob("*.md"))
    assert "mine" in swarm("init", "mine", code=1)
    assert "swarm prepare" in swarm("doctor", code=1, cwd=mine)
    assert "prepare" in swarm(
        "spawn", "--device", "cpu", "--gpus", "1", "--agents", "tuner", "--hours", "1", code=1, cwd=mine
    )
    shutil.rmtree(mine)


@pytest.mark.usefixtures("home")
def test_a_coordinator_that_leaves_leaves_the_ledger_in_one_file(box: Box) -> None:
    """Who copies results.db then has all of it."""
    begin(box, [scripted(box, "first", "0", [{"set": {"A": "0.9"}}])])
    box.until("SELECT COUNT(*) FROM experiments WHERE verdict='keep'")
    pid = int(box.door()["pid"])
    wal = box.ws / ".swarm" / "results.db-wal"
    assert wal.exists()
    box.run("stop", "--now")
    box.until("SELECT state='ended' FROM campaigns")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not wal.exists(), say=box.log)
    assert box.value("SELECT COUNT(*) FROM experiments WHERE verdict='keep'") >= 1


def test_a_control_works_beside_the_swarm_and_is_compared_with_it(box: Box) -> None:
    """Real tuners on both sides: each has a history of its own, and the screen says how the two compare."""
    out = box.run(*SPAWN, "--control", "0.4", "--hours", "1").stdout
    assert "40 % of the core time goes to a tuner that sees nobody's results" in " ".join(out.split())
    box.until("SELECT COUNT(*)>1 FROM experiments WHERE campaign=-1 AND runs>0", patience=240)
    box.until("SELECT COUNT(*)>2 FROM experiments WHERE campaign=1 AND origin='submit' AND runs>0", patience=240)
    assert (
        box.value("SELECT COUNT(*) FROM experiments WHERE (campaign=-1) != (agent='control') AND agent IS NOT NULL")
        == 0
    )
    strangers = (
        "SELECT COUNT(*) FROM experiments e JOIN experiments p ON p.id=e.parent "
        "WHERE e.campaign!=p.campaign AND p.origin!='baseline'"
    )
    assert box.value(strangers) == 0
    box.run("stop", "--now")
    box.until("SELECT MIN(state)='ended' AND MAX(state)='ended' FROM campaigns")
    assert box.value("SELECT json_extract(value, '$.equal')>0 FROM figures WHERE name='control'")
    status = " ".join(box.run("status").stdout.split())
    assert re.search(r"control TPE alone, .* The swarm after its first .* \(P [<>]?0\.\d\d\)", status), status
