"""What goes between the hub and the world outside: a task is taken in, a commit is handed out."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import SwarmError
from swarm.repo.call import Answer, Failed, ask, run

if TYPE_CHECKING:
    from swarm.repo.hub import Hub

SHA = re.compile(r"[0-9a-f]{40}\Z")
LARGEST = 64 << 20  # bytes of a file of a folder that is no repository
MOST = 1 << 30  # bytes of all of them
SKIPPED = {"__pycache__", "worktrees", "node_modules", "results.db"}
REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:")
PATIENT = (
    "-c",
    "http.lowSpeedLimit=1000",
    "-c",
    "http.lowSpeedTime=60",
    "-c",
    "gc.auto=0",
    "-c",
    "fetch.unpackLimit=1",
)
FETCH = ("fetch", "-q", "--no-tags", "--no-recurse-submodules")


@dataclass(frozen=True)
class _Place:
    """A folder in a person's repository. `prefix`: where it lies in it, empty for its top; else ends with a slash."""

    prefix: str
    bare: bool
    head: str


def seed(hub: Hub, source: str | Path, rev: str | None) -> tuple[str, str]:
    """See Hub.seed."""
    text = str(source)
    folder = Path(text).expanduser()
    if REMOTE.match(text) and not folder.exists():
        return _fetch(hub, text, rev or "HEAD"), ""
    if not folder.is_dir():
        raise SwarmError(
            f"the task's folder {folder} does not exist.", "Say where it is: a folder, a git clone or a URL."
        )
    place = _place(folder)
    if place is None or (place.prefix and not run(["ls-files", "-z", "--", "."], folder, theirs=True)):
        if rev:
            raise SwarmError(f"{folder} is no git repository: it has no {rev}.", "Leave the revision out.")
        return _seed_folder(hub, folder)
    commit = pull(hub, folder, rev or "HEAD")
    if commit is None:
        raise SwarmError(
            f"{folder} has no commit {rev or 'HEAD'}.", f"See what there is: git -C {folder} log --oneline"
        )
    return (commit, "") if rev or place.bare else _with_edits(hub, folder, commit)


def pull(hub: Hub, path: Path, rev: str) -> str | None:
    """See Hub.pull. Of a folder inside a repository the hub gets a commit of that folder alone."""
    place = _place(path) if path.is_dir() else None
    if place is None or not plain(rev):
        return None
    words = ("rev-parse", "-q", "--verify", "--end-of-options", rev + "^{commit}")
    commit = verified(ask(words, path, theirs=True))
    if commit is None:
        return None
    if hub.ask("rev-parse", "-q", "--verify", commit + "^{tree}").code:
        _bring(hub, path, commit)
    if not place.prefix:
        return commit
    inner = hub.ask("rev-parse", "-q", "--verify", f"{commit}:{place.prefix.rstrip('/')}")
    if inner.code:
        return None
    return hub.commit_tree(inner.out.decode().strip(), None, f"{place.prefix} of {commit}")


def push(hub: Hub, path: Path, commit: str, branch: str) -> None:
    """See Hub.push."""
    if ask(["rev-parse", "--git-dir"], path, theirs=True).code:
        raise SwarmError(
            f"{path} is no git repository.", "Make it one with git init, or take the files: swarm export WHAT"
        )
    name = f"refs/heads/{branch}"
    if branch.startswith("-") or ask(["check-ref-format", name], path, theirs=True).code:
        raise SwarmError(f"{branch!r} is no name for a branch.", "Choose another name: --branch NAME")
    if not ask(["rev-parse", "-q", "--verify", name], path, theirs=True).code:
        raise SwarmError(f"the branch {branch} is there already; it stays.", "Choose another name: --branch NAME")
    words = ("-c", "gc.auto=0", "-c", "protocol.version=2", *FETCH, "--no-write-fetch-head", "--update-shallow")
    run([*words, str(hub.dir), f"{commit}:{name}"], path, theirs=True)


def plain(text: str) -> bool:
    """Whether this can be the name of a revision at all: one line, no control characters."""
    return bool(text.strip()) and text.isprintable()


def verified(answer: Answer) -> str | None:
    """The commit that rev-parse named."""
    text = answer.out.decode(errors="replace").strip()
    return text if answer.code == 0 and SHA.match(text) else None


def _place(folder: Path) -> _Place | None:
    """Where the folder lies in a repository that has commits; None when in none."""
    words = ("--is-bare-repository", "--is-inside-work-tree", "--show-prefix", "HEAD^{commit}")
    answer = ask(["rev-parse", *words], folder, theirs=True)
    lines = answer.out.decode(errors="surrogateescape").split("\n")
    if answer.code or len(lines) < 4 or (lines[0], lines[1]) == ("false", "false"):
        return None
    return _Place(lines[2], lines[0] == "true", lines[3])


def _fetch(hub: Hub, where: str, rev: str) -> str:
    """One commit of a URL; where the other side does not serve what is named like this, all of it."""
    try:
        run([*_at(hub), *FETCH, "--depth=1", "--end-of-options", where, rev], hub.hidden, theirs=True)
        return hub.git("rev-parse", "FETCH_HEAD^{commit}").decode().strip()
    except Failed as first:
        every = ("+refs/heads/*:refs/source/heads/*", "+refs/tags/*:refs/source/tags/*")
        if not ask([*_at(hub), *FETCH, "--end-of-options", where, *every], hub.hidden, theirs=True).code:
            for name in (rev, f"refs/source/heads/{rev}", f"refs/source/tags/{rev}"):
                commit = hub.resolve(name)
                if commit:
                    return commit
            raise SwarmError(f"{where} has no commit {rev}.", "Name a branch, a tag or a commit of it.") from None
        last = first.message.strip().splitlines()[-1]
        raise SwarmError(
            f"cannot fetch {where}: {last}", "Is the address right, and can it be reached from here?"
        ) from None


def _at(hub: Hub) -> tuple[str, ...]:
    """The hub with the person's own configuration: proxies, credentials."""
    return (*PATIENT, "-c", "core.fsync=all", "-c", "core.hooksPath=/dev/null", f"--git-dir={hub.dir}")


def _bring(hub: Hub, path: Path, commit: str) -> None:
    """From a repository that does not serve single commits (an old one), as a pack by hand."""
    wanted = ("--no-write-fetch-head", "--update-shallow", "--", str(path.absolute()), commit)
    if hub.ask(*FETCH, *wanted).code:
        pack = run(["pack-objects", "-q", "--stdout", "--revs"], path, data=commit.encode() + b"\n", theirs=True)
        hub.git("index-pack", "--stdin", "--fix-thin", data=pack)


def _with_edits(hub: Hub, folder: Path, commit: str) -> tuple[str, str]:
    """The commit, with what the person changed since in tracked files."""
    words = ("--name-only", "-z", "--relative", "--no-ext-diff", "--no-renames", "--ignore-submodules=all", "HEAD")
    names = run(["diff", *words, "--", "."], folder, theirs=True).decode(errors="surrogateescape").split("\0")
    entries: dict[str, tuple[str, str] | None] = {}
    for name in filter(None, names):
        found = _entry(hub, folder, name)
        entries.update({name: None} if found is None else found)
    made = (
        hub.commit_entries(entries, commit, "the task as it stands, with edits that are not committed")
        if entries
        else commit
    )
    if hub.tree(made) == hub.tree(commit):
        return commit, ""
    told = ", ".join(list(entries)[:5]) + (f" and {len(entries) - 5} more" if len(entries) > 5 else "")
    return made, f"your uncommitted edits of {told} are part of the baseline"


def _entry(hub: Hub, folder: Path, name: str) -> dict[str, tuple[str, str]] | None:
    """What stands in the place of a tracked file; None when it was deleted."""
    path = folder / name
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(mode):
        return hub.store(name, os.fsencode(os.readlink(path)), "120000")
    return hub.store(name, path.read_bytes(), "100755" if mode & 0o100 else "100644") if stat.S_ISREG(mode) else None


def _seed_folder(hub: Hub, folder: Path) -> tuple[str, str]:
    """A folder that is no repository: its files, without hidden ones and what is too large."""
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    total = 0
    for parent, folders, names in os.walk(folder):
        if "pyvenv.cfg" in names:
            folders[:] = []
            continue
        folders[:] = sorted(d for d in folders if not d.startswith(".") and d not in SKIPPED)
        for name in sorted(n for n in names if not n.startswith(".") and n not in SKIPPED):
            path = Path(parent) / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                left_out.append(str(path.relative_to(folder)))
                continue
            total += path.stat().st_size
            if total > MOST:
                raise SwarmError(
                    f"{folder} holds more than {MOST >> 30} GB of files.", "Keep code and data in two folders."
                )
            files[str(path.relative_to(folder))] = path.read_bytes()
    if not files:
        raise SwarmError(
            f"{folder} holds no files to work on.", "Say where the task is: a folder, a git clone or a URL."
        )
    note = (
        f"left out of the task (links, or larger than {LARGEST >> 20} MB): {', '.join(left_out[:5])}"
        if left_out
        else ""
    )
    return hub.commit(files, None, "the task as given"), note
