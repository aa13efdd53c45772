"""What a repository of somebody else's says was tried in it: the commits of a branch that changed the training script.

No git is ever run in that repository and none of its configuration is read: a repository of ours, made for the moment,
borrows its objects (`objects/info/alternates`), and its refs are read as the plain files they are.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import Refused, SwarmError
from swarm.repo import plainly
from swarm.repo.call import Answer, ask, run

MOST = 10_000  # commits
AT_ONCE = 50  # of them in one git process: what it prints is held in memory
PATCH = 100_000  # characters kept of a patch
LARGE = 262_144  # bytes; a file beyond that is no text to a diff
TABLE = 16 << 20  # bytes of a results.tsv
BORROWED = 5  # repositories deep, as git itself follows them
SHA = re.compile(r"[0-9a-f]{40}")
NAME = re.compile(r"[A-Za-z0-9][\w./+@-]{0,200}")


@dataclass(frozen=True)
class Step:
    """A commit that changed the files asked for; `at`: seconds since 1970, as the commit says."""

    commit: str
    at: float
    subject: str
    patch: str


class Borrowed:
    """The objects of the repository at `path`, read through a bare repository of ours in `folder`."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.root = path
        self.git_dir, self.common = _places(path)
        self.dir = folder
        run(["init", "-q", "--bare", "--template=", "--object-format=sha1", str(folder)], folder)
        stores = list(_stores(self.common / "objects"))
        if not stores:
            raise SwarmError(f"{path} is no git repository.", "swarm import results.tsv, or a folder with .git in it")
        (folder / "objects" / "info").mkdir(exist_ok=True)
        (folder / "objects" / "info" / "alternates").write_text(f"{stores[0]}\n")
        shallow = _text(self.common, "shallow") or ""
        if shallow and all(SHA.fullmatch(line) for line in shallow.split()):
            (folder / "shallow").write_text("".join(f"{line}\n" for line in shallow.split()))

    def ask(self, *args: str, data: bytes | None = None) -> Answer:
        return ask([f"--git-dir={self.dir}", "-c", f"core.bigFileThreshold={LARGE}", *args], self.dir, data)

    def told(self, *args: str, data: bytes | None = None) -> str:
        """The output of git. Raises SwarmError with its own words."""
        answer = self.ask(*args, data=data)
        if answer.code:
            raise SwarmError(
                f"the history of {self.root} cannot be read: {answer.error[-300:] or answer.code}", "Look: git fsck"
            )
        return answer.out.decode(errors="replace")

    # --- refs, as files ---------------------------------------------------------------------------------------

    def tip(self, branch: str | None) -> tuple[str, str]:
        """The name of the branch (None: the one that is checked out) and its commit. Raises SwarmError."""
        if branch is None:
            head = (_text(self.git_dir, "HEAD") or "").strip()
            if SHA.fullmatch(head):
                return head[:7], head
            branch = head.removeprefix("ref: refs/heads/")
        known = self.branches()
        if branch not in known:
            some = ", ".join(sorted(known)[:12]) or "none"
            raise SwarmError(f"{self.root} has no branch {branch[:100]!r}.", f"There are: {some}")
        return branch, known[branch]

    def branches(self) -> dict[str, str]:
        """Every branch and its commit; the loose ones win."""
        found = {}
        for line in (_text(self.common, "packed-refs") or "").splitlines():
            commit, _, name = line.partition(" ")
            if SHA.fullmatch(commit) and name.startswith("refs/heads/"):
                found[name.removeprefix("refs/heads/")] = commit
        heads = self.common / "refs" / "heads"
        for folder, _, names in os.walk(heads):
            for name in names[:MOST]:
                place = os.path.relpath(os.path.join(folder, name), heads)
                commit = (_text(self.common, f"refs/heads/{place}") or "").strip()
                if SHA.fullmatch(commit):
                    found[place] = commit
        return {name: commit for name, commit in found.items() if NAME.fullmatch(name)}

    # --- commits ----------------------------------------------------------------------------------------------

    def along(self, tip: str, files: Sequence[str]) -> list[str]:
        """The commits up to `tip` that changed one of the files, oldest first; one more than MOST at most."""
        words = ("rev-list", "--first-parent", f"--max-count={MOST + 1}", tip, "--", *files)
        return self.told(*words).split()[::-1]

    def resolved(self, short: Collection[str]) -> dict[str, str]:
        """The full names of the commits that are still there, by what the table calls them."""
        asked = [name for name in short if re.fullmatch(r"[0-9a-f]{4,40}", name)]
        out = self.told("cat-file", "--batch-check", data="".join(f"{name}^{{commit}}\n" for name in asked).encode())
        rows = [line.split(" ") for line in out.splitlines()]
        if len(rows) != len(asked):
            return {}
        return {name: row[0] for name, row in zip(asked, rows, strict=True) if row[1:2] == ["commit"]}

    def steps(self, commits: Sequence[str], files: Sequence[str]) -> Iterator[Step]:
        """Each commit with what it changed of the files against its first parent."""
        token = secrets.token_hex(16)
        words = (
            "diff-tree", "--stdin", "--always", "--root", "-r", "-p", "--diff-merges=first-parent", "--no-ext-diff",
            "--no-textconv", "--no-renames", f"--format={token} %H %ct %<(500,trunc)%s", "--", *files,
        )  # fmt: skip
        for first in range(0, len(commits), AT_ONCE):
            some = commits[first : first + AT_ONCE]
            for part in self.told(*words, data="".join(f"{c}\n" for c in some).encode()).split(f"{token} ")[1:]:
                head, _, patch = part.partition("\n")
                commit, at, subject = [*head.split(" ", 2), "", ""][:3]
                when = float(at) if at.isdecimal() and len(at) < 12 else 0.0
                yield Step(commit, when, subject.strip(), patch.strip("\n")[:PATCH])

    def table(self, tip: str) -> str | None:
        """The text of the results.tsv that lies in the folder, else of the one that is tracked."""
        beside = None if self.root == self.git_dir else _text(self.root, "results.tsv", TABLE)
        if beside is not None:
            return beside
        size = self.ask("cat-file", "-s", f"{tip}:results.tsv").out.strip()
        if not size.isdigit() or int(size) > TABLE:
            return None
        return self.told("cat-file", "blob", f"{tip}:results.tsv")


@contextmanager
def opened(path: Path, scratch: Path) -> Iterator[Borrowed]:
    """The repository at `path`; `scratch` is where ours is made for the moment. Raises SwarmError when it is none."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="index-") as folder:  # swept, should we be killed
        yield Borrowed(path.absolute(), Path(folder))


def _places(path: Path) -> tuple[Path, Path]:
    """The git directory of a work tree, a linked one or a bare repository, and the one that holds refs and objects."""
    inner = path / ".git"
    link = None if inner.is_dir() else _text(path, ".git")
    if link is not None and link.startswith("gitdir: "):
        inner = Path(os.path.join(path, link.removeprefix("gitdir: ").strip()))
    elif link is None and not inner.is_dir():
        inner = path
    common = _text(inner, "commondir")
    return inner, Path(os.path.join(inner, common.strip())) if common else inner


def _stores(objects: Path, deep: int = 0) -> Iterator[Path]:
    """The folder of objects and those that it borrows from. Raises SwarmError where git would wait for ever: a pipe."""
    if not objects.is_dir() or deep > BORROWED:
        return
    for folder, names, files in os.walk(objects):
        odd = [name for name in files if not _plain(os.path.join(folder, name))]
        if odd:
            raise SwarmError(f"{os.path.join(folder, odd[0])} is no plain file.", "Is that a git repository? git fsck")
        names[:] = [name for name in names if len(name) == 2 or name in ("pack", "info", "commit-graphs")]
    yield objects.resolve()
    for line in (_text(objects, "info/alternates") or "").splitlines()[:20]:
        if line and not line.startswith("#"):
            yield from _stores(Path(os.path.join(objects, line)), deep + 1)


def _plain(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _text(root: Path, name: str, largest: int = 4 << 20) -> str | None:
    """A plain file below `root`; None where there is none, or something else stands there."""
    try:
        return plainly.read(root, name, largest).decode(errors="replace")
    except (OSError, Refused):
        return None
