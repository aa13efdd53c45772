"""The training's loss by how much of the budget it has used, read off the progress lines as they are printed.

The form is karpathy's `step 00012 (4.5%) | loss: 5.123456 | …`; a line ends with `\\r` or begins with it. Whatever else is
printed is passed over, and however much it is, what is kept is a few hundred bytes and at most MARKS points.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

Point = tuple[float, float]  # share of the budget, loss
MARKS = 20  # points of a whole budget, at equal distances
HUGE = 1e6  # no loss is that far from nothing
REACH = 200  # bytes that a line may take from its percentage to the end of its loss
LINE = re.compile(
    rb"\((\d{1,3}(?:\.\d{1,6})?) ?%\)[^\r\n(]{0,100}?\bloss ?[:=] ?([-+]?\d{1,12}(?:\.\d{0,12})?(?:e[-+]?\d{1,3})?)(?=[\s|,;])"
)
FILE = "curve"  # in the attempt's folder, a line `fraction loss` for each point, while the run goes on
MOST = 4096  # bytes of it that are read


class Curve:
    """Takes the output in pieces of any size. `points` grow; `path` gets each of them as it comes."""

    def __init__(self, path: Path | None = None) -> None:
        self.points: list[Point] = []
        self._path = path
        self._rest = b""
        self._last: Point | None = None  # of the newest line that counted

    def write(self, data: bytes) -> None:
        """Take what the command printed."""
        text, end = self._rest + data, 0
        for match in LINE.finditer(text):
            end = match.end()
            self._take(float(match[1]) / 100, float(match[2]))
        self._rest = text[max(end, len(text) - REACH) :]

    def _take(self, done: float, loss: float) -> None:
        """A line: the marks between the one before and it get their loss by a straight line. One that goes back is none."""
        if not abs(loss) <= HUGE or done > 1:
            return
        before = self._last
        if before is not None and done <= before[0]:
            return
        self._last = (done, loss)
        if before is None:
            return
        first, last = math.floor(before[0] * MARKS + 1e-9) + 1, math.floor(done * MARKS + 1e-9)
        for n in range(first, last + 1):
            share = (n / MARKS - before[0]) / (done - before[0])
            self._put((n / MARKS, round(before[1] + share * (loss - before[1]), 6)))

    def _put(self, point: Point) -> None:
        self.points.append(point)
        if self._path is None:
            return
        try:  # a full disk costs a point of the file, never the run
            with self._path.open("a") as file:
                file.write(f"{point[0]:g} {point[1]:g}\n")
        except OSError:
            pass


def sound(points: object) -> list[Point]:
    """What of `points` is a curve: finite, in order, at our marks. A run outside a sandbox may have written anything."""
    found: list[Point] = []
    for point in points if isinstance(points, Sequence) and not isinstance(points, str) else ():
        if not (isinstance(point, list | tuple) and len(point) == 2 and all(type(x) in (int, float) for x in point)):
            continue
        done, loss = point
        if not (0 < done <= 1 and abs(loss) <= HUGE):  # NaN is neither
            continue
        mark = round(done * MARKS) / MARKS
        if abs(mark - done) < 1e-6 and mark > (found[-1][0] if found else 0):
            found.append((mark, float(loss)))
    return found


def read(folder: Path) -> list[Point]:
    """The curve so far of the attempt in this folder. Nothing there, or no plain file: none."""
    try:
        fd = os.open(folder / FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        text = os.read(fd, MOST).decode(errors="replace") if stat.S_ISREG(os.fstat(fd).st_mode) else ""
    except OSError:
        text = ""
    finally:
        os.close(fd)
    whole = text[: text.rfind("\n") + 1]  # the last line may be on its way
    return sound([_numbers(line) for line in whole.splitlines()])


def _numbers(line: str) -> list[object]:
    try:
        return [json.loads(word) for word in line.split()]
    except ValueError:
        return []
