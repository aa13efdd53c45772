"""A command with everything it starts: watched, read, measured and ended as a whole."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time

from swarm.runner.output import EVERY, Log

PATIENCE = 2.0  # seconds between TERM and KILL
LEFT_OVERS = 0.5  # the same for what a command that ended by itself left running
GIVE_UP = 20.0  # seconds of killing what does not die (a process in an uninterruptible call)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CHUNK = 1 << 18


class Tree:
    """One per process. From its making on, SIGTERM means "cancel" and orphans below us become our children."""

    def __init__(self) -> None:
        self.cancelled = False
        self.exit: int | None = None  # of the command: as subprocess gives it, negative for a signal
        self.cpu_seconds = 0.0
        self.peak_rss_mb = 0.0  # of the largest process
        self._child: subprocess.Popen[bytes] | None = None
        self._alone = True
        self._log: Log | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._selector = selectors.DefaultSelector()
        self._listen()

    def _listen(self) -> None:
        """Signals arrive as bytes in a pipe, so that one select waits for everything."""
        self._bell, write = os.pipe()
        for fd in (self._bell, write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._cancel)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def _cancel(self, *_: object) -> None:
        self.cancelled = True

    def start(self, argv: list[str], cwd: str, env: dict[str, str], log: Log, die_with_us: bool) -> None:
        """Start the command in a session of its own, its output going to `log`.

        With `die_with_us` it is killed when we are, even by -9 (a sandbox sees to that itself).

        Raises OSError when it cannot be started.
        """
        read, write = os.pipe()
        parent, prctl = os.getpid(), self._libc.prctl

        def tie() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        try:
            self._child = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=write, stderr=write,
                start_new_session=True, preexec_fn=tie if die_with_us else None,
            )  # fmt: skip
        except OSError:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._alone, self._log, self._pipe = False, log, read
        os.set_blocking(read, False)
        self._selector.register(read, selectors.EVENT_READ)

    def watch(self, until: float) -> str:
        """Wait for the command. Returns why it has to be ended (timeout, cancelled), or empty when it ended itself.

        `until` is on the monotonic clock.
        """
        while self.exit is None:
            left = until - time.monotonic()
            if self.cancelled:
                return "cancelled"
            if left <= 0:
                return "timeout"
            self._turn(min(left, EVERY))
        return ""

    def end(self, shielded: bool = False) -> None:
        """End all that is left: TERM, and KILL for what is still there after a while. Reads the last words.

        `shielded`: the command's own process is the sandbox; to end it would end the rest without a warning.
        """
        if self._child is None:
            return
        self._reap()
        begun = time.monotonic()
        patience = PATIENCE if self.exit is None else LEFT_OVERS
        if not self._alone:
            self._signal(signal.SIGTERM, spare=self._child.pid if shielded else None)
        while not self._alone and time.monotonic() < begun + patience:
            self._turn(0.05)
        while not self._alone and time.monotonic() < begun + GIVE_UP:
            self._signal(signal.SIGKILL)
            self._turn(0.05)
        while self._read():
            pass
        if self._log is not None:
            self._log.flush()
        self._child.returncode = self.exit if self.exit is not None else -signal.SIGKILL

    def _turn(self, timeout: float) -> None:
        """Wait for output or a child's end, and take both."""
        for key, _ in self._selector.select(timeout):
            if key.fd == self._bell:
                self._silence()
            else:
                self._read()
        if self._log is not None:
            self._log.ripe()
        self._reap()

    def _silence(self) -> None:
        try:
            os.read(self._bell, 4096)
        except BlockingIOError:
            pass

    def _read(self) -> bool:
        """Take what lies in the pipe. False when there is nothing now or nothing will come."""
        try:
            data = os.read(self._pipe, CHUNK)
        except (BlockingIOError, OSError):
            return False
        if data and self._log is not None:
            self._log.write(data)
        elif self._pipe in self._selector.get_map():
            self._selector.unregister(self._pipe)
        return bool(data)

    def _reap(self) -> None:
        """Take leave of every child that ended, orphans from below too."""
        while not self._alone:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                return
            if pid == 0:
                return
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            self.peak_rss_mb = max(self.peak_rss_mb, usage.ru_maxrss / 1024)
            if self._child is not None and pid == self._child.pid:
                self.exit = os.waitstatus_to_exitcode(status)

    def _signal(self, number: int, spare: int | None = None) -> None:
        for pid in descendants(os.getpid()):
            if pid != spare:
                try:
                    os.kill(pid, number)
                except (ProcessLookupError, PermissionError):
                    pass


def descendants(root: int) -> list[int]:
    """All living processes below `root`. As their subreaper none can leave, whatever session it makes for itself."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := parent_of(int(name))) is not None:
            below.setdefault(parent, []).append(int(name))
    found, todo = [], [root]
    while todo:
        children = below.get(todo.pop(), [])
        found += children
        todo += children
    return found


def parent_of(pid: int) -> int | None:
    """The parent of a process that lives (None for a zombie or none at all)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state == b"Z" else int(parent)
