"""The runner as a process, on everything that training code does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from swarm import procs
from swarm.runner import attempt
from swarm.runner.spec import Cache, RunResult
from tests.runner.running import DAEMON, DEADLINE, GOOD, carry, printed, spec, start, until


def test_a_good_run_is_finished_and_measured(tmp_path: Path) -> None:
    busy = """
        import time
        block = bytearray(64 << 20)
        while time.process_time() < 0.2: pass
        print("kernel: flash")
    """
    result = carry(tmp_path, busy + "#--\n" + GOOD)
    assert (result.run, result.attempt, result.outcome, result.reason) == (7, 1, "finished", "")
    assert result.score == 1.25
    assert result.summary == {"val_bpb": 1.25, "num_steps": 7.0}
    assert result.kernel == "flash"
    assert result.exit == 0
    assert result.cpu_seconds >= 0.2
    assert result.peak_rss_mb > 64
    assert result.seconds > 0.1
    assert "num_steps" in result.tail
    assert not result.sandboxed


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("print('garbage', b'\\xff\\x00')", "no summary"),
        ("import sys\nsys.stdout.buffer.write(bytes(range(256)) * 99)", "no summary"),
        ("print('---\\nval_bpb: 1.0\\n\\n---\\nval_bpb: 0.5')", "two summaries"),
        ("print('---\\nval_bpb: nan')", "nan"),
        ("print('---\\nval_bpb: -inf')", "nan"),
        ("print('---\\nval_bpb: 0.000000')", "score 0 means crash"),
        ("print('FAIL'); raise SystemExit(1)", "nan"),
        ("raise MemoryError", "oom"),
        ("import os; os.kill(os.getpid(), 9)", "oom"),
        ("import os; os.kill(os.getpid(), 11)", "signal SIGSEGV"),
        ("print('---\\nval_bpb: 1.0'); raise SystemExit(3)", "exit 3"),
        ("raise ValueError('of the experiment')", "exit 1"),
    ],
)
def test_a_bad_run_is_a_crash_with_its_reason(tmp_path: Path, source: str, reason: str) -> None:
    result = carry(tmp_path, source)
    assert (result.outcome, result.reason, result.score) == ("crashed", reason, None)


def test_a_traceback_is_in_the_tail(tmp_path: Path) -> None:
    assert "ValueError: of the experiment" in carry(tmp_path, "raise ValueError('of the experiment')").tail


def test_a_command_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    result = carry(tmp_path, "", command=["no-such-program"])
    assert (result.outcome, result.reason) == ("crashed", "start")
    assert "no-such-program" in result.tail


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    result = carry(tmp_path, "import time; time.sleep(900)", kill_after=0.3)
    assert (result.outcome, result.reason) == ("crashed", "timeout")


def test_a_run_that_ignores_term_is_killed(tmp_path: Path) -> None:
    deaf = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        while True: signal.pause()
    """
    result = carry(tmp_path, deaf, kill_after=0.5)
    assert (result.outcome, result.reason) == ("crashed", "timeout")


@pytest.mark.parametrize("sandbox", ["off", "required"])
def test_a_daemon_in_a_session_of_its_own_ends_with_the_run(tmp_path: Path, sandbox: str) -> None:
    result = carry(tmp_path, DAEMON + "#--\n" + GOOD, sandbox=sandbox)
    assert result.outcome == "finished", result
    assert (tmp_path / "work" / "alive").exists()
    assert not procs.held(tmp_path / "work" / "alive")


def test_a_flood_of_output_is_cut_in_the_middle(tmp_path: Path) -> None:
    flood = """
        print("the first line")
        for i in range(30000): print("x" * 99)
        print("the last line")
    """
    result = carry(tmp_path, flood + "#--\n" + GOOD, head=10_000, tail=20_000)
    assert result.score == 1.25
    text = printed(tmp_path)
    assert len(text) < 30_100
    assert text.startswith("the first line")
    assert "the last line" in text
    assert "bytes left out" in text


def test_progress_lines_stay_as_they_are(tmp_path: Path) -> None:
    result = carry(tmp_path, "import sys; sys.stdout.write('step 1\\rstep 2\\r')\n" + "#--\n" + GOOD)
    assert (tmp_path / "log.txt").read_bytes().startswith(b"step 1\rstep 2\r---\n")
    assert result.score == 1.25


def test_the_environment_is_a_new_one(tmp_path: Path) -> None:
    source = "import json, os; print(json.dumps(dict(os.environ)))"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "left-over").touch()
    carry(tmp_path, source, {"SECRET_KEY": "s", "PYTHONPATH": "/x"}, seed=12, budget="steps:5", env={"MINE": "yes"})
    env = json.loads(printed(tmp_path))
    assert env["SWARM_SEED"] == env["PYTHONHASHSEED"] == "12"
    assert env["SWARM_BUDGET"] == "steps:5"
    assert env["MINE"] == "yes"
    assert env["HOME"] == str(tmp_path / "home")
    assert env["TMPDIR"] == str(tmp_path / "tmp")
    assert not (tmp_path / "home" / "left-over").exists()
    assert not {"SECRET_KEY", "PYTHONPATH", "SWARM_PYTHON", "USER"} & set(env)


def test_a_literal_seed_is_varied_in_the_copy(tmp_path: Path) -> None:
    source = "class torch:\n    manual_seed = print\ntorch.manual_seed(42)\n"
    carry(tmp_path, source, seed=5, seed_mode="literal")
    assert printed(tmp_path) == "5\n"


def test_without_a_seed_none_is_given(tmp_path: Path) -> None:
    carry(tmp_path, "import os; print('SWARM_SEED' in os.environ)", seed_mode="none")
    assert printed(tmp_path) == "False\n"


def test_caches_lie_at_their_places_below_home(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shard").write_text("tokens")
    caches = [Cache(str(tmp_path / "data"), ".cache/task"), Cache(str(tmp_path / "none"), ".cache/none")]
    carry(tmp_path, "import os; print(open(os.path.expanduser('~/.cache/task/shard')).read())", caches=caches)
    assert printed(tmp_path) == "tokens\n"


def test_term_cancels(tmp_path: Path) -> None:
    process = start(spec(tmp_path, "import time\nopen('up', 'w')\ntime.sleep(900)"))
    until((tmp_path / "work" / "up").exists, "the training to be up")
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    result = RunResult.read(tmp_path / "result.json")
    assert (result.outcome, result.reason) == ("lost", "cancelled")


def test_a_fault_of_our_own_is_no_crash_of_the_experiment(tmp_path: Path) -> None:
    result = carry(tmp_path, GOOD, command=[])
    assert result.outcome == "lost"
    assert result.reason.startswith("runner: ")


def test_a_full_disk_makes_room_for_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.txt").write_bytes(b"x" * 100_000)
    real, calls = attempt._replace, []

    def full_at_first(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(attempt, "_replace", full_at_first)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert attempt.save(tmp_path, RunResult(1, 1, "finished", score=1.0)) == 0
    assert RunResult.read(tmp_path / "result.json").score == 1.0
    assert (tmp_path / "log.txt").stat().st_size == 1 << 16


def test_a_disk_that_stays_full_for_a_while_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own complaint finds no room either; and what the log lacks is not made up."""
    (tmp_path / "log.txt").write_bytes(b"short")
    real, calls = os.fsync, []

    def full_for_ten_seconds(fd: int) -> None:
        calls.append(fd)
        if len(calls) < 10:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full_for_ten_seconds)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        try:
            assert attempt.save(tmp_path, RunResult(1, 1, "finished", score=1.0)) == 0
        finally:
            monkeypatch.undo()
            with contextlib.suppress(OSError):
                full.close()
    assert RunResult.read(tmp_path / "result.json").score == 1.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.txt", "result.json"]
    assert (tmp_path / "log.txt").read_bytes() == b"short"


def test_a_result_that_cannot_be_written_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert attempt.save(tmp_path, RunResult(1, 1, "finished", score=1.0)) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_waits_for_room_to_begin(tmp_path: Path) -> None:
    """On a disk that is really full, a pipe in the place of a file for a sign that it has come so far."""
    (tmp_path / "log.txt").symlink_to("/dev/full")  # of a log only lines are lost
    (tmp_path / "pid").symlink_to("/dev/full")
    process = start(spec(tmp_path, GOOD))
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
        assert process.poll() is None, "it gave up"
        (tmp_path / "pid").unlink()
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
    assert RunResult.read(tmp_path / "result.json").score == 1.25
