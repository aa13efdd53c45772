"""What a run can see and do inside the sandbox. Without bubblewrap these fail: a skipped guard guards nothing."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.runner import sandbox
from swarm.runner.spec import Cache, RunResult
from tests.runner.running import DEADLINE, GOOD, carry, printed, spec, start, until

PREFIXES = [sys.prefix, sys.base_prefix]

LOOK = """
    import json, os, socket, sys
    def can(act):
        try:
            return act() or True
        except OSError:
            return False
    def write(path):
        with open(path, "a"):
            pass
    def inside(path):
        return sorted(os.listdir(path)) if os.path.isdir(path) else None
    person, port, cache = sys.argv[1], int(sys.argv[2]), os.path.expanduser("~/.cache/task")
    print(json.dumps({
        "person": inside(person),
        "siblings": inside(os.path.dirname(os.getcwd())),
        "network": can(lambda: socket.create_connection(("127.0.0.1", port), 5).close()),
        "root": can(lambda: write("/usr/swarm-was-here")),
        "core_pattern": can(lambda: write("/proc/sys/kernel/core_pattern")),
        "run": inside("/run"), "tmp": can(lambda: write("/tmp/x")), "shm": can(lambda: write("/dev/shm/x")),
        "processes": len([n for n in os.listdir("/proc") if n.isdigit()]),
        "cache": can(lambda: open(cache + "/shard").read()),
        "spoil": can(lambda: write(cache + "/shard")), "add": can(lambda: write(cache + "/more")),
        "work": can(lambda: write("note")), "home": can(lambda: write(os.path.expanduser("~/note"))),
        "tmpdir": can(lambda: write(os.environ["TMPDIR"] + "/note")), "disk": os.path.exists("/dev/vda"),
        "null": can(lambda: write("/dev/null")),
    }))
"""


@pytest.fixture(autouse=True)
def _works() -> None:
    assert sandbox.trouble() == "", f"bubblewrap: {sandbox.trouble()}. {sandbox.INSTALL}"


def test_nothing_but_the_run_can_be_seen_or_changed(tmp_path: Path) -> None:
    person, run = tmp_path / "person", tmp_path / "person" / "ws" / ".swarm" / "runs" / "r1"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shard").write_text("tokens")
    person.mkdir()
    (person / "secret").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = carry(
            run, LOOK, sandbox="required", command=["python", "train.py", str(person), str(port)], hide=[str(person)],
            prefixes=PREFIXES, caches=[Cache(str(tmp_path / "data"), ".cache/task")],
        )  # fmt: skip
    assert result.sandboxed, result
    seen = json.loads(printed(run))
    assert seen.pop("processes") <= 4
    assert seen == {
        "person": ["ws"], "siblings": ["home", "tmp", "work"], "network": False, "root": False, "core_pattern": False,
        "run": [], "tmp": True, "shm": True, "cache": "tokens", "spoil": False, "add": False, "work": True,
        "home": True, "tmpdir": True, "disk": False, "null": True,
    }  # fmt: skip
    assert (run / "work" / "note").exists()
    assert (run / "home" / "note").exists()


def test_auto_uses_it_where_it_works(tmp_path: Path) -> None:
    result = carry(tmp_path, GOOD, sandbox="auto")
    assert (result.outcome, result.sandboxed) == ("finished", True)


def test_auto_does_without_where_it_is_missing(tmp_path: Path) -> None:
    result = carry(tmp_path, GOOD, {"PATH": "/nowhere"}, sandbox="auto")
    assert (result.outcome, result.sandboxed) == ("finished", False)


def test_required_and_missing_is_a_crash_that_says_what_to_do(tmp_path: Path) -> None:
    result = carry(tmp_path, GOOD, {"PATH": "/nowhere"}, sandbox="required")
    assert (result.outcome, result.reason, result.sandboxed) == ("crashed", "sandbox", False)
    assert "apt-get install -y bubblewrap" in result.tail


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "oom"),
        ("import os; os.kill(os.getpid(), 11)", "signal SIGSEGV"),
        ("raise SystemExit(3)", "exit 3"),
        ("import time; time.sleep(900)", "timeout"),
    ],
)
def test_the_reasons_are_the_same_inside(tmp_path: Path, source: str, reason: str) -> None:
    result = carry(tmp_path, source, sandbox="required", kill_after=0.5 if reason == "timeout" else 60)
    assert (result.outcome, result.reason) == ("crashed", reason)


def test_a_run_that_is_ended_inside_may_say_its_last_words(tmp_path: Path) -> None:
    polite = """
        import signal, sys, time
        def bye(*_):
            print("bye", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, bye)
        print("ready", flush=True)
        while True: time.sleep(0.01)  # a pause() could miss the signal
    """
    process = start(spec(tmp_path, polite, sandbox="required"))
    until(lambda: (tmp_path / "log.txt").exists() and "ready\n" in printed(tmp_path), "the training to be up")
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    assert RunResult.read(tmp_path / "result.json").tail == "ready\nbye"


def test_a_program_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    result = carry(tmp_path, GOOD, sandbox="required", command=["no-such-program"])
    assert (result.outcome, result.reason) == ("crashed", "start")


def test_time_and_memory_inside_are_measured(tmp_path: Path) -> None:
    source = "import time\nblock = bytearray(64 << 20)\nwhile time.process_time() < 0.2: pass\n"
    result = carry(tmp_path, source, sandbox="required")
    assert result.cpu_seconds >= 0.2
    assert result.peak_rss_mb > 64


def test_an_interpreter_behind_links_in_hidden_folders_is_found(tmp_path: Path) -> None:
    person = tmp_path / "person"
    real, venv = person / "pythons" / "3.11.7", person / "task" / ".venv"
    for folder in (real / "bin", venv / "bin"):
        folder.mkdir(parents=True)
    (real / "bin" / "python3").write_text("#!/bin/sh\nexec /bin/echo '---\nval_bpb: 2'\n")
    (real / "bin" / "python3").chmod(0o755)
    (person / "pythons" / "3.11").symlink_to(real)
    (venv / "bin" / "python").symlink_to(person / "pythons" / "3.11" / "bin" / "python3")
    env = {"SWARM_PYTHON": str(venv / "bin" / "python")}
    result = carry(tmp_path / "run", "", sandbox="required", hide=[str(person)], env=env)
    assert (result.outcome, result.score) == ("finished", 2.0), result


def test_the_base_of_an_environment_with_a_copied_interpreter_is_known(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "pyvenv.cfg").write_text("home = /opt/py/bin\nversion = 3.11\n")
    assert sandbox.interpreter(str(tmp_path / "bin" / "python")) == [str(tmp_path), "/opt/py"]


def test_devices_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    made = spec(tmp_path, GOOD, devices=["/dev/zero", "/dev/nvidia99"])
    argv = sandbox.wrap(made, ["true"])
    assert "/dev/zero" in argv
    assert "/dev/nvidia99" not in argv


@given(st.lists(st.sampled_from(["a", "a/b", "a/b/c", "a/b/c/d", "e", "e/f"]), max_size=4))
def test_a_hidden_folder_inside_a_prefix_stays_hidden(names: list[str]) -> None:
    hidden = ["/h", "/h/a/b"]
    argv = sandbox.covers(hidden, [f"/h/{name}" for name in names])
    order = [argv[i + 1] for i, word in enumerate(argv) if word == "--tmpfs"]
    assert order == hidden
    assert "--ro-bind" not in argv  # none of them exists


def test_that_it_was_not_found_once_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert sandbox.trouble() == "not installed"
    assert sandbox.trouble() == ""
