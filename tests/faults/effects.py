"""Everything durable that a coordinator does, counted, so that it can be killed (or find a full disk) at any point of it."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from swarm.errors import SwarmError
from swarm.ledger.ledger import Ledger
from swarm.ports import Launch
from swarm.repo import Hub, Worktrees
from swarm.repo.call import Answer, Failed
from tests.coordinator.play import Sessions

T = TypeVar("T")
OBJECTS = ("hash-object", "mktree", "commit-tree", "fetch", "index-pack")


class Killed(BaseException):
    """kill -9: nothing of the coordinator runs after it."""


class Effects:
    """`at`: the number of the effect at which it happens (1 is the first, 0 never)."""

    def __init__(self, how: Callable[[str], BaseException] | None = None) -> None:
        self.how = how or (lambda name: Killed(name))
        self.arm(0, "before")

    def arm(self, at: int, mode: str, times: int = 1) -> None:
        """From now on the `at`-th effect and the `times - 1` after it fail."""
        self.at, self.mode, self.until, self.dead = at, mode, at + times, False
        self.names: list[str] = []
        self.halves: list[int] = []
        self.hit = ""

    def __call__(self, name: str, do: Callable[[], T], half: Callable[[], object] | None = None) -> T:
        """Do it, or not, or by half (where that is possible), when its turn has come."""
        if self.dead:
            raise Killed("dead already")
        self.names.append(name)
        if half is not None:
            self.halves.append(len(self.names))
        here = self.at <= len(self.names) < self.until
        if here and (self.mode == "before" or (self.mode == "inside" and half is None)):
            self._blow(name)
        if here and self.mode == "inside" and half is not None:
            half()
            self._blow(name)
        answer = do()
        if here:
            self._blow(name)
        return answer

    def _blow(self, name: str) -> None:
        self.hit = name
        error = self.how(name)
        self.dead = isinstance(error, Killed)
        raise error


def full(name: str) -> BaseException:
    """How a full disk shows at this kind of effect."""
    if name == "ledger":
        return sqlite3.OperationalError("database or disk is full")
    if name in ("executor", "sessions"):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return Failed(f"git {name} failed: fatal: write error: {os.strerror(errno.ENOSPC)}")


class Db:
    """The writer's connection; commits are counted, also those of single statements."""

    def __init__(self, db: sqlite3.Connection, effects: Effects) -> None:
        self._db, self._effects = db, effects

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        verb = sql.split(None, 1)[0].upper()
        alone = verb in ("INSERT", "UPDATE", "DELETE") and not self._db.in_transaction
        if verb == "COMMIT" or alone:
            return self._effects("ledger", lambda: self._db.execute(sql, *args))
        return self._db.execute(sql, *args)


class CountedLedger(Ledger):
    """Nothing waits for the disk: a process that is killed leaves to the system what it has written."""

    def __init__(self, path: Path, effects: Effects) -> None:
        super().__init__(path)
        self.db.execute("PRAGMA synchronous=OFF")
        self.db = Db(self.db, effects)  # type: ignore[assignment]


class CountedHub(Hub):
    """git's writes counted; checkouts and refs can be cut short."""

    def __init__(self, hidden: Path, effects: Effects) -> None:
        super().__init__(hidden)
        self._effects = effects

    def ask(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> Answer:
        quick = ("-c", "core.fsync=none", *args)
        if "update-ref" in args:
            return self._effects(
                "refs", lambda: super(CountedHub, self).ask(*quick, data=data, env=env), self._one(data)
            )
        return super().ask(*quick, data=data, env=env)

    def git(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        def do() -> bytes:
            return super(CountedHub, self).git("-c", "core.fsync=none", *args, data=data, env=env)

        if any(verb in args for verb in OBJECTS):
            return self._effects("object", do)
        if "read-tree" in args:
            work = Path(next(a for a in args if a.startswith("--work-tree=")).split("=", 1)[1])
            return self._effects("worktree", do, lambda: self._torn(do, work, (env or {})["GIT_INDEX_FILE"]))
        return do()

    def _torn(self, do: Callable[[], bytes], work: Path, index: str) -> None:
        """A git that was killed while it wrote the files: one is gone, one is short, and its lock stays."""
        do()
        (work / "prepare.py").unlink()
        (work / "train.py").write_bytes((work / "train.py").read_bytes()[:9])
        Path(index + ".lock").write_bytes(b"")

    def _one(self, data: bytes | None) -> Callable[[], None]:
        """Only the first of several refs moved, and the lock of the last stays (an old one: nobody waits for it)."""

        def half() -> None:
            words = (data or b"").decode().split("\0\0")
            super(CountedHub, self).ask("update-ref", "-z", "--stdin", data=(words[0] + "\0\0").encode())
            last = self.dir / ([w for w in words if w.strip("\0")][-1].split("\0")[0].split(" ", 1)[1] + ".lock")
            last.parent.mkdir(parents=True, exist_ok=True)
            last.write_bytes(b"")
            os.utime(last, (time.time() - 60,) * 2)

        return half


class CountedWorktrees(Worktrees):
    """A folder and its link to the hub is one effect; by half, git's side of it is begun."""

    def __init__(self, hub: Hub, root: Path, edit: Sequence[str], effects: Effects) -> None:
        super().__init__(hub, root, edit)
        self._effects = effects

    def _link(self, name: str) -> None:
        self._effects("link", lambda: super(CountedWorktrees, self)._link(name), lambda: self._begun(name))

    def _begun(self, name: str) -> None:
        self.path(name).mkdir(parents=True, exist_ok=True)
        self._admin(name).mkdir(parents=True, exist_ok=True)
        (self._admin(name) / "gitdir").write_bytes(b"")


class CountedSessions(Sessions):
    """Sessions that outlive the coordinator, as tmux does."""

    def __init__(self, effects: Effects) -> None:
        super().__init__()
        self._effects = effects

    def start_many(self, items: Sequence[tuple[str, Launch, Path, Path]]) -> None:
        def some(part: Sequence[tuple[str, Launch, Path, Path]]) -> None:
            for item in part:
                assert (item[2] / "train.py").is_file(), f"{item[0]} is started without its files"
                self.start(*item)

        self._effects("sessions", lambda: some(items), lambda: some(items[: len(items) // 2]))

    def stop(self, name: str) -> None:
        self._effects("sessions", lambda: super(CountedSessions, self).stop(name))

    def close(self) -> None:
        self._effects("sessions", lambda: super(CountedSessions, self).close())


def clear(error: BaseException) -> bool:
    """Whether what reached the door says that the disk is full (swarm/api/desk.py makes it a sentence)."""
    text = str(error).lower()
    return isinstance(error, SwarmError | OSError | sqlite3.Error) and ("full" in text or "no space" in text)
