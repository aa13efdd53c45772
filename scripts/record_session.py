"""Record what a person sees: a short campaign in a real terminal, written to docs/session.md. Nothing in it is made up.

    .venv/bin/python scripts/record_session.py

It takes a fresh HOME, a workspace with the template as its task, a terminal (a tmux server of its own) and types commands
into a shell, one after the other; what the terminal shows is kept. Two agents work: one follows a list of edits, the other is
a small program that does what its brief says is next on the person's list. No model is asked, so it costs nothing. About
three minutes on two cores. Needs tmux, git and a Python with torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 108, 50
PATIENCE = 200.0  # seconds for anything
BUDGET = "flops:1.5e11"

STEPS = [
    {"set": {"ASPECT_RATIO": "16"}, "description": "half the width: twice the steps"},
    {"set": {"MATRIX_LR": "0.06"}, "description": "matrix LR x 1.5"},
    {"set": {"UNEMBEDDING_LR": "0.008"}, "description": "unembedding LR x 2"},
    {"set": {"WARMDOWN_RATIO": "0.7"}, "description": "a longer fall of the learning rate"},
    {"set": {"EMBEDDING_LR": "0.6"}, "description": "embedding LR x 2"},
]
PROGRAM = """\
# Small steps

Do what the list says, then what the results suggest.

# Hypotheses
1. TOTAL_BATCH_SIZE = 1024
2. VOCAB_SIZE = 512
3. Q_SCALE = 1.25

# Constraints
- DEPTH >= 1
- VOCAB_SIZE unchanged
- keep it readable
"""
EDITOR = """\
import re, sys
brief, text = open(sys.argv[1]).read(), open("train.py").read()
print(f"I read {len(brief.splitlines())} lines of brief and {len(text.splitlines())} of train.py.")
asked = re.search(r"^(H\\d+): (\\w+) = (\\S+)$", brief, re.M)
forbidden = re.search(r"the program forbids it: (\\w+)", brief)
why, name, value = asked.groups() if asked else ("the list is done", "MATRIX_LR", "0.05")
if forbidden:  # undo it, and say so
    given = re.search(r"it was (\\S+?)[.;]", brief)[1]
    text = re.sub(rf"(?m)^{forbidden[1]} = \\S+", f"{forbidden[1]} = {given}", text)
    why, name, value = f"{why} is forbidden, instead", "SCALAR_LR", "0.25"
open("train.py", "w").write(re.sub(rf"(?m)^{name} = \\S+", f"{name} = {value}", text))
print(f"{why}: {name} = {value}")
"""


class Terminal:
    """A terminal with a shell in it. What is shown is read as plain text."""

    def __init__(self, cwd: Path, home: Path) -> None:
        self.socket = home / "tmux"
        python = Path(sys.executable).parent
        env = {
            "HOME": str(home), "PATH": f"{home / 'bin'}:{python}:/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "PS1": "$ ",
            "LANG": "C.UTF-8", "TERM": "screen-256color",
        }  # fmt: skip
        words = [f"{name}={value}" for name, value in env.items()]
        self.tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(cwd),
            "env", "-i", *words, "bash", "--norc", "--noprofile",
        )  # fmt: skip
        self.until(lambda: self.shown().endswith("$"))

    def tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", str(self.socket), *words], capture_output=True, text=True, check=True)
        return done.stdout

    def shown(self) -> str:
        """What the screen shows, and what scrolled off it since it was cleared."""
        lines = self.tmux("capture-pane", "-p", "-S", "-").splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    def type(self, line: str) -> None:
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def clear(self) -> None:
        self.tmux("send-keys", "C-l")
        self.until(lambda: self.tmux("capture-pane", "-p").strip() == "$")
        self.tmux("clear-history")

    def run(self, line: str) -> str:
        """Type a command, wait until the shell is back, and return what is there now."""
        self.clear()
        self.type(line)
        self.until(lambda: self.shown().endswith("\n$"))
        return self.shown().removesuffix("$").rstrip()

    def until(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise SystemExit(f"it did not come to pass; the screen shows:\n{self.shown()}")
            time.sleep(0.2)

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tmux("kill-server")


class Session:
    """The campaign, and the page that is made of it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.work = self.home / "night"
        (self.home / "bin").mkdir(parents=True)
        command = self.home / "bin" / "swarm"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m swarm "$@"\n')
        command.chmod(0o755)
        editor = self.home / "bin" / "editor"
        editor.write_text(f"#!{sys.executable}\n{EDITOR}")
        editor.chmod(0o755)
        self.page: list[str] = []
        self.terminal = Terminal(self.home, self.home)

    def say(self, text: str) -> None:
        self.page += [textwrap.fill(text, 120, break_long_words=False), ""]

    def keep(self, shown: str) -> None:
        """Put a screen on the page; the home folder is `~` there, as a shell would say, and the machine is `host`."""
        name = re.escape(socket.gethostname())
        shown = re.sub(rf'(?<=on ){name}$|(?<="){name}(?=")', "host", shown.replace(str(self.home), "~"), flags=re.M)
        self.page += ["```", re.sub(r"\n{4,}", "\n\n\n", shown), "```", ""]

    def show(self, line: str, text: str = "") -> str:
        if text:
            self.say(text)
        shown = self.terminal.run(line)
        self.keep(shown)
        return shown

    def query(self, sql: str) -> list[tuple[str, ...]]:
        """The ledger is one SQLite file: anybody may read it."""
        import sqlite3

        with contextlib.closing(
            sqlite3.connect(f"file:{self.work}/.swarm/results.db?mode=ro", uri=True, timeout=20)
        ) as db:
            return db.execute(sql).fetchall()

    def measured(self, count: int) -> None:
        sql = "SELECT COUNT(*) FROM experiments WHERE origin='submit' AND verdict IN ('keep', 'discard', 'crash')"
        self.terminal.until(lambda: int(self.query(sql)[0][0]) >= count)


def record(s: Session) -> None:
    """All of it, in order."""
    t = s.terminal
    s.say("# A session, as it looked")
    s.say(
        "Recorded by `scripts/record_session.py` in a real terminal of its own; nothing is edited but the home folder, which "
        "reads `~`, and the machine's name. Two agents on two CPU cores: `scripted` follows a list of edits, `editor` is a program of 15 "
        "lines that does what its brief says is next. With `--agents claude,codex` the screens are the same, and the ideas "
        "are theirs. A CPU core trains a toy for some seconds per run; on a GPU a run is five minutes."
    )
    s.say("## Before")
    s.show("swarm init night")
    t.run("cd night")
    s.show("swarm prepare --device cpu")
    prepare(s)
    s.show(
        "cat programs/mine.md",
        "What the agents are told: ideas in order, and what they may not do. One line means nothing to swarm.",
    )
    s.say("## The evening")
    s.show("swarm spawn --device cpu --gpus 2 --agents scripted,editor --command steps.json --program mine --hours 0.2")
    t.until(lambda: s.query("SELECT 1 FROM campaigns WHERE state='searching'"))
    s.show("swarm status", "A little later. The line that cannot be checked is said here, too.")
    s.measured(2)
    s.say("The same, live, until ctrl-C:")
    t.clear()
    t.type("swarm watch")
    t.until(lambda: "editor" in t.shown() and "scripted" in t.shown())
    s.measured(3)
    s.keep(t.shown())
    t.tmux("send-keys", "C-c")
    t.until(lambda: t.shown().endswith("$"))
    s.say("Looking over an agent's shoulder, until ctrl-B D. H2 was refused: it breaks a constraint.")
    t.clear()
    t.type("swarm attach cpu1-editor")
    t.until(lambda: "forbids" in t.shown())
    s.keep(t.shown())
    t.tmux("send-keys", "C-b", "d")
    t.until(lambda: t.shown().endswith("$"))
    s.show('swarm tell cpu1-editor "small steps are fine"')
    s.say("## The morning")
    s.measured(5)
    s.show("swarm leaderboard -n 8")
    best = str(
        s.query("SELECT id FROM experiments WHERE verdict='keep' AND origin='submit' ORDER BY estimate LIMIT 1")[0][0]
    )
    s.show(f"swarm show {best}", "One of them, whole:")
    s.show(f"swarm promote {best}", "Everybody is to build on it:")
    s.show("swarm recall learning rate -n 3", "What was tried, by any words; the agents ask the same:")
    s.show("swarm stop", "And the end. What runs may finish; everything recorded stays.")
    t.until(lambda: s.query("SELECT 1 FROM campaigns WHERE state='ended'"))
    s.show("swarm status")


def prepare(s: Session) -> None:
    """What a person would write with an editor."""
    (s.work / "steps.json").write_text(json.dumps(STEPS))
    (s.work / "programs" / "mine.md").write_text(PROGRAM)
    (s.work / "swarm.yaml").write_text(
        f"task: {{path: task, budget: '{BUDGET}'}}\ndevice: cpu\ncommands: {{editor: 'editor {{brief}}'}}\n"
    )


def close(s: Session) -> None:
    """End what was started: the campaign by its own command, the rest by what it wrote down."""
    if s.work.exists():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            env = {"HOME": str(s.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
            subprocess.run(
                [sys.executable, "-m", "swarm", "stop", "--now"],
                cwd=s.work,
                env=env,
                capture_output=True,
                timeout=60,
                check=False,
            )
        with contextlib.suppress(OSError, ValueError, KeyError):
            keeper = int(json.loads((s.work / ".swarm" / "locks" / "keeper.lock").read_text())["pid"])
            if str(s.work).encode() in Path(f"/proc/{keeper}/cmdline").read_bytes():
                os.kill(keeper, signal.SIGTERM)
    s.terminal.close()


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="session-"))
    session = Session(folder)
    try:
        record(session)
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(session.page)).rstrip() + "\n"
        (PROJECT / "docs" / "session.md").write_text(text)
        print(f"docs/session.md: {len(text.splitlines())} lines")
        return 0
    finally:
        close(session)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
