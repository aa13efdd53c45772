"""Reading and writing below a folder whose content somebody else chose: no link is ever followed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from swarm.errors import Refused

LARGEST = 1 << 20  # bytes of an editable file
HUGE = 1 << 30  # bytes; no tracked file is larger, and nobody reads on
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
WHY = {
    errno.ENOENT: "is missing",
    errno.ELOOP: "is a link",
    errno.ENOTDIR: "is missing",
    errno.EACCES: "cannot be read",
}


def read(root: Path, name: str, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file below `root`.

    Raises Refused when it is missing, something else than a file, or larger than `largest` bytes.
    """
    try:
        fd = _open(root, name)
    except OSError as error:
        why = WHY.get(error.errno or 0, "is no regular file")
        raise Refused(f"{name} {why}.", f"Put a plain file {name} there, then submit.", 422) from None
    with os.fdopen(fd, "rb") as file:
        seen = os.fstat(fd)
        if not stat.S_ISREG(seen.st_mode):
            raise Refused(f"{name} is no regular file.", f"Put a plain file {name} there, then submit.", 422)
        data = file.read(largest + 1) if seen.st_size <= largest else b""
    if max(len(data), seen.st_size) > largest:
        raise Refused(f"{name} is larger than {largest >> 20} MB.", "Make it smaller, then submit.", 422)
    return data


def _open(root: Path, name: str) -> int:
    """A descriptor, reached folder by folder."""
    at = os.open(root, FLAGS | os.O_DIRECTORY)
    parts = Path(name).parts
    for number, part in enumerate(parts):
        try:
            inner = os.open(part, FLAGS | (os.O_DIRECTORY if number < len(parts) - 1 else 0), dir_fd=at)
        finally:
            os.close(at)
        at = inner
    if stat.S_ISDIR(os.fstat(at).st_mode):
        os.close(at)
        raise OSError(errno.EISDIR, "a folder")
    return at


def same(root: Path, name: str, mode: str, blob: str) -> bool:
    """Whether git's blob of that mode stands there, byte for byte. What a submodule holds is nobody's concern."""
    if mode == "160000":
        return True
    if in_the_way(root, name) is not None:
        return False
    path = root / name
    try:
        if mode == "120000":
            return digest(os.fsencode(os.readlink(path))) == blob
        return digest(read(root, name, HUGE)) == blob
    except (OSError, Refused):
        return False


def digest(data: bytes) -> str:
    """The name that git gives a blob of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def in_the_way(root: Path, name: str) -> Path | None:
    """The first thing on the way to `root/name` that stands where a folder should."""
    at = root
    for part in Path(name).parts[:-1]:
        at = at / part
        if at.is_symlink() or (at.exists() and not at.is_dir()):
            return at
    return None


def clear_parents(root: Path, names: Iterable[str]) -> None:
    """Delete links and files that stand where folders of these names should: git might follow them."""
    for folder in {os.path.dirname(n) for n in names} - {""}:
        found = in_the_way(root, f"{folder}/x")
        if found is not None:
            found.unlink()


def put_aside(root: Path, name: str, keep: Path) -> None:
    """Move what stands at `name`, or in the way to it, below `keep`. Of a link its target's name is kept."""
    found = in_the_way(root, name) or root / name
    if not os.path.lexists(found):
        return
    place = _free(keep / found.relative_to(root))
    place.parent.mkdir(parents=True, exist_ok=True)
    if found.is_symlink():
        place.write_bytes(b"a link to " + os.fsencode(os.readlink(found)) + b"\n")
        found.unlink()
    else:
        shutil.move(found, place)


def restore(root: Path, name: str, mode: str, data: bytes) -> None:
    """Write a file (or the link that git's mode says) where nothing stands any more."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "120000":
        os.symlink(os.fsdecode(data), path)
        return
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755 if mode == "100755" else 0o644)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def write(path: Path, data: bytes) -> None:
    """Put a file there in one step; what was there, a link too, is replaced and not followed."""
    with contextlib.suppress(OSError):
        seen = path.lstat()  # a pipe would keep its reader waiting for ever
        if stat.S_ISREG(seen.st_mode) and seen.st_size == len(data) and path.read_bytes() == data:
            return
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    delete(fresh)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    os.replace(fresh, path)


def delete(path: Path) -> None:
    """A file, a link or a whole folder; silent when there is none."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def move_beside(path: Path) -> None:
    """Somebody else's thing stands in a place we need: it is kept, under a name beside it."""
    if os.path.lexists(path):
        path.rename(_free(path.with_name(path.name + ".kept")))


def _free(path: Path) -> Path:
    """The path, or with a number where that is taken."""
    number, place = 1, path
    while os.path.lexists(place):
        number += 1
        place = path.with_name(f"{path.name}-{number}")
    return place
