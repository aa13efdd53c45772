"""A hub whose git is played in memory: the same object names as git's, without a process per question.

Everything above the git command (Commits, Hub, Worktrees, replay of constants) is the product's own code. Only what it
asks git is answered here; `tests/bench` plays one campaign with both and compares the ledgers.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from swarm.repo import Failed, Hub
from swarm.repo.call import Answer
from swarm.repo.commits import MOMENT

WHO = "swarm <swarm@localhost>"


class PlayedHub(Hub):
    """Implements the few commands that a campaign needs. Raises Failed for any other: nothing is answered by guessing."""

    def __init__(self, hidden: Path) -> None:
        super().__init__(hidden)
        self.objects: dict[str, tuple[str, bytes]] = {}  # kind and bytes by name
        self.branches: dict[str, str] = {}

    def create(self) -> None:
        for name in ("objects", "refs"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)

    def git(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        answer = self.ask(*args, data=data, env=env)
        if answer.code:
            raise Failed(f"git {' '.join(args)}: {answer.error}")
        return answer.out

    def ask(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> Answer:
        options, words = [a for a in args if a.startswith("--")], [a for a in args if not a.startswith("-")]
        verbs: dict[str, Callable[..., bytes]] = {
            "mktree": self._mktree, "commit-tree": self._commit_tree, "ls-tree": self._ls_tree, "worktree": self._worktree,
            "rev-parse": self._rev_parse, "cat-file": self._cat_file, "diff-tree": self._diff_tree,
            "update-ref": self._update_ref, "for-each-ref": self._for_each_ref, "read-tree": self._read_tree,
        }  # fmt: skip
        verb = verbs.get(words[0])
        if verb is None:
            raise Failed(f"this git is played, and nobody taught it {words[0]}")
        try:
            return Answer(0, verb(words[1:], options, data or b"", dict(env or {})), "")
        except KeyError as error:
            return Answer(128, b"", f"no such object: {error}")

    # --- objects ----------------------------------------------------------------------------------------------

    def _keep(self, kind: str, data: bytes) -> str:
        name = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data, usedforsecurity=False).hexdigest()
        self.objects[name] = (kind, data)
        return name

    def _store(self, contents: list[bytes]) -> list[str]:
        return [self._keep("blob", content) for content in contents]

    def _mktree(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        rows = [row.split(b"\t") for row in data.split(b"\0") if row]
        facts = sorted((name, facts.split(b" ")) for facts, name in rows)
        assert all(kind == b"blob" for _, (_, kind, _) in facts), "the simulated task has no folders"
        packed = [mode + b" " + name + b"\0" + bytes.fromhex(blob.decode()) for name, (mode, _, blob) in facts]
        return self._keep("tree", b"".join(packed)).encode()

    def _commit_tree(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        tree, *parents = words
        text = [
            f"tree {tree}",
            *(f"parent {p}" for p in parents),
            f"author {WHO} {MOMENT}",
            f"committer {WHO} {MOMENT}",
        ]
        return self._keep("commit", "\n".join(text).encode() + b"\n\n" + data).encode()

    def _entries(self, tree: str) -> list[tuple[str, str, str]]:
        """Mode, name and blob of the entries of a tree."""
        data, at, rows = self.objects[tree][1], 0, []
        while at < len(data):
            nul = data.index(b"\0", at)
            mode, name = data[at:nul].decode().split(" ", 1)
            rows.append((mode, name, data[nul + 1 : nul + 21].hex()))
            at = nul + 21
        return rows

    def _ls_tree(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        return "".join(f"{mode} blob {blob}\t{name}\0" for mode, name, blob in self._entries(words[0])).encode()

    def _rev_parse(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        name, _, kind = words[0].partition("^")
        name = self.branches.get(name, name)
        commit = self.objects[name][1]
        return (commit[5:45] if kind == "{tree}" else name.encode()) + b"\n"

    def _cat_file(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        if "--batch" not in options:
            return self.objects[words[1]][1]
        found = [(name, *self.objects[name]) for name in data.decode().split()]
        return b"".join(f"{name} {kind} {len(text)}\n".encode() + text + b"\n" for name, kind, text in found)

    def _diff_tree(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        before, after = (self._entries(self.tree(commit)) for commit in words)
        out = []
        for (mode, name, old), (_, _, new) in zip(before, after, strict=True):
            if old != new:
                a, b = (self.objects[blob][1].decode().splitlines(keepends=True) for blob in (old, new))
                out += [f"diff --git a/{name} b/{name}\n", f"index {old}..{new} {mode}\n"]
                out += difflib.unified_diff(a, b, f"a/{name}", f"b/{name}")
        return "".join(out).encode()

    # --- refs and files ---------------------------------------------------------------------------------------

    def _update_ref(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        parts = data.decode().split("\0")
        for line, commit in zip(parts[0::3], parts[1::3], strict=False):
            verb, name = line.split(" ", 1)
            assert verb == "update", "no ref is deleted in a campaign"
            self.branches[name] = commit
        return b""

    def _for_each_ref(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        return "".join(f"{commit} {name}\n" for name, commit in sorted(self.branches.items())).encode()

    def _read_tree(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        place = Path(next(o for o in options if o.startswith("--work-tree=")).partition("=")[2])
        for _, name, blob in self._entries(self.tree(words[-1])):
            (place / name).write_bytes(self.objects[blob][1])
        Path(env["GIT_INDEX_FILE"]).write_bytes(b"played")
        return b""

    def _worktree(self, words: list[str], options: list[str], data: bytes, env: Mapping[str, str]) -> bytes:
        branch, place, commit = words[1:]
        path, admin = Path(place), self.dir / "worktrees" / Path(place).name
        for folder in (path, admin):
            folder.mkdir(parents=True, exist_ok=True)
        self.branches[f"refs/heads/{branch}"] = commit
        (path / ".git").write_text(f"gitdir: {admin}\n")
        for name, text in (("HEAD", f"ref: refs/heads/{branch}"), ("gitdir", f"{path}/.git"), ("commondir", "../..")):
            (admin / name).write_text(text + "\n")
        return b""
