"""The agents' worktrees: real linked ones, so that git works in them, but read and written with our own index only.

An agent may have written anything in its worktree, its `.git` and its attributes too: none of that is believed.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from swarm.errors import SwarmError
from swarm.repo import plainly
from swarm.repo.call import Failed
from swarm.repo.hub import Hub
from swarm.repo.intake import SHA

NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?<!\.)(?<!\.lock)\Z")
# what a half-done merge or rebase of the agent's leaves in git's folder of a worktree
HALF_DONE = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply",
             "sequencer", "AUTO_MERGE", "index.lock", "HEAD.lock")  # fmt: skip


class Worktrees:
    """`root` holds a folder per agent; `edit` are the files agents may change."""

    def __init__(self, hub: Hub, root: Path, edit: Sequence[str]) -> None:
        self.hub, self.root, self.edit = hub, root.absolute(), tuple(edit)

    def path(self, name: str) -> Path:
        """Raises SwarmError for a name that is no plain folder name."""
        if not NAME.match(name):
            raise SwarmError(f"{name!r} is no name for an agent.", "Letters, digits, dots and dashes.")
        return self.root / name

    def add(self, name: str, commit: str) -> None:
        """Make the worktree on branch `swarm/<name>`, or put the one that is there to the commit."""
        self.add_all({name: commit})

    def add_all(self, wanted: Mapping[str, str]) -> None:
        """The same for many, by name: their branches stand at these commits then.

        Safe to call again after a crash at any point. Something else that stands in its place is moved beside it.
        """
        for name in wanted:
            self.path(name)
        with self._lock():
            unlinked = [name for name in wanted if not self._linked(name)]
            self._move_branches(wanted, unlinked)
            for name in unlinked:
                self._link(name)
        for name, commit in wanted.items():
            self.put(name, commit)

    def put(self, name: str, commit: str) -> None:
        """Make all tracked files those of the commit. Untracked files stay; HEAD goes back to the agent's branch."""
        path = self._standing(name)
        if not self._linked(name):
            if self._ref(self._branch(name)) is None:
                self.hub.set_refs({self._branch(name): commit})
            self._tie(name)
        plainly.clear_parents(path, self.hub.files(commit))
        self._read_tree(name, path, commit)
        admin = self._admin(name)
        if admin.is_dir():
            for left in HALF_DONE:
                plainly.delete(admin / left)
            plainly.write(admin / "index", self._index(name).read_bytes())
            plainly.write(admin / "HEAD", f"ref: {self._branch(name)}\n".encode())

    def editable(self, name: str) -> dict[str, bytes]:
        """The bytes of the editable files, read once.

        Raises Refused when one is missing, no regular file, or too large.
        """
        path = self._standing(name)
        return {p: plainly.read(path, p) for p in self.edit}

    def meddled(self, name: str, commit: str) -> list[str]:
        """Other tracked files that are not as in the commit: changed, deleted, or something else in their place."""
        path = self._standing(name)
        others = {p: entry for p, entry in self.hub.files(commit).items() if p not in self.edit}
        return [p for p, (mode, blob) in others.items() if not plainly.same(path, p, mode, blob)]

    def restore(self, name: str, commit: str, keep: Path) -> list[str]:
        """Put files that were meddled with back; what stood there is kept below `keep`. Editable files stay."""
        path = self._standing(name)
        meddled = self.meddled(name, commit)
        for p in meddled:
            plainly.put_aside(path, p, keep)
            plainly.restore(path, p, self.hub.files(commit)[p][0], self.hub.read(commit, p))
        return meddled

    def head(self, name: str) -> str | None:
        """The commit that the worktree's HEAD stands on: another one than was put there if the agent committed."""
        text = _line(self._admin(name) / "HEAD")
        if SHA.match(text):
            return self.hub.resolve(text)
        ref = text.removeprefix("ref: ")
        return self._ref(ref) if ref.startswith("refs/") and ".." not in ref else None

    def remove(self, name: str) -> None:
        """Delete the worktree's folder. The caller has made sure that nothing in it is lost."""
        for gone in (self.path(name), self._admin(name), self._index(name)):
            plainly.delete(gone)

    # --- inside -----------------------------------------------------------------------------------------------

    def _branch(self, name: str) -> str:
        return f"refs/heads/swarm/{name}"

    def _ref(self, ref: str) -> str | None:
        """The commit of a ref, without a process where its file says it."""
        loose = _line(self.hub.dir / ref)
        if SHA.match(loose):
            return self.hub.resolve(loose)
        return self.hub.resolve(ref) if (self.hub.dir / "packed-refs").exists() else None

    def _admin(self, name: str) -> Path:
        """Git's own folder of a linked worktree."""
        return self.hub.dir / "worktrees" / name

    def _index(self, name: str) -> Path:
        """Our own index of a worktree: the one that the agent's git uses may say anything."""
        return self.hub.hidden / "index" / name

    def _read_tree(self, name: str, path: Path, commit: str) -> None:
        index = self._index(name)
        index.parent.mkdir(exist_ok=True)
        lock = index.with_name(index.name + ".lock")
        lock.unlink(missing_ok=True)  # of a git that was killed: only we use it
        words = (f"--work-tree={path}", "read-tree", "--reset", "-u", commit)
        try:
            self.hub.git(*words, env={"GIT_INDEX_FILE": str(index)})
        except Failed:
            if not index.exists():
                raise
            lock.unlink(missing_ok=True)
            index.unlink()  # a broken index costs nothing: everything is written again
            self.hub.git(*words, env={"GIT_INDEX_FILE": str(index)})

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Adds in parallel fail now and then in git itself: one at a time."""
        with (self.hub.hidden / "worktrees.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _linked(self, name: str) -> bool:
        """Whether folder and git's side of it stand, whatever the agent wrote into its `.git`."""
        path, admin = self.path(name), self._admin(name)
        there = (
            path.is_dir() and not path.is_symlink() and (path / ".git").is_file() and not (path / ".git").is_symlink()
        )
        return (
            there
            and _line(path / ".git") == f"gitdir: {admin}"
            and (admin / "HEAD").is_file()
            and all(_line(admin / part) == text for part, text in self._parts(name).items())
        )

    def _move_branches(self, wanted: Mapping[str, str], unlinked: Collection[str]) -> None:
        """All at once. One from before, of a worktree that is gone, may hold the only trace of a commit: it is kept."""
        refs: dict[str, str | None] = {}
        for name, commit in wanted.items():
            old = self._ref(self._branch(name))
            if old and old != commit and name in unlinked:
                refs[f"refs/kept/{name}/{old[:12]}"] = old
            if old != commit:
                refs[self._branch(name)] = commit
        self.hub.set_refs(refs)

    def _link(self, name: str) -> None:
        """Folder and git's side of it, as `git worktree add --no-checkout` makes them, without a process for each."""
        path = self.path(name)
        folder = path.is_dir() and not path.is_symlink()
        filled = folder and any(p.name != ".git" or not p.is_file() for p in path.iterdir())
        if not (filled and self._index(name).exists()):  # else it is ours, and only the link is gone
            if filled or not folder:
                plainly.move_beside(path)
            plainly.delete(self._admin(name))
            path.mkdir(parents=True, exist_ok=True)
        self._tie(name)

    def _tie(self, name: str) -> None:
        """Make the link around what stands in the folder, where an agent may be at work. Its `.git` comes last."""
        path, admin = self.path(name), self._admin(name)
        admin.mkdir(parents=True, exist_ok=True)
        for part, text in self._parts(name).items():
            plainly.write(admin / part, f"{text}\n".encode())
        plainly.write(admin / "HEAD", f"ref: {self._branch(name)}\n".encode())
        if (path / ".git").is_dir():
            plainly.move_beside(path / ".git")  # a repository of the agent's own making
        plainly.write(path / ".git", f"gitdir: {admin}\n".encode())

    def _parts(self, name: str) -> dict[str, str]:
        """What makes git's folder of a worktree one."""
        return {"gitdir": f"{self.path(name)}/.git", "commondir": "../.."}

    def _standing(self, name: str) -> Path:
        """The worktree's folder, made anew when it is gone or something else stands in its place."""
        path = self.path(name)
        if path.is_symlink() or not path.is_dir():
            plainly.move_beside(path)
            path.mkdir(parents=True)
            if self._admin(name).is_dir():
                plainly.write(path / ".git", f"gitdir: {self._admin(name)}\n".encode())
        return path


def _line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip() if path.is_file() and path.stat().st_size < 4096 else ""
    except OSError:
        return ""
