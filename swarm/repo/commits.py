"""Commits, trees and blobs of the hub by plumbing: no index, no work tree, and nothing an agent wrote is believed."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from swarm.repo.call import Answer, ask, run

K = TypeVar("K")
V = TypeVar("V")
FILES = ("100644", "100755")
KEPT = 200  # answers of git kept of each kind
LISTINGS = 40  # the same, of listings that may be long
MOMENT = "946684800 +0000"  # 2000: the same bytes every time
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # `git log` prints what it finds
WHEN = {"GIT_AUTHOR_DATE": MOMENT, "GIT_COMMITTER_DATE": MOMENT}


class Commits:
    """The objects of the repository `hidden`/.git."""

    def __init__(self, hidden: Path) -> None:
        self.hidden = hidden.absolute()
        self.dir = self.hidden / ".git"
        self._trees: dict[str, str] = {}
        self._blobs: dict[str, bytes] = {}
        self._rows: dict[str, dict[str, tuple[str, str]]] = {}
        self._files: dict[str, dict[str, tuple[str, str]]] = {}
        self._diffs: dict[tuple[str, str], str] = {}
        self._made: dict[tuple[str | None, str, bytes], str] = {}

    def ask(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> Answer:
        """Run git on the hub, whatever comes of it."""
        return ask([f"--git-dir={self.dir}", *args], self.hidden, data, env)

    def git(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """The output of git on the hub. Raises Failed."""
        return run([f"--git-dir={self.dir}", *args], self.hidden, data, env)

    # --- making -----------------------------------------------------------------------------------------------

    def commit(self, files: Mapping[str, bytes], parent: str | None, message: str) -> str:
        """The parent's tree with these files put in, as a commit. The same input gives the same commit."""
        # a change is made into a commit when it is submitted and again when it is bound: mostly onto the same parent
        given = (parent, message, hashlib.sha256(repr(sorted(files.items())).encode()).digest())
        if given not in self._made:
            keep(self._made, given, self._commit(files, parent, message))
        return self._made[given]

    def _commit(self, files: Mapping[str, bytes], parent: str | None, message: str) -> str:
        there = self.files(parent) if parent else {}
        blobs = self._store(list(files.values()))
        modes = [there.get(path, FILES)[0] for path in files]  # never a link: its target would be the agent's to choose
        put = {p: (m if m in FILES else FILES[0], b) for p, m, b in zip(files, modes, blobs, strict=True)}
        for blob, content in zip(blobs, files.values(), strict=True):
            keep(self._blobs, blob, content)
        return self.commit_entries(put, parent, message)

    def commit_entries(self, entries: Mapping[str, tuple[str, str] | None], parent: str | None, message: str) -> str:
        """As `commit`, of (mode, blob) by path; None takes the file away."""
        before = self.tree(parent) if parent else None
        tree = self._with(before, entries) or self.git("mktree", data=b"").decode().strip()
        known = self._files.get(before or "", {})
        if tree not in self._files and all(path in known and entry for path, entry in entries.items()):
            keep(self._files, tree, {**known, **{p: e for p, e in entries.items() if e}}, LISTINGS)
        return self.commit_tree(tree, parent, message)

    def commit_tree(self, tree: str, parent: str | None, message: str) -> str:
        """A commit of a tree that is there."""
        text = CONTROL.sub("", message).encode(errors="replace")
        made = self.git("commit-tree", tree, *(("-p", parent) if parent else ()), data=text, env=WHEN).decode().strip()
        self._trees[made] = tree
        return made

    def _store(self, contents: list[bytes]) -> list[str]:
        """Blobs of these bytes, all by one process."""
        if not contents:
            return []
        with tempfile.TemporaryDirectory(dir=self.hidden, prefix="blobs-") as folder:
            names = [f"{Path(folder).name}/{number}" for number in range(len(contents))]
            for name, content in zip(names, contents, strict=True):
                (self.hidden / name).write_bytes(content)
            out = self.git("hash-object", "-w", "--no-filters", "--stdin-paths", data="\n".join(names).encode())
        return out.decode().split()

    def store(self, path: str, content: bytes, mode: str) -> dict[str, tuple[str, str]]:
        """One blob as an entry for `commit_entries`."""
        return {path: (mode, self._store([content])[0])}

    def _with(self, tree: str | None, entries: Mapping[str, tuple[str, str] | None]) -> str | None:
        """The tree with these entries changed; None when nothing is left of it."""
        rows = dict(self._list(tree)) if tree else {}
        below: dict[str, dict[str, tuple[str, str] | None]] = {}
        for path, entry in entries.items():
            first, _, rest = path.partition("/")
            if rest:
                below.setdefault(first, {})[rest] = entry
            elif entry is None:
                rows.pop(first, None)
            else:
                rows[first] = entry
        for name, inner in below.items():
            mode, there = rows.get(name, ("", ""))
            made = self._with(there if mode == "040000" else None, inner)
            rows.pop(name, None)
            if made:
                rows[name] = ("040000", made)
        if not rows:
            return None
        lines = [f"{m} {_type(m)} {o}\t{name}\0" for name, (m, o) in rows.items()]
        return self.git("mktree", "-z", data="".join(lines).encode(errors="surrogateescape")).decode().strip()

    # --- reading ----------------------------------------------------------------------------------------------

    def _list(self, tree: str) -> dict[str, tuple[str, str]]:
        """(mode, object) by name of one tree."""
        if tree not in self._rows:
            keep(self._rows, tree, _rows(self.git("ls-tree", "-z", tree)))
        return self._rows[tree]

    def files(self, commit: str) -> dict[str, tuple[str, str]]:
        """(mode, blob) by path of all files of a commit."""
        tree = self.tree(commit)
        if tree not in self._files:
            keep(self._files, tree, _rows(self.git("ls-tree", "-r", "-z", tree)), LISTINGS)
        return self._files[tree]

    def paths(self, commit: str) -> list[str]:
        """All files of a commit."""
        return list(self.files(commit))

    def tree(self, commit: str) -> str:
        """The tree's name: two commits with one tree hold the same files."""
        if commit not in self._trees:
            self._trees[commit] = (
                self.git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").decode().strip()
            )
        return self._trees[commit]

    def read(self, commit: str, path: str) -> bytes:
        """The bytes of a file. Raises KeyError when the commit has none there."""
        blob = self.files(commit)[path][1]
        if blob not in self._blobs:
            keep(self._blobs, blob, self.git("cat-file", "blob", blob))
        return self._blobs[blob]


def _rows(listing: bytes) -> dict[str, tuple[str, str]]:
    """Lines of ls-tree: mode, type, object, tab, name."""
    found = {}
    for row in listing.decode(errors="surrogateescape").split("\0"):
        if row:
            facts, _, name = row.partition("\t")
            mode, _, name_of = facts.split(" ")
            found[name] = (mode, name_of)
    return found


def _type(mode: str) -> str:
    return {"040000": "tree", "160000": "commit"}.get(mode, "blob")


def keep(known: dict[K, V], key: K, value: V, most: int = KEPT) -> None:
    """Remember an answer; with `most` of them, forget all and begin again."""
    if len(known) >= most:
        known.clear()
    known[key] = value
