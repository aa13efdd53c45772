"""One turn of a client as a stream of JSON lines: shown in the pane, saved whole, and read for what it says of itself."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from swarm.agents.words import plain

PATIENCE = 5.0  # seconds between TERM and KILL
SHOWN = 1500  # characters of one piece of text in the pane
NAMED = re.compile(r"\be\d{4,}\b")


@dataclass
class Told:
    """What a turn's stream said. `tokens` and `usd` are of the turn or of the whole session, as the client counts."""

    session: str = ""
    said: str = ""  # its last words
    submitted: int = 0  # submissions that were taken
    experiments: list[str] = field(default_factory=list)  # what they became, where the answer names it
    refused: list[str] = field(default_factory=list)  # submissions that were not taken: what was said
    cut: str = ""  # why we ended the turn before it ended by itself
    denied: list[str] = field(default_factory=list)  # calls that were refused
    tokens: int = 0
    usd: float | None = None
    context: int = 0  # tokens of the last request, 0 where the client does not say
    limited: bool = False  # a rate or usage limit, or an overloaded server: no failure
    until: float | None = None  # when it ends (seconds since 1970), where the client knows
    barred: bool = False  # the login was not accepted
    lost: bool = False  # this session cannot be continued
    error: str = ""

    def took(self, answer: str) -> None:
        """A submission was taken."""
        self.submitted += 1
        self.refused.clear()
        if found := NAMED.search(answer):
            self.experiments.append(found[0])

    def same(self) -> int:
        """How often the last refusal came in a row, numbers in it aside."""
        words = [without_numbers(text) for text in self.refused]
        return next((n for n, text in enumerate(reversed(words)) if text != words[-1]), len(words))


def without_numbers(refusal: str) -> str:
    """What is the same about two refusals that differ in numbers."""
    return re.sub(r"\d+", "", refusal)


class Reader(Protocol):
    """Understands the stream of one client."""

    told: Told

    def read(self, event: Mapping[str, Any]) -> list[str]:
        """Take one event; the lines to show for it."""


def follow(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], prompt: str, reader: Reader, log: Path,
    say: Callable[[str], None], silence: float, enough: Callable[[], bool] = lambda: False,
) -> int | None:  # fmt: skip
    """Run one turn: `prompt` by stdin, every line of its output to `log` and to `reader`.

    Returns its exit code (negative for a signal); None when it was ended: silent for `silence` seconds, or `enough()`
    after one of its lines. What it left behind in its process group is ended too. Raises OSError when it cannot be
    started.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as kept, log.with_suffix(".err").open("ab") as errors:
        child = subprocess.Popen(
            argv, cwd=cwd, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0
        )
        assert child.stdin is not None and child.stdout is not None
        lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=_pump, args=(child.stdout, lines), daemon=True).start()
        threading.Thread(target=_feed, args=(child.stdin, prompt.encode()), daemon=True).start()
        try:
            ended = _read(lines, reader, kept, say, silence, enough)
            code = None if ended else child.wait(silence)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(child)
    if not log.with_suffix(".err").stat().st_size:
        log.with_suffix(".err").unlink()
    return code


def _read(
    lines: queue.Queue[bytes | None], reader: Reader, kept: IO[bytes], say: Callable[[str], None], silence: float,
    enough: Callable[[], bool],
) -> bool:  # fmt: skip
    """Until the output ends. Returns whether it fell silent before, or it was enough."""
    while True:
        try:
            line = lines.get(timeout=silence)
        except queue.Empty:
            return True
        if line is None:
            return False
        kept.write(line)
        kept.flush()
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a warning among the events
        if isinstance(event, dict):
            for text in _shown(reader, event):
                say(text)
            if enough():
                return True


def _shown(reader: Reader, event: Mapping[str, Any]) -> list[str]:
    """A version of the client that words an event otherwise is no reason to end the turn."""
    try:
        return [clean(text) for text in reader.read(event)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [f"(not understood: {event.get('type')}: {error})"]


def clean(text: str, most: int = SHOWN) -> str:
    """Text of a model for a person's terminal: without escape codes, not endless."""
    text = plain(text).strip()
    return text if len(text) <= most else text[: most - 1] + "…"


def first_line(text: object, most: int = 160) -> str:
    """The first line that says something."""
    line = next((line.strip() for line in str(text).splitlines() if line.strip()), "")
    return line if len(line) <= most else line[: most - 1] + "…"


def last_error(log: Path) -> str:
    """The last line that a turn wrote to stderr; empty when none."""
    try:
        lines = log.with_suffix(".err").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((clean(line, 300) for line in reversed(lines) if line.strip()), "")


def _pump(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in stream:
            lines.put(line)
    lines.put(None)


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.write(data)
    with contextlib.suppress(OSError, ValueError):
        stream.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """TERM, then KILL, to the group; what its leader left behind in it as well."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
