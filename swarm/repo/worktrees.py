"""The agents' worktrees: real linked ones, so that git works in them, but read and written with our own index only."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from swarm.errors import Refused, SwarmError
from swarm.repo.call import run
from swarm.repo.hub import Hub

LARGEST = 1 << 20  # bytes of an editable file
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class Worktrees:
    """`root` holds a folder per agent; `edit` are the files agents may change."""

    def __init__(self, hub: Hub, root: Path, edit: Sequence[str]) -> None:
        self.hub, self.root, self.edit = hub, root, tuple(edit)

    def path(self, name: str) -> Path:
        """Raises SwarmError for a name that is no plain folder name."""
        if not NAME.match(name):
            raise SwarmError(f"{name!r} is no name for an agent.", "Letters, digits, dots and dashes.")
        return self.root / name

    def add(self, name: str, commit: str) -> None:
        """Make the worktree on branch `swarm/<name>`, or put the one that is there to the commit."""
        path, admin = self.path(name), self._admin(name)
        if not ((path / ".git").is_file() and (admin / "HEAD").is_file()):
            with self._lock():
                self._put_aside(path)
                shutil.rmtree(admin, ignore_errors=True)
                self.root.mkdir(exist_ok=True)
                self.hub.git(
                    "worktree", "add", "-q", "-f", "--no-checkout", "-B", f"swarm/{name}", str(path), commit,
                )  # fmt: skip
        self.put(name, commit)

    def put(self, name: str, commit: str) -> None:
        """Write the commit's files over the tracked ones. Untracked files stay; HEAD goes back to the branch."""
        path = self._standing(name)
        with self._index(name) as env:
            self._git(path, "read-tree", commit, env=env)
            self._unlink_odd(path, commit)
            self._git(path, "checkout-index", "-q", "-f", "-a", env=env)
        admin = self._admin(name)
        if admin.is_dir():
            shutil.copyfile(self._own_index(name), admin / "index.new")
            os.replace(admin / "index.new", admin / "index")
            (admin / "HEAD").write_text(f"ref: refs/heads/swarm/{name}\n")

    def editable(self, name: str) -> dict[str, bytes]:
        """The bytes of the editable files, read once.

        Raises Refused when one is missing, no regular file, or too large.
        """
        path = self._standing(name)
        return {p: _bytes(path, p) for p in self.edit}

    def meddled(self, name: str, commit: str) -> list[str]:
        """Other tracked files that are not as in the commit."""
        path = self._standing(name)
        with self._index(name) as env:
            self._git(path, "read-tree", commit, env=env)
            out = self._git(path, "diff-files", "--name-only", "-z", "--no-ext-diff", "--ignore-submodules", env=env)
        names = [p for p in out.decode(errors="surrogateescape").split("\0") if p]
        return [p for p in names if p not in self.edit and self._differs(path, commit, p)]

    def restore(self, name: str, commit: str, keep: Path) -> list[str]:
        """Put files that were meddled with back; their bytes are kept below `keep`."""
        path = self._standing(name)
        meddled = self.meddled(name, commit)
        for p in meddled:
            found = path / p
            if found.is_file() and not found.is_symlink():
                (keep / p).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found, keep / p)
            _clear(path, p)
            found.parent.mkdir(parents=True, exist_ok=True)
            found.write_bytes(self.hub.read(commit, p))
        return meddled

    def head(self, name: str) -> str | None:
        """The commit that the worktree's HEAD stands on, if the agent made one of its own."""
        try:
            text = (self._admin(name) / "HEAD").read_text().strip()
        except OSError:
            return None
        return self.hub.resolve(text.removeprefix("ref: "))

    def remove(self, name: str) -> None:
        """Delete the worktree's folder. The caller has made sure that nothing in it is lost."""
        shutil.rmtree(self.path(name), ignore_errors=True)
        shutil.rmtree(self._admin(name), ignore_errors=True)

    # --- inside -----------------------------------------------------------------------------------------------

    def _git(self, path: Path, *args: str, env: dict[str, str]) -> bytes:
        return run([f"--git-dir={self.hub.dir}", f"--work-tree={path}", *args], path, env=env)

    def _admin(self, name: str) -> Path:
        return self.hub.dir / "worktrees" / name

    def _own_index(self, name: str) -> Path:
        return self.hub.hidden / "index" / name

    @contextmanager
    def _index(self, name: str) -> Iterator[dict[str, str]]:
        """Our own index: the agent's may say anything. Attributes come from an empty tree's, never from the worktree."""
        index = self._own_index(name)
        index.parent.mkdir(exist_ok=True)
        index.with_name(index.name + ".lock").unlink(missing_ok=True)
        yield {"GIT_INDEX_FILE": str(index)}

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Adds in parallel fail now and then in git itself: one at a time."""
        with (self.hub.hidden / "worktrees.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _standing(self, name: str) -> Path:
        path = self.path(name)
        if path.is_symlink() or not path.is_dir():
            _unlink(path)
            path.mkdir(parents=True)
            if self._admin(name).is_dir():
                (path / ".git").write_text(f"gitdir: {self._admin(name)}\n")
        return path

    def _put_aside(self, path: Path) -> None:
        """Something that is no worktree of ours stands in the place: it is kept beside."""
        if not path.exists() and not path.is_symlink():
            return
        number = 1
        while (aside := path.with_name(f"{path.name}.kept-{number}")).exists():
            number += 1
        path.rename(aside)

    def _unlink_odd(self, path: Path, commit: str) -> None:
        """Links and folders in the place of tracked files go away; checkout would follow or refuse them."""
        for p in self.hub.paths(commit):
            _clear(path, p)

    def _differs(self, path: Path, commit: str, name: str) -> bool:
        try:
            return _bytes(path, name, largest=1 << 30) != self.hub.read(commit, name)
        except Refused:
            return True


def _clear(root: Path, name: str) -> None:
    """Whatever keeps `root/name` from being written as a plain file."""
    at = root
    for part in Path(name).parts[:-1]:
        at = at / part
        if at.is_symlink() or (at.exists() and not at.is_dir()):
            _unlink(at)
    found = root / name
    try:
        mode = found.lstat().st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(found)
    elif not stat.S_ISREG(mode):
        found.unlink()


def _unlink(path: Path) -> None:
    if path.is_symlink() or path.exists():
        path.unlink()


def _bytes(root: Path, name: str, largest: int = LARGEST) -> bytes:
    """Read a regular file without following links anywhere below `root`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    at = os.open(root, flags | os.O_DIRECTORY)
    try:
        parts = Path(name).parts
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            inner = os.open(part, flags | (0 if last else os.O_DIRECTORY), dir_fd=at)
            os.close(at)
            at = inner
        status = os.fstat(at)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{name} is not a regular file.", "Make it a plain file, then submit.", 422)
        if status.st_size > largest:
            raise Refused(f"{name} is larger than {largest >> 20} MB.", "Make it smaller, then submit.", 422)
        with os.fdopen(os.dup(at), "rb") as file:
            return file.read(largest + 1)
    except OSError as error:
        why = "is a link" if error.errno == 40 else "is missing" if error.errno == 2 else "cannot be read"
        raise Refused(f"{name} {why}.", f"Put a plain file {name} there, then submit.", 422) from None
    finally:
        os.close(at)
