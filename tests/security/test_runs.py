"""A training run as an attacker, behind the real executor with `sandbox: required`. The same attacks without the sandbox get
through: so it is the wall that stops them, and not something that was never there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarm import procs
from swarm.coordinator import dispatch
from swarm.coordinator.world import World
from swarm.executors.local import LocalExecutor
from swarm.ports import Job, Ticket
from swarm.runner import sandbox
from swarm.runner.spec import RunResult, RunSpec
from tests.coordinator.play import Play
from tests.runner.running import DEADLINE, until

END = """
print("---")
print("val_bpb: 1.0")
"""
SECRET = "only-for-the-owner"

# Each attack is an expression or a block that leaves what it got in `got`; an OSError means that it got nothing.
LOOKS = {
    "tokens": "got = open(P['tokens'] + '/owner').read()",
    "list tokens": "got = os.listdir(P['tokens'])",
    "own token": "got = open(P['tokens'] + '/agent.a0').read()",
    "home": "got = open(P['home'] + '/.ssh/id_ed25519').read()",
    "home's cache": "got = open(P['home'] + '/.cache/other-task/answers').read()",
    "home's tools": "got = open(P['home'] + '/.local/share/keyring').read()",
    "another worktree": "got = open(P['worktrees'] + '/a1/train.py').read()",
    "ledger": "got = open(P['hidden'] + '/results.db', 'rb').read(16)",
    "ledger's link": "got = open(P['root'] + '/results.db', 'rb').read(16)",
    "hub": "got = open(P['hidden'] + '/.git/config').read()",
    "another run": "got = open(P['runs'] + '/r000001-1/log.txt').read()",
    "its own spec": "got = open(P['folder'] + '/spec.json').read()",
    "its own lock": "got = open(P['hidden'] + '/locks/run-7.lock')",
    "door's address": "got = open(P['hidden'] + '/door.json').read()",
    "up and down": "got = open('../../../tokens/owner').read()",
    "a link": "os.symlink(P['tokens'] + '/owner', 'l'); got = open('l').read()",
    "a hard link": "os.link(P['tokens'] + '/owner', 'h'); got = open('h').read()",
    "by parent": "got = open(f'/proc/{os.getppid()}/root' + P['tokens'] + '/owner').read()",
    "tmux": "s = socket.socket(socket.AF_UNIX); s.connect(P['tmux']); got = True",
    "door": "socket.create_connection(('127.0.0.1', P['port']), 5); got = True",
    "door by name": "socket.create_connection(('localhost', P['port']), 5); got = True",
    "abstract socket": "s = socket.socket(socket.AF_UNIX); s.connect(P['abstract']); got = True",
    "other's environment": "got = open(f\"/proc/{P['victim']}/environ\").read()",
    "others": "got = [n for n in os.listdir('/proc') if n.isdigit() and int(n) > 20]",
    "signal": "os.kill(P['victim'], 0); got = True",
    "signal to the runner": "os.kill(P['runner'](), 0); got = True",
    "cache's folder": """
        mine, place = os.path.expanduser('~/.cache/mine'), os.path.expanduser('~/.cache/task')
        os.rename(place, mine)
        os.rename(mine, place)
        got = True
    """,
}
# Files that it would write into. Inside, an empty folder of the run's own may stand at such a place: what counts is
# whether the mark is found outside.
WRITES = {
    "a worktree": "P['worktrees'] + '/a0/train.py'",
    "the ledger": "P['hidden'] + '/results.db'",
    "the ledger's link": "P['root'] + '/results.db'",
    "a ref": "P['hidden'] + '/.git/refs/heads/best'",
    "a lock": "P['hidden'] + '/locks/run-7.lock'",
    "the cache": "P['cache'] + '/shard'",
    "the cache by its place": "os.path.expanduser('~/.cache/task/shard')",
    "more for the cache": "os.path.expanduser('~/.cache/task/more')",
    "the interpreter": "P['prefix'] + '/bin/sitecustomize.py'",
    "the person's shell": "P['home'] + '/.bashrc'",
    "the task": "P['task'] + '/prepare.py'",
    "another run": "P['runs'] + '/r000001-1/log.txt'",
    "its own spec": "P['folder'] + '/spec.json'",
}
MARK = re.compile(rb"SPOILT <(.*?)>")
# What a sandbox stops, and a user's own rights would stop as well on most machines: asked inside only.
INSIDE = {
    "by proc": "got = open('/proc/1/root' + P['tokens'] + '/owner').read()",
    "network": "socket.create_connection(('192.0.2.1', 80), 2); got = True",
    "names": "got = socket.getaddrinfo('example.com', 80)",
    "datagram": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('192.0.2.1', 53)); got = True",
    "interfaces": "got = [n for _, n in socket.if_nameindex() if n != 'lo']",
    "core pattern": "got = open('/proc/sys/kernel/core_pattern', 'w')",
    "sysctl": "got = open('/proc/sys/vm/overcommit_memory', 'w')",
    "sysrq": "got = open('/proc/sysrq-trigger', 'w')",
    "sys": "got = open('/sys/kernel/mm/transparent_hugepage/enabled', 'w')",
    "system": "got = open('/usr/swarm-was-here', 'w')",
    "passwords": "got = open('/etc/passwd', 'a')",
    "stdlib": "got = open(os.__file__, 'a')",
    "disks": "got = [n for n in os.listdir('/dev') if n.startswith(('sd', 'vd', 'nvme', 'loop', 'mem', 'kmsg', 'fuse'))]",
    "run": "got = os.listdir('/run')",
    "tmp": "got = [n for n in os.listdir('/tmp') if n.startswith('tmux-')]",
    "remount": "import ctypes; got = ctypes.CDLL(None).mount(b'none', b'/', None, 32 | 4096, None) == 0",
    "unmount": "import ctypes; got = ctypes.CDLL(None).umount2(P['root'].encode(), 2) == 0",
    "descriptors": "got = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}') and os.readlink(f'/proc/self/fd/{n}').endswith('.lock')]",
    "terminal": "got = open('/dev/tty')",
    "capabilities": "got = int(next(l for l in open('/proc/self/status') if l.startswith('CapEff')).split()[1], 16)",
    "secrets in the environment": "got = [k for k in os.environ if 'TOKEN' in k or k == 'SECRET_OF_THE_PERSON']",
}


def attacker(attacks: dict[str, str], place: dict[str, Any]) -> str:
    """A training that tries all of them, prints what it got, and behaves."""
    parts = [
        f"import json, os, socket\nP = {place!r}\nP['runner'] = lambda: int(open(P['folder'] + '/pid').read())\nreport = {{}}\n"
    ]
    for name, attack in attacks.items():
        body = textwrap.indent(textwrap.dedent(attack).strip(), "    ")
        parts.append(
            f"got = None\ntry:\n{body}\nexcept (OSError, StopIteration):\n    got = None\nreport[{name!r}] = bool(got)\n"
        )
    for name, path in WRITES.items():
        parts.append(f"try:\n    open({path}, 'a').write({f'SPOILT <{name}>'!r})\nexcept OSError:\n    pass\n")
    return "".join(parts) + "print('REPORT ' + json.dumps(report))\n" + END


class Scene:
    """A workspace with everything worth stealing in it, and one run of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.home = root / "home of the person"
        for name, text in {".ssh/id_ed25519": SECRET, ".cache/task/shard": "shard", ".cache/other-task/answers": SECRET,
                           ".local/share/keyring": SECRET}.items():  # fmt: skip
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_text(text)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("SECRET_OF_THE_PERSON", SECRET)
        self.python = self._python()
        self.play = Play(self.home / "projects")
        self.play.spawn(
            agents=2, task={"caches": ("~/.cache/task",), "python": str(self.python)}, policy={"sandbox": "required"}
        )
        self.workspace = self.play.workspace
        for who in ("owner", "agent.a0"):
            self.workspace.token(who).write_text(SECRET)
            self.workspace.token(who).chmod(0o600)
        self.workspace.door.write_text("{}")
        other = self.workspace.run_folder(1, 1)
        other.mkdir(parents=True, exist_ok=True)
        (other / "log.txt").write_text(SECRET)
        self.executor = LocalExecutor()

    def _python(self) -> Path:
        """An interpreter as `uv` leaves it: ~/.local/bin/python3 is a link, and a run needs not see more of ~/.local."""
        link = self.home / ".local" / "bin" / "python3"
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.realpath(sys.executable))
        return link

    def place(self, victim: int, port: int, tmux: str, abstract: str) -> dict[str, Any]:
        w = self.workspace
        return {
            "tokens": str(w.tokens), "home": str(self.home), "worktrees": str(w.worktrees), "hidden": str(w.hidden),
            "root": str(w.root), "runs": str(w.runs), "folder": str(w.run_folder(7, 1)), "tmux": tmux, "port": port,
            "abstract": abstract, "victim": victim, "cache": str(self.home / ".cache/task"), "prefix": str(self.home / ".local"),
            "task": str(self.play.task_folder),
        }  # fmt: skip

    def spec(self, source: str, **wish: Any) -> RunSpec:
        """As the coordinator specifies it: what is hidden and what is shown is the product's own word."""
        world: World = self.play.world
        run = replace(world.ledger.run(1), id=7)
        made = dispatch.specify(world, world.slots()[0], run, 1, self.workspace.run_folder(7, 1))
        work = Path(made.work)
        work.mkdir(parents=True)
        (work / "train.py").write_text(source)
        return replace(made, kill_after=DEADLINE, **wish)

    def start(self, source: str, **wish: Any) -> Ticket:
        made = self.spec(source, **wish)
        lock = self.workspace.locks / "run-7.lock"
        self.executor.start(Job(made, lock, self.workspace.locks / "slot-7.lock"))
        return Ticket(7, 1, Path(made.folder), lock)

    def over(self, ticket: Ticket) -> RunResult:
        outcome = until(lambda: self.executor.poll([ticket]), "the run to be over")[0]
        assert outcome.result is not None
        return outcome.result

    def spoilt(self) -> set[str]:
        """Whose marks are found outside the run's own work, HOME and TMPDIR."""
        own = [self.workspace.run_folder(7, 1) / name for name in ("work", "home", "tmp")]
        files = [p for p in self.root.rglob("*") if p.is_file() and not any(p.is_relative_to(o) for o in own)]
        return {found.decode() for path in files for found in MARK.findall(path.read_bytes())}

    def report(self, source: str, **wish: Any) -> dict[str, bool]:
        ticket = self.start(source, **wish)
        result = self.over(ticket)
        assert result.outcome == "finished", result
        assert result.sandboxed == (wish.get("sandbox") != "off")
        log = (ticket.folder / "log.txt").read_text()
        return dict(json.loads(next(line for line in log.splitlines() if line.startswith("REPORT "))[7:]))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    assert sandbox.trouble() == "", f"bubblewrap: {sandbox.trouble()}. {sandbox.INSTALL}"
    made = Scene(tmp_path, monkeypatch)
    yield made
    made.executor.cancel(Ticket(7, 1, made.workspace.run_folder(7, 1), made.workspace.locks / "run-7.lock"))


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "900"], env={"SWARM_VICTIM": SECRET, "PATH": os.environ["PATH"]})
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def place(scene: Scene, victim: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Everything that listens: a door, a tmux server's socket in /tmp, one without a file."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tmux-", dir="/tmp") as folder:
        path, hidden = f"{folder}/default", f"\0swarm-{os.getpid()}"
        with (
            socket.create_server(("127.0.0.1", 0)) as door,
            socket.socket(socket.AF_UNIX) as tmux,
            socket.socket(socket.AF_UNIX) as abstract,
        ):
            for line, name in ((tmux, path), (abstract, hidden)):
                line.bind(name)
                line.listen(16)
            yield scene.place(victim.pid, door.getsockname()[1], path, hidden)


def test_behind_the_wall_nothing_is_got(scene: Scene, place: dict[str, Any]) -> None:
    before = scene.workspace.ledger.read_bytes()
    report = scene.report(attacker({**LOOKS, **INSIDE}, place))
    assert [name for name, got in report.items() if got] == []
    assert scene.spoilt() == set()
    assert scene.workspace.ledger.read_bytes() == before
    assert (scene.home / ".cache/task/shard").read_text() == "shard"
    assert (scene.play.task_folder / "prepare.py").read_text() == "FROZEN = 1\n"


def test_without_the_wall_all_of_it_is_got(scene: Scene, place: dict[str, Any]) -> None:
    """What keeps the test above from passing for another reason."""
    report = scene.report(attacker(LOOKS, place), sandbox="off")
    assert [name for name, got in report.items() if not got] == []
    assert scene.spoilt() == set(WRITES)


def test_what_the_run_may_have_it_has(scene: Scene) -> None:
    source = """
        import json, os
        cache = os.path.expanduser('~/.cache/task/shard')
        report = {"cache": open(cache).read() == "shard", "home": os.environ["HOME"] != %r}
        for name, path in {"work": "x", "own home": os.path.expanduser("~/x"), "tmp": "/tmp/x", "shm": "/dev/shm/x"}.items():
            open(path, "w").close()
            report[name] = True
        print("REPORT " + json.dumps(report))
    """
    report = scene.report(textwrap.dedent(source % str(scene.home)) + END)
    assert all(report.values()), report


DAEMON = """
    import fcntl, os, signal, time
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            alive = open("alive", "w")
            fcntl.flock(alive, fcntl.LOCK_EX)
            os.write(tell, b"x")
            os.close(1); os.close(2)
            time.sleep(900)
        os._exit(0)
    os.wait()
    os.read(told, 1)
"""


@pytest.mark.parametrize("mode", ["required", "off"])
def test_nothing_outlives_the_run(scene: Scene, mode: str) -> None:
    """A daemon in a session of its own, deaf to everything one can be deaf to; without the wall the runner sees to it."""
    ticket = scene.start(textwrap.dedent(DAEMON) + END, sandbox=mode)
    assert scene.over(ticket).outcome == "finished"
    assert not procs.held(ticket.folder / "work" / "alive")
    assert not procs.held(scene.workspace.locks / "slot-7.lock")


def test_nothing_outlives_a_runner_that_is_killed(scene: Scene) -> None:
    ticket = scene.start(textwrap.dedent(DAEMON) + "open('up', 'w')\ntime.sleep(900)\n")
    until((ticket.folder / "work" / "up").exists, "the daemon")
    assert procs.held(ticket.folder / "work" / "alive")
    os.kill(int((ticket.folder / "pid").read_text()), signal.SIGKILL)
    until(lambda: not procs.held(ticket.folder / "work" / "alive"), "the daemon's end")
    assert until(lambda: scene.executor.poll([ticket]), "the outcome")[0].result is None


def test_signals_to_everybody_hit_the_run_alone(scene: Scene, victim: subprocess.Popen[bytes]) -> None:
    """kill(-1) ends what one may signal: inside, that is only itself."""
    source = "import os, signal\nsignal.signal(15, signal.SIG_IGN)\ntry:\n    os.kill(-1, 15)\nexcept ProcessLookupError:\n    print('nobody here')\n"
    result = scene.over(scene.start(source + END))
    assert (result.outcome, victim.poll()) == ("finished", None), result
    assert "nobody here" in result.tail


def test_the_wall_is_required_or_there_is_no_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ticket = scene.start("open('ran', 'w')\n" + END)
    result = scene.over(ticket)
    assert (result.outcome, result.reason) == ("crashed", "sandbox")
    assert not (ticket.folder / "work" / "ran").exists()


def test_links_that_a_run_leaves_lead_nobody_astray(scene: Scene) -> None:
    """It turns its folders into links to the person's; what is tidied afterwards is the links."""
    source = f"""
        import os, shutil
        for name in ("work/x", "home/.cache", "tmp/y"):
            os.makedirs(os.path.dirname(name), exist_ok=True)
        os.symlink({str(scene.home)!r}, "to-home")
        os.symlink({str(scene.home)!r}, os.path.expanduser("~/to-home"))
        os.symlink("/", os.environ["TMPDIR"] + "/to-root")
    """
    ticket = scene.start(textwrap.dedent(source) + END)
    assert scene.over(ticket).outcome == "finished"
    again = scene.start("print(1)\n" + END)  # the folder is made anew
    assert scene.over(again).outcome == "finished"
    assert (scene.home / ".ssh/id_ed25519").read_text() == SECRET


def test_a_flood_of_words_is_bounded(scene: Scene) -> None:
    source = "import sys\nfor _ in range(64): sys.stdout.write('\\x1b[2J' + 'x' * (1 << 20))\n"
    ticket = scene.start(source + END)
    result = scene.over(ticket)
    assert result.outcome == "finished"
    made = RunSpec.read(ticket.folder / "spec.json")
    assert (ticket.folder / "log.txt").stat().st_size < made.head + made.tail + 200
    assert len(result.tail) <= 4000
    assert "\x1b" not in result.tail
