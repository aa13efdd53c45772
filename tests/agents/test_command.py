"""The command agent: what a program changes is submitted, what came of it is in its next brief."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from swarm.agents.command import Command, CommandKind, filled
from swarm.agents.turn import run
from swarm.errors import SwarmError
from tests.agents.door import TRAIN, Door, seat_in

LONGER = "sed -i 's/^LR = .*/LR = 0.{n}/' train.py"


class Played:
    def __init__(self, folder: Path, script: str, answers: list[dict[str, Any]], **more: Any) -> None:
        refuse = more.pop("refuse", lambda text: "")
        self.seat = seat_in(folder, "command", command=f"sh -c {shlex.quote(script)} sh {{brief}}", **more)
        self.door = Door(self.seat, answers, refuse)
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.status = Command(self.seat, self.door, self.said.append, self.pauses.append).run()

    @property
    def brief(self) -> str:
        return (self.seat.folder / "turn.md").read_text()

    @property
    def descriptions(self) -> list[str]:
        return [description for description, _ in self.door.submitted]


def test_what_it_changed_is_submitted(tmp_path: Path) -> None:
    played = Played(tmp_path, "sed -i 's/LR = 0.1/LR = 0.3/' train.py; echo; echo LR up, for speed; echo '---'", [{}])
    assert played.status == 0
    assert played.door.submitted == [("LR up, for speed", TRAIN.replace("LR = 0.1", "LR = 0.3"))]
    assert "e0002  submitted: LR up, for speed" in played.said
    assert played.said[-1] == "the campaign is over: enough"


def test_a_silent_program_is_described_by_its_change(tmp_path: Path) -> None:
    played = Played(tmp_path, "printf 'A = 1\\nB = 2\\n' >> train.py; sed -i /print/d train.py", [{}])
    assert played.descriptions == ["changes to train.py (+2 −1)"]


def test_a_commit_says_what_it_is(tmp_path: Path) -> None:
    make = "git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm"
    played = Played(tmp_path, f"{make} 'halve the batch'; echo A = 1 >> train.py; echo tokens used: 5", [{}])
    assert played.descriptions == ["halve the batch"]


def test_the_brief_tells_what_happened(tmp_path: Path) -> None:
    result = {
        "experiment": "e0002", "verdict": "discard", "score": 2.05, "delta": 0.05, "p": 0.1, "noise": 0.01, "description": "LR up",
        "reason": "",
    }  # fmt: skip
    script = 'cp "$1" brief.$(ls brief.* 2>/dev/null | wc -l); echo "A = $$" >> train.py'
    played = Played(tmp_path, script, [{}, {"room": 0, "results": [result], "news": ["best is now e0009"]}, {}])
    assert len(played.door.submitted) == 2
    first, second = ((played.seat.worktree / f"brief.{n}").read_text() for n in (0, 1))
    assert "Look at the learning rate." in first and "300 seconds of training" in first
    assert "e0002 discarded" not in first
    assert "e0002 discarded, val_bpb 2.05 (+0.05 against its parent, P(better) 0.10): LR up" in second
    assert "best is now e0009" in second
    assert "your last turn is e0002" in second
    assert "tells 0.035 apart" in second


def test_no_change_is_told_and_slows_down(tmp_path: Path) -> None:
    played = Played(tmp_path, "true", [{}, {}, {}, {}], backoff=3)
    assert played.status == 0
    assert played.door.submitted == []
    assert "changed nothing" in played.brief
    assert played.pauses == [3, 6, 12]


def test_three_failures_are_enough(tmp_path: Path) -> None:
    played = Played(tmp_path, "echo no key >&2; exit 7", [{}] * 9, backoff=2)
    assert played.status == 1
    assert played.pauses == [2, 4]
    assert "ended with 7 (without a change): no key" in played.brief
    assert played.said[-1].startswith("giving up: the command failed 3 times in a row")


def test_a_success_forgives(tmp_path: Path) -> None:
    script = 'n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; [ $((n % 3)) = 2 ] && echo "A = $n" >> train.py || exit 1'
    played = Played(tmp_path, script, [{}] * 6)
    assert played.status == 0
    assert len(played.door.submitted) == 2


def test_a_program_that_is_gone(tmp_path: Path) -> None:
    seat = seat_in(tmp_path, "command", command="/no/such/program {brief}")
    said: list[str] = []
    assert Command(seat, Door(seat, [{}] * 9), said.append, lambda seconds: None).run() == 1
    assert any("/no/such/program" in line for line in said)


def test_a_file_that_does_not_parse_costs_no_run(tmp_path: Path) -> None:
    script = "if grep -q 'does not' \"$1\" || grep -q 'line 5' \"$1\"; then sed -i 's/def (/A = 7/' train.py; else echo 'def (' >> train.py; fi"
    played = Played(tmp_path, script, [{}, {}])
    assert [text for _, text in played.door.submitted] == [TRAIN + "A = 7\n"]


def test_what_was_refused_stays_and_is_told(tmp_path: Path) -> None:
    answers: list[str] = ["only train.py may be changed, but you changed x.py.", ""]
    script = "if [ ! -e once ]; then touch once; echo 'A = 1' >> train.py; fi; cp \"$1\" last"
    played = Played(tmp_path, script, [{}, {}], refuse=lambda text: answers.pop(0))
    assert [text for _, text in played.door.submitted] == [TRAIN + "A = 1\n"]
    assert "only train.py may be changed" in (played.seat.worktree / "last").read_text()


def test_a_turn_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    turn = run(["sh", "-c", "sleep 600 & echo $! > child; echo slow; wait"], tmp_path, 1.0)
    assert turn.code is None and turn.last_line == "slow"
    assert time.monotonic() - began < 60
    pid = int((tmp_path / "child").read_text())
    assert _gone(pid)


def test_children_do_not_outlive_a_turn(tmp_path: Path) -> None:
    turn = run(["sh", "-c", "sleep 600 & echo $! > child; exit 3"], tmp_path, 60.0)
    assert turn.code == 3
    assert _gone(int((tmp_path / "child").read_text()))


def _gone(pid: int) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_the_last_line_is_plain_text(tmp_path: Path) -> None:
    turn = run(["printf", r"one\n\033[1mbold \033[0mend\r\n  \n===\n"], tmp_path, 60)
    assert turn.last_line == "bold end"


def test_placeholders(tmp_path: Path) -> None:
    seat = seat_in(tmp_path, "command")
    argv = filled(["a", "{brief}", "--x={file}", '{"json": 1}', "{worktree}/b"], seat, Path("/b.md"))
    assert argv == ["a", "/b.md", f"--x={seat.worktree}/train.py", '{"json": 1}', f"{seat.worktree}/b"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "need a command line"),
        ({"command": " "}, "need a command line"),
        ({"command": "a 'b"}, "cannot be read"),
        ({"command": "no-such-program-here {brief}"}, "not installed: no-such-program-here"),
        ({"command": "sh", "timeout": "soon"}, "timeout"),
        ({"command": "sh", "backoff": -1}, "backoff"),
    ],
)
def test_options_are_looked_at_before_anything_starts(options: dict[str, object], says: str) -> None:
    with pytest.raises(SwarmError) as caught:
        CommandKind().check(options)
    assert says in caught.value.message


def test_the_process_reads_its_seat(tmp_path: Path) -> None:
    """Really as a process, as a session starts it; there is no coordinator, so it says so and ends."""
    seat = seat_in(tmp_path, "command", command="true")
    (seat.worktree / "json.py").write_text("raise SystemExit('a file of the worktree was taken for a module')\n")
    launch = CommandKind().launch(seat)
    env = {**os.environ, **launch.env, "SWARM_SEAT": str(tmp_path / "nothing.json")}
    done = subprocess.run(
        launch.argv, env=env, cwd=seat.worktree, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "seat cannot be read" in done.stderr
    assert json.loads(Path(launch.env["SWARM_SEAT"]).read_text())["options"] == {"command": "true"}
    assert launch.argv[0] == sys.executable
