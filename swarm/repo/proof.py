"""Whether a commit's objects are what their names say. Git does not look at that when it reads, and their files are in
the agents' reach: what is measured has to be what is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from swarm.repo.call import Failed

if TYPE_CHECKING:
    from swarm.repo.commits import Commits


class Damaged(Failed):
    """An object is gone, or holds something else than its name says."""


def verify(hub: Commits, commit: str) -> None:
    """Read the commit, its trees and its files, a process for each level. Raises Damaged, or Failed when it cannot be said."""
    todo = [commit]
    while todo:
        answer = hub.ask("cat-file", "--batch", data="\n".join(todo).encode() + b"\n")
        if answer.code < 0:  # killed by a signal: that says nothing about the commit
            raise Failed(f"git cat-file was ended by signal {-answer.code}.")
        if answer.code:
            raise Damaged(f"{commit} cannot be read any more: {answer.error[-300:]}")
        todo = list(dict.fromkeys(_walk(answer.out, todo)))


def _walk(out: bytes, asked: list[str]) -> Iterator[str]:
    """What the objects in the output of `cat-file --batch` name in turn."""
    at = 0
    for name in asked:
        end = out.find(b"\n", at)
        words = out[at:end].split(b" ") if end >= 0 else []
        if len(words) != 3 or not words[2].isdigit():
            raise Damaged(f"the object {name} is gone.")
        kind, size = words[1], int(words[2])
        data = out[end + 1 : end + 1 + size]
        at = end + 2 + size
        if hashlib.sha1(b"%s %d\0" % (kind, size) + data, usedforsecurity=False).hexdigest() != name:
            raise Damaged(f"the object {name} is not what it was.")
        if kind == b"commit":
            yield data[5:45].decode()
        elif kind == b"tree":
            yield from _entries(data)


def _entries(tree: bytes) -> Iterator[str]:
    """The objects of a tree: mode, blank, name, NUL, twenty bytes. What a submodule names is not here."""
    at = 0
    while at < len(tree):
        nul = tree.index(b"\0", at)
        if not tree.startswith(b"160000 ", at):
            yield tree[nul + 1 : nul + 21].hex()
        at = nul + 21
