"""The hub: the repository in `.swarm/.git` that holds every commit of a workspace. Plumbing only.

Nothing here reads a worktree's own `.git` file or its attributes: an agent may have written them.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from swarm.errors import SwarmError
from swarm.repo.call import Failed, run

SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?$")
LARGEST = 64 << 20  # bytes of a file of a task that is no repository


class Hub:
    """`hidden` is the `.swarm` folder: work tree of the hub, whose HEAD stays unborn."""

    def __init__(self, hidden: Path) -> None:
        self.hidden = hidden
        self.dir = hidden / ".git"
        self._trees: dict[str, str] = {}
        self._blobs: dict[tuple[str, str], bytes] = {}
        self._paths: dict[str, list[str]] = {}

    def git(self, *args: str, data: bytes | None = None, env: Mapping[str, str] | None = None, check: bool = True) -> bytes:
        return run([f"--git-dir={self.dir}", *args], self.hidden, data, env, check)

    def create(self) -> None:
        """Make the repository. Safe to call again."""
        if (self.dir / "HEAD").is_file() and (self.dir / "objects").is_dir():
            return
        self.hidden.mkdir(parents=True, exist_ok=True)
        run(["init", "-q", "--initial-branch=none", str(self.hidden)], self.hidden)
        attributes = self.dir / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* -text -filter diff -merge -ident -working-tree-encoding -export-ignore -export-subst\n")

    # --- taking a task in -------------------------------------------------------------------------------------

    def seed(self, source: str | Path, rev: str | None = None) -> tuple[str, str]:
        """Take one commit of the task: a URL, a repository (edits of tracked files included), or a plain folder.

        Returns the commit and a note for the person, perhaps empty. Raises SwarmError when there is nothing to take.
        """
        text = str(source)
        if "://" in text or text.startswith("git@"):
            return self._fetch(text, rev or "HEAD"), ""
        folder = Path(text).expanduser().resolve()
        top = run(["rev-parse", "--show-toplevel"], folder, check=False).decode().strip()
        if top and Path(top) == folder and run(["rev-parse", "-q", "--verify", "HEAD"], folder, check=False):
            return self._seed_clone(folder, rev)
        return self._seed_folder(folder)

    def _fetch(self, where: str, rev: str) -> str:
        try:
            self.git("fetch", "-q", "--no-tags", "--depth=1", "--end-of-options", where, rev)
        except Failed as error:
            raise SwarmError(f"cannot fetch {rev} of {where}: {error.message}", "Is the address right, and can it be reached?") from None
        return self.git("rev-parse", "FETCH_HEAD").decode().strip()

    def _seed_clone(self, folder: Path, rev: str | None) -> tuple[str, str]:
        commit = self.pull(folder, rev or "HEAD")
        if commit is None:
            raise SwarmError(f"{folder} has no commit {rev}.", "git log --oneline shows what there is.")
        if rev:
            return commit, ""
        dirty = run(["diff", "--name-only", "-z", "--no-ext-diff", "HEAD"], folder).decode().split("\0")
        dirty = [p for p in dirty if p]
        if not dirty:
            return commit, ""
        files = {p: (folder / p).read_bytes() for p in dirty if (folder / p).is_file()}
        made = self.commit(files, commit, "the task as it stands, with edits that are not committed")
        return made, f"your uncommitted edits of {', '.join(dirty[:5])} are part of the baseline"

    def _seed_folder(self, folder: Path) -> tuple[str, str]:
        """A folder that is no repository: its files, without hidden ones and what is too large."""
        files = {}
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") or part in ("__pycache__", "worktrees") for part in relative.parts)
            if path.is_file() and not path.is_symlink() and not hidden and path.stat().st_size <= LARGEST:
                files[str(relative)] = path.read_bytes()
        if not files:
            raise SwarmError(f"{folder} holds no files to work on.")
        return self.commit(files, None, "the task as given"), ""

    def pull(self, path: Path, rev: str) -> str | None:
        """Fetch a commit of the person's repository. None when it has no such commit."""
        commit = run(["rev-parse", "-q", "--verify", "--end-of-options", rev + "^{commit}"], path, check=False).decode().strip()
        if not SHA.match(commit):
            return None
        if not self._has(commit):
            self._bring(path, commit)
        return commit

    def _bring(self, path: Path, commit: str) -> None:
        """By fetching; from a repository that does not serve single commits, through a ref for a moment."""
        try:
            self.git(
                "-c", "uploadpack.allowAnySHA1InWant=true", "fetch", "-q", "--no-tags", "--update-shallow", str(path), commit,
                env={"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_0": "true"},
            )  # fmt: skip
        except Failed:
            pack = run(["pack-objects", "-q", "--stdout", "--revs", "--shallow"], path, data=commit.encode() + b"\n")
            self.git("index-pack", "--stdin", "--fix-thin", data=pack)

    def push(self, path: Path, commit: str, branch: str) -> None:
        """Put a commit into the person's repository as a new branch.

        Raises SwarmError when the branch is there already, or `path` is no repository.
        """
        if not run(["rev-parse", "--git-dir"], path, check=False):
            raise SwarmError(f"{path} is no git repository.", "git init there first, or use: swarm export FILE")
        if run(["rev-parse", "-q", "--verify", f"refs/heads/{branch}"], path, check=False):
            raise SwarmError(f"the branch {branch} is there already.", "Choose another name: --branch NAME")
        run(["fetch", "-q", "--no-tags", "--update-shallow", str(self.dir), f"{commit}:refs/heads/{branch}"], path,
            env={"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_0": "true"})  # fmt: skip

    # --- objects ----------------------------------------------------------------------------------------------

    def commit(self, files: Mapping[str, bytes], parent: str | None, message: str) -> str:
        """The parent's tree with these files put in, as a commit. The same input gives the same commit."""
        with tempfile.TemporaryDirectory(dir=self.hidden, prefix="index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if parent is not None:
                self.git("read-tree", parent, env=index)
            modes = self._modes(parent) if parent else {}
            lines = []
            for path, content in files.items():
                blob = self.git("hash-object", "-w", "--no-filters", "--stdin", data=content).decode().strip()
                lines.append(f"{modes.get(path, '100644')} {blob}\t{path}\0")
            self.git("update-index", "-z", "--add", "--index-info", data="".join(lines).encode(), env=index)
            tree = self.git("write-tree", env=index).decode().strip()
        when = {"GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z"}
        parents = ["-p", parent] if parent else []
        made = self.git("commit-tree", tree, *parents, data=message.encode(errors="replace"), env=when).decode().strip()
        self._trees[made] = tree
        return made

    def _modes(self, commit: str) -> dict[str, str]:
        rows = self.git("ls-tree", "-r", "-z", commit).decode(errors="surrogateescape").split("\0")
        return {row.split("\t", 1)[1]: row.split(" ", 1)[0] for row in rows if row}

    def tree(self, commit: str) -> str:
        """The tree's name: two commits with one tree hold the same files."""
        if commit not in self._trees:
            self._trees[commit] = self.git("rev-parse", f"{commit}^{{tree}}").decode().strip()
        return self._trees[commit]

    def read(self, commit: str, path: str) -> bytes:
        """The bytes of a file. Raises KeyError when the commit has none there."""
        if (commit, path) not in self._blobs:
            if path not in self.paths(commit):
                raise KeyError(path)
            if len(self._blobs) > 500:
                self._blobs.clear()
            self._blobs[commit, path] = self.git("cat-file", "blob", f"{commit}:{path}")
        return self._blobs[commit, path]

    def paths(self, commit: str) -> list[str]:
        """All files of a commit."""
        tree = self.tree(commit)
        if tree not in self._paths:
            if len(self._paths) > 500:
                self._paths.clear()
            out = self.git("ls-tree", "-r", "-z", "--name-only", tree).decode(errors="surrogateescape")
            self._paths[tree] = [p for p in out.split("\0") if p]
        return self._paths[tree]

    def diff(self, a: str, b: str) -> str:
        """The patch from a to b."""
        return self.git("diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-renames", a, b).decode(errors="replace")

    def lines(self, a: str, b: str) -> int:
        """Lines added minus lines removed."""
        rows = self.git("diff-tree", "-r", "--numstat", "--no-renames", a, b).decode(errors="replace").splitlines()
        return sum(int(r.split("\t")[0]) - int(r.split("\t")[1]) for r in rows if r and not r.startswith("-"))

    def resolve(self, text: str) -> str | None:
        """The full name of a commit that the hub has."""
        out = self.git("rev-parse", "-q", "--verify", "--end-of-options", text + "^{commit}", check=False).decode().strip()
        return out if SHA.match(out) else None

    def _has(self, commit: str) -> bool:
        return bool(self.git("rev-parse", "-q", "--verify", commit + "^{tree}", check=False))

    def export(self, commit: str, dest: Path) -> None:
        """Write a clean checkout of a commit, without git in it. `dest` is made anew."""
        shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(parents=True)
        data = self.git("archive", "--format=tar", commit)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(dest, filter="data")

    # --- refs -------------------------------------------------------------------------------------------------

    def set_refs(self, refs: Mapping[str, str | None]) -> None:
        """Move refs, all or none; None deletes."""
        if not refs:
            return
        lines = [f"update {name}\0{commit}\0\0" if commit else f"delete {name}\0\0" for name, commit in refs.items()]
        self.git("update-ref", "-z", "--stdin", data="".join(lines).encode())

    def refs(self) -> dict[str, str]:
        """All refs by full name."""
        out = self.git("for-each-ref", "--format=%(objectname) %(refname)").decode().splitlines()
        return {line.split(" ", 1)[1]: line.split(" ", 1)[0] for line in out}
