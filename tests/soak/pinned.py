"""The hub: every ref where the ledger says, no other, and every object behind them as its name says."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

FREE = ("refs/kept/",)  # what stood under an agent's name before: kept aside, not said in the ledger


class Hub:
    """A bare look at a repository by git itself, without its configuration's or the caller's say in it."""

    def __init__(self, folder: Path) -> None:
        self._argv = ["git", f"--git-dir={folder}", "-c", "safe.directory=*", "-c", "core.commitGraph=false"]
        self._argv += ["-c", "advice.graftFileDeprecated=false"]
        strange = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        self._env = {
            **strange, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_GRAFT_FILE": "/dev/null", "GIT_OPTIONAL_LOCKS": "0",
        }  # fmt: skip

    def ask(self, *args: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self._argv, *args], input=data, capture_output=True, env=self._env)

    def files(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The bytes of files by commit and path; without those that cannot be read."""
        out = self.ask("cat-file", "--batch", data="".join(f"{c}:{p}\n" for c, p in names).encode()).stdout
        return {name: content for name, (_, _, content) in zip(names, batch(out), strict=False) if content is not None}

    def refs(self) -> dict[str, str]:
        lines = self.ask("for-each-ref", "--format=%(objectname) %(refname)").stdout.decode().splitlines()
        return {name: commit for commit, name in (line.split(" ", 1) for line in lines)}

    def damage(self, commits: Iterable[str]) -> Iterator[str]:
        """What cannot be read below these commits: each object is read, and its content must give its name."""
        listed = self.ask("rev-list", "--objects", "--no-object-names", "--stdin", data="\n".join(commits).encode())
        if listed.returncode:
            yield f"a pinned commit cannot be read whole: {listed.stderr.decode(errors='replace').strip()[-300:]}"
            return
        names = listed.stdout.decode().split()
        out = self.ask("cat-file", "--batch", data=listed.stdout).stdout
        for name, (said, kind, content) in zip(names, batch(out), strict=True):
            if content is None:
                yield f"object {name} cannot be read"
            elif said != name or hashlib.sha1(b"%b %d\0%b" % (kind, len(content), content)).hexdigest() != name:
                yield f"object {name} is not what its name says"


def batch(out: bytes) -> Iterator[tuple[str, bytes, bytes | None]]:
    """Name, kind and content of each object that `cat-file --batch` was asked for; content None where there is none."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        name, kind, size = (
            out[at:end].rsplit(b" ", 2) if not out[at:end].endswith(b" missing") else (out[at:end], b"", b"")
        )
        at = end + 1
        if not size:
            yield name.decode(), kind, None
            continue
        yield name.decode(), kind, out[at : at + int(size)]
        at += int(size) + 1


def pinned(db: sqlite3.Connection, hub: Hub, faults: bool) -> Iterator[str]:
    """`faults`: a fault may have cut the writing of a worktree; only then its branch may be unsaid after the end."""
    said = dict(db.execute('SELECT name, "commit" FROM refs').fetchall())
    there = hub.refs()
    for name, commit in said.items():
        if name not in there:
            yield f"{name} is not in the hub; the ledger has it at {commit[:12]}"
        elif there[name] != commit:
            yield f"{name} is at {there[name][:12]} in the hub and at {commit[:12]} in the ledger"
    stopped = {f"refs/heads/swarm/{n}" for (n,) in db.execute("SELECT name FROM agents WHERE state='stopped'")}
    for name in there.keys() - said.keys():
        if not name.startswith(FREE) and not (faults and name in stopped):
            yield f"{name} is in the hub and the ledger does not know it"
    yield from named(db, said)
    yield from best(db, said)
    yield from hub.damage(sorted({*said.values(), *there.values()}))


def named(db: sqlite3.Connection, said: dict[str, str]) -> Iterator[str]:
    """Every commit that an experiment of ours names is pinned under its name."""
    listing = "SELECT id, origin, submitted, \"commit\" FROM experiments WHERE origin != 'imported'"
    for ident, origin, submitted, commit in db.execute(listing):
        handed_in, measured = said.get(f"refs/submitted/{ident}"), said.get(f"refs/experiments/{ident}")
        if origin in ("submit", "try", "promote") and (submitted is None or handed_in != submitted):
            yield f"the commit submitted as {ident} is not pinned"
        if commit is not None and commit not in (measured, handed_in):
            yield f"the commit measured as {ident} is not pinned"
        if measured is not None and measured != commit:
            yield f"refs/experiments/{ident} pins another commit than the experiment names"


def best(db: sqlite3.Connection, said: dict[str, str]) -> Iterator[str]:
    """The ref `best` is the commit of the campaign's best."""
    row = db.execute(
        'SELECT c.best, e."commit" FROM campaigns c LEFT JOIN experiments e ON e.id=c.best ORDER BY c.id DESC LIMIT 1'
    ).fetchone()
    if row is None:
        yield "there is no campaign in the ledger"
    elif row[1] is None or said.get("refs/heads/best") != row[1]:
        yield f"refs/heads/best is not the commit of best ({row[0]})"
