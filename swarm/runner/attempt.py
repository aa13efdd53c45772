"""One attempt from its spec to its `result.json`."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from swarm.runner import curve, literal, place, sandbox
from swarm.runner.outcome import Ending, conclude
from swarm.runner.output import Log
from swarm.runner.spec import RunResult, RunSpec
from swarm.runner.tree import Tree

T = TypeVar("T")
TRIES = 60  # to begin, and to write the result, a second apart: a full disk may be freed, and the run was dear
KEPT = 1 << 16  # bytes of the log that stay when it makes room


def main(argv: list[str]) -> int:
    """Run the attempt of a spec file and write its result. Exit 0 when the result was written."""
    tree = Tree()  # first of all: a SIGTERM that comes now is already a cancellation
    path, fds = arguments(argv)
    for fd in fds:
        os.set_inheritable(fd, False)
    spec = RunSpec.read(path)
    folder = Path(spec.folder)
    patiently(tree, lambda: (folder / "pid").write_text(str(os.getpid())))
    log = patiently(tree, lambda: Log(folder / "log.txt", spec.head, spec.tail, curve.Curve(folder / curve.FILE)))
    try:
        result = attempt(spec, tree, log)
    except Exception as error:  # ours or the machine's fault, not the experiment's: it is to be repeated
        result = RunResult(spec.run, spec.attempt, "lost", f"runner: {type(error).__name__}: {error}")
    finally:
        tree.end()
        log.close()
    return save(folder, result)


def arguments(argv: list[str]) -> tuple[Path, list[int]]:
    """The spec file and the descriptors of the locks."""
    if len(argv) not in (1, 3) or (len(argv) == 3 and argv[1] != "--fds"):
        raise SystemExit("usage: run.py SPEC.json [--fds 5,6]")
    fds = [int(n) for n in argv[2].split(",") if n] if len(argv) == 3 else []
    return Path(argv[0]), fds


def attempt(spec: RunSpec, tree: Tree, log: Log) -> RunResult:
    """Prepare the place, run the command to its end and read what it printed."""
    why = sandbox.trouble() if spec.sandbox != "off" else "off"
    if why and spec.sandbox == "required":
        return RunResult(spec.run, spec.attempt, "crashed", "sandbox", tail=f"bubblewrap: {why}\n{sandbox.INSTALL}")
    sandboxed = not why
    patiently(tree, lambda: place.prepare(spec, sandboxed))
    if spec.seed_mode == "literal":
        patiently(tree, lambda: literal.rewrite(Path(spec.work), spec.edit, spec.seed))
    command = place.command(spec)
    argv = sandbox.wrap(spec, command) if sandboxed else command
    begun = time.monotonic()
    try:
        tree.start(argv, spec.work, place.environment(spec, sandboxed), log, die_with_us=not sandboxed)
    except OSError as error:
        return RunResult(spec.run, spec.attempt, "crashed", "start", tail=f"{command[0]}: {error.strerror or error}")
    stopped = tree.watch(begun + spec.kill_after)
    seconds = time.monotonic() - begun
    tree.end(shielded=sandboxed)
    result = conclude(spec, Ending(stopped, tree.exit, sandboxed), log.text())
    return replace(
        result,
        exit=tree.exit,
        seconds=round(seconds, 3),
        cpu_seconds=round(tree.cpu_seconds, 3),
        peak_rss_mb=round(tree.peak_rss_mb, 1),
        sandboxed=sandboxed,
        curve=log.curve.points,
    )


def patiently(tree: Tree, do: Callable[[], T]) -> T:
    """What needs room, once a second while the disk is full: three starts that find none are soon made, and then the
    run would be given up for no fault of its own. Raises OSError when none comes, or the run is cancelled."""
    for _ in range(TRIES):
        try:
            return do()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or tree.cancelled:
                raise
            time.sleep(1)
    return do()


def save(folder: Path, result: RunResult) -> int:
    """Write `result.json` so that it is there whole or not at all. On a full disk the log makes room."""
    data = json.dumps(asdict(result), indent=1).encode()
    for _ in range(TRIES):
        try:
            _replace(folder / "result.json", data)
            return 0
        except OSError as error:
            complain(f"result.json: {error}")
            make_room(folder)
            time.sleep(1)
    return 1


def complain(text: str) -> None:
    """A line in `runner.log`, which lies on the same full disk."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass


def make_room(folder: Path) -> None:
    """Give up what can be had again or is worth less than the result."""
    log = folder / "log.txt"
    try:
        if log.stat().st_size > KEPT:
            os.truncate(log, KEPT)
    except OSError:
        pass
    shutil.rmtree(folder / "tmp", ignore_errors=True)


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name("result.new")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
