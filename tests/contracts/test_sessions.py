"""One contract for every place where agents' processes can live."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm.ports import Launch, Pane, Sessions
from swarm.sessions.plain import Plain
from swarm.sessions.tmux import Tmux

PATIENCE = 60.0


def until(look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.03)
    raise AssertionError("it did not happen")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sh(script: str, **env: str) -> Launch:
    return Launch(["sh", "-c", script], env)


class Place:
    """The sessions under test, twice: `again` is what a coordinator that comes later sees."""

    def __init__(self, make: Callable[[], Sessions], folder: Path) -> None:
        self.make = make
        self.sessions = make()
        self.cwd = folder / "work"
        self.log = folder / "logs" / "pane.log"
        self.cwd.mkdir()

    def start(self, name: str, launch: Launch) -> None:
        self.sessions.start(name, launch, self.cwd, self.log)

    def dead(self, name: str) -> Pane:
        found: Pane = until(lambda: (p := self.sessions.list().get(name)) and p.dead and p.exit is not None and p)
        return found

    def pid(self, name: str) -> int:
        """What a process of a session wrote into a file of this name."""
        return int(until(lambda: (self.cwd / name).is_file() and (self.cwd / name).read_text().strip()))


@pytest.fixture(params=["tmux", "plain"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "sessions"
    server = f"swarm-test-{secrets.token_hex(6)}"
    if request.param == "tmux":
        assert shutil.which("tmux"), "tmux is missing: apt-get install tmux"
    made = Place(lambda: Tmux(server, folder) if request.param == "tmux" else Plain(folder), tmp_path)
    yield made
    made.sessions.close()


def test_nothing_is_there_at_first(place: Place) -> None:
    assert place.sessions.list() == {}
    assert place.sessions.capture("nobody") == ""
    place.sessions.stop("nobody")
    place.sessions.close()


def test_a_session_lives_in_its_folder_with_its_environment(place: Place) -> None:
    place.start("gpu0-claude", sh('echo "$PWD" > where; echo "$A$B" > env; sleep 300', A="a b'c", B='"$x"'))
    until(lambda: (place.cwd / "env").is_file() and (place.cwd / "env").read_text())
    assert (place.cwd / "where").read_text().strip() == str(place.cwd)
    assert (place.cwd / "env").read_text() == 'a b\'c"$x"\n'
    assert place.sessions.list() == {"gpu0-claude": Pane("gpu0-claude", False, None)}


@pytest.mark.parametrize("code", [0, 3, 127])
def test_the_exit_status_is_told(place: Place, code: int) -> None:
    place.start("a", sh(f"exit {code}"))
    assert place.dead("a") == Pane("a", True, code)


def test_a_signal_is_told_as_a_negative_number(place: Place) -> None:
    place.start("a", sh("echo $$ > pid; kill -9 $$"))
    assert place.dead("a") == Pane("a", True, -9)
    place.start("b", sh("kill -TERM $$"))
    assert place.dead("b") == Pane("b", True, -15)


def test_a_program_that_is_not_there_is_a_dead_session(place: Place) -> None:
    place.start("a", Launch(["/no/such/program"]))
    assert place.dead("a").exit == 127


def test_a_later_coordinator_sees_the_same(place: Place) -> None:
    place.start("lives", sh("sleep 300"))
    place.start("died", sh("exit 5"))
    place.dead("died")
    later = place.make()
    assert later.list() == {"lives": Pane("lives", False, None), "died": Pane("died", True, 5)}
    later.stop("lives")
    assert set(place.sessions.list()) == {"died"}


def test_output_is_kept_and_shown(place: Place) -> None:
    place.start("a", sh("echo first; echo '− ü'; sleep 300"))
    until(lambda: "− ü" in place.sessions.capture("a"))
    assert place.sessions.capture("a").splitlines() == ["first", "− ü"]
    assert place.sessions.capture("a", 1) == "− ü"
    until(lambda: place.log.is_file() and "− ü" in place.log.read_text())
    assert place.log.read_text().split() == ["first", "−", "ü"]


def test_the_log_goes_on_after_a_restart(place: Place) -> None:
    place.start("a", sh("echo one"))
    place.dead("a")
    until(lambda: place.log.is_file() and "one" in place.log.read_text())
    place.start("a", sh("echo two"))
    until(lambda: place.log.is_file() and "two" in place.log.read_text())
    assert place.log.read_text().split() == ["one", "two"]


def test_long_commands_and_odd_words_arrive_whole(place: Place) -> None:
    words = ["x" * 40_000, "a b", "", "'", '"', "$HOME", "`id`", "#{pane_id}", "%H", ";", "end;", "line\nline", "ü"]
    code = "import json, sys; open('argv', 'w').write(json.dumps(sys.argv[1:])); open('done', 'w')"
    place.start("a", Launch([sys.executable, "-c", code, *words]))
    until(lambda: (place.cwd / "done").exists())
    assert json.loads((place.cwd / "argv").read_text()) == words


def test_nothing_of_the_launch_is_in_a_process_list(place: Place) -> None:
    place.start("a", Launch(["sh", "-c", "sleep 300; : hidden-word"], {"LONG": "secret-ish" * 50}))
    until(lambda: place.sessions.list())
    mine = [p for p in Path("/proc").iterdir() if p.name.isdigit() and str(place.cwd.parent).encode() in _cmdline(p)]
    assert not any(b"secret-ish" in _cmdline(p) for p in mine)


def _cmdline(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_session_of_the_same_name_is_replaced(place: Place) -> None:
    place.start("a", sh("echo $$ > one; sleep 300"))
    first = place.pid("one")
    place.start("a", sh("echo $$ > two; sleep 300"))
    second = place.pid("two")
    assert not alive(first) and alive(second)
    assert list(place.sessions.list()) == ["a"]


def test_names_are_exact(place: Place) -> None:
    for name in ("gpu1", "gpu10", "gpu1.5", "gpu1_5"):
        place.start(name, sh("sleep 300"))
    place.sessions.stop("gpu")
    place.sessions.stop("gpu1")
    assert set(place.sessions.list()) == {"gpu10", "gpu1.5", "gpu1_5"}


def test_stop_ends_the_whole_tree(place: Place) -> None:
    stubborn = "trap '' HUP TERM; echo $$ > %s; while :; do sleep 1; done"
    place.start(
        "a",
        sh(
            f'(setsid sh -c "{stubborn % "detached"}" &) ; nohup sh -c "{stubborn % "stubborn"}" >/dev/null 2>&1 & '
            "echo $$ > main; sleep 300"
        ),
    )
    pids = [place.pid(name) for name in ("detached", "stubborn", "main")]
    assert all(alive(pid) for pid in pids)
    place.sessions.stop("a")
    assert not any(alive(pid) for pid in pids)
    assert place.sessions.list() == {}


def test_what_a_dead_session_left_behind_is_ended_too(place: Place) -> None:
    place.start("a", sh("setsid sh -c 'echo $$ > left; sleep 300' & while [ ! -s left ]; do sleep 0.05; done; exit 4"))
    left = place.pid("left")
    assert place.dead("a").exit == 4
    assert alive(left)
    place.sessions.stop("a")
    assert not alive(left)


def test_a_session_that_was_killed_is_dead(place: Place) -> None:
    place.start("a", sh("echo $$ > pid; exec sleep 300"))
    os.kill(place.pid("pid"), signal.SIGKILL)
    assert place.dead("a").exit == -9


def test_many_start_at_once(place: Place) -> None:
    names = [f"gpu{i}-agent-with-a-rather-long-name" for i in range(24)]
    env = {"CUDA_VISIBLE_DEVICES": "GPU-" + "0" * 36, "SWARM_SEAT": str(place.cwd / "seat.json")}
    place.sessions.start_many([(n, sh("sleep 300", **env), place.cwd, place.log.with_name(n)) for n in names])
    found = place.sessions.list()
    assert set(found) == set(names)
    assert not any(pane.dead for pane in found.values())


def test_close_ends_all_and_may_be_said_twice(place: Place) -> None:
    place.start("a", sh("echo $$ > pid; sleep 300"))
    pid = place.pid("pid")
    place.sessions.close()
    place.sessions.close()
    assert not alive(pid)
    assert place.sessions.list() == {}


def test_it_can_be_shown_to_a_person(place: Place) -> None:
    place.start("a", sh("echo $$ > pid; exec sleep 300"))
    place.pid("pid")
    argv = place.sessions.attach_argv("a")
    assert shutil.which(argv[0])


def test_we_ourselves_are_never_ended(place: Place) -> None:
    """A coordinator started from an agent's session carries its mark and must survive the end of that agent."""
    code = (
        "import os, sys, pathlib; from swarm.sessions import trees, launch\n"
        "trees.end([os.getppid()], [os.environ[launch.MARK]], 0.2); open('survived', 'w')"
    )
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    place.start("a", Launch(["sh", "-c", f'{sys.executable} -c "{code}" ; sleep 300'], env))
    until(lambda: (place.cwd / "survived").exists())
