"""The hub: the repository in `.swarm/.git` that holds every commit of a workspace. Plumbing only.

Nothing here reads a worktree's own `.git` file or its attributes: an agent may have written them.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from swarm.repo import intake, plainly, proof
from swarm.repo.call import Answer, Failed, run
from swarm.repo.commits import Commits, keep

HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", re.M)
STALE = 2.0  # seconds after which a ref's lock is one that a killed git left behind
TEMPORARY = re.compile(r"(blobs|index|merge)-[a-z0-9_]{8}")  # folders that are needed for one command of git
SWEPT = 60.0  # seconds; a command of git takes less, and one of a killed coordinator may still be at work
# bytes are committed and restored exactly, whatever a .gitattributes says; everything is text to a diff
ATTRIBUTES = "* -text -filter diff merge -ident -working-tree-encoding -export-ignore -export-subst\n"
# for git commands that agents run themselves: nothing is ever collected, also by `gc --prune=now`, and a commit of
# theirs works. It is in every worktree's reach, hence put right before each command of ours.
SETTINGS = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogAllRefUpdates = false
\tfsync = all
\tautocrlf = false
\thooksPath = /dev/null
[extensions]
\tpreciousObjects = true
[gc]
\tauto = 0
\tpruneExpire = never
[maintenance]
\tauto = false
[user]
\tname = swarm
\temail = swarm@localhost
[commit]
\tgpgSign = false
"""


class Hub(Commits):
    """`hidden` is the `.swarm` folder: work tree of the hub, whose HEAD stays unborn."""

    def create(self) -> None:
        """Make the repository, or put its configuration right. Safe to call again, also after a crash in the middle."""
        if not ((self.dir / "HEAD").is_file() and (self.dir / "objects").is_dir() and (self.dir / "refs").is_dir()):
            self.hidden.mkdir(parents=True, exist_ok=True)
            words = ("--template=", "--object-format=sha1", "--initial-branch=none")
            run(["init", "-q", *words, str(self.hidden)], self.hidden)
        self._settle()

    def ask(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> Answer:
        """Run git on the hub, whatever comes of it."""
        self._settle()
        return super().ask(*args, data=data, env=env)

    def git(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """The output of git on the hub. Raises Failed."""
        self._settle()
        return super().git(*args, data=data, env=env)

    def _settle(self) -> None:
        """Make configuration and attributes say what they should: any `git config` in a worktree writes the hub's."""
        if self.dir.is_dir():
            (self.dir / "info").mkdir(exist_ok=True)
            plainly.write(self.dir / "config", SETTINGS.encode())
            plainly.write(self.dir / "info" / "attributes", ATTRIBUTES.encode())

    # --- from and to the person's repository ------------------------------------------------------------------

    def seed(self, source: str | Path, rev: str | None = None) -> tuple[str, str]:
        """Take one commit of the task: a URL, a repository (edits of tracked files included), or a plain folder.

        Returns the commit and a note for the person, perhaps empty. Raises SwarmError when there is nothing to take.
        """
        return intake.seed(self, source, rev)

    def pull(self, path: Path, rev: str) -> str | None:
        """Take a commit of the person's repository, with `path` as its root. None when it has no such commit."""
        return intake.pull(self, path, rev)

    def push(self, path: Path, commit: str, branch: str) -> None:
        """Put a commit into the person's repository as a new branch.

        Raises SwarmError when the branch is there already, or `path` is no repository.
        """
        intake.push(self, path, commit, branch)

    # --- what it holds ----------------------------------------------------------------------------------------

    def diff(self, a: str, b: str) -> str:
        """The patch from a to b."""
        if (a, b) not in self._diffs:
            out = self.git(
                "diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index", a, b
            )
            keep(self._diffs, (a, b), out.decode(errors="replace"), 20)
        return self._diffs[a, b]

    def lines(self, a: str, b: str) -> int:
        """Lines added minus lines removed."""
        return sum(int(new or 1) - int(old or 1) for old, new in HUNK.findall(self.diff(a, b)))

    def resolve(self, text: str) -> str | None:
        """The full name of a commit that the hub has."""
        if text in self._trees:
            return text
        if not intake.plain(text):
            return None
        return intake.verified(self.ask("rev-parse", "-q", "--verify", "--end-of-options", text + "^{commit}"))

    def export(self, commit: str, dest: Path) -> None:
        """Write a clean checkout of a commit, without git in it. `dest` is made anew.

        Raises Damaged when an object of the commit is gone or was written over.
        """
        proof.verify(self, commit)
        shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=self.hidden, prefix="index-") as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.git(f"--work-tree={dest.absolute()}", "read-tree", "--reset", "-u", commit, env=index)

    def sweep(self, age: float = SWEPT) -> None:
        """Remove the copies that a killed process left behind: of ours by their names, and older than `age` seconds."""
        for path in self.hidden.iterdir():
            if not TEMPORARY.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
                continue
            with contextlib.suppress(FileNotFoundError):  # another one sweeps
                if abs(time.time() - path.lstat().st_mtime) > age:
                    shutil.rmtree(path, ignore_errors=True)

    # --- refs -------------------------------------------------------------------------------------------------

    def set_refs(self, refs: Mapping[str, str | None]) -> None:
        """Move refs, all or none; None deletes. Names are full: refs/…

        Raises Failed. Nobody but us moves refs for longer than a moment: a lock that stays was left by a killed git.
        """
        if not refs:
            return
        lines = [f"update {name}\0{commit}\0\0" if commit else f"delete {name}\0\0" for name, commit in refs.items()]
        end = time.monotonic() + 3 * STALE
        while True:
            answer = self.ask("update-ref", "-z", "--stdin", data="".join(lines).encode())
            lock = re.search(r"Unable to create '(.+\.lock)': File exists", answer.error)
            if not answer.code:
                return
            if lock is None or time.monotonic() > end:
                raise Failed(f"git update-ref failed: {answer.error[-1000:]}")
            _break(Path(lock[1]))

    def refs(self) -> dict[str, str]:
        """All refs by full name."""
        out = self.git("for-each-ref", "--format=%(objectname) %(refname)").decode().splitlines()
        return {line.split(" ", 1)[1]: line.split(" ", 1)[0] for line in out}


def _break(lock: Path) -> None:
    """Remove a lock that is old enough to be nobody's, or wait a moment."""
    try:
        if abs(time.time() - lock.stat().st_mtime) > STALE:  # of the future: the clock was set back since
            lock.unlink()
        else:
            time.sleep(0.05)
    except FileNotFoundError:
        pass
