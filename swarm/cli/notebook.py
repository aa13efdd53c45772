"""`swarm notebook`: the pages that agents and people improve."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from swarm.api import memory, record
from swarm.cli import screen
from swarm.cli.places import agent, here, owner, seated
from swarm.errors import Refused, SwarmError, UsageError
from swarm.ledger import pages
from swarm.ledger.reader import Reader
from swarm.research.notebook import LONGEST, Page


def run(
    page: str | None, message: str | None = None, edit: bool = False, why: str = "", history: bool = False,
    version: int | None = None, as_json: bool = False,
) -> None:  # fmt: skip
    """Show the pages or one of them, or write its next version. Raises UsageError for what cannot be meant."""
    writes = edit or message is not None
    if page is None and (writes or history or version is not None):
        raise UsageError("which page?", "swarm notebook lists them; a new one: swarm notebook NAME --edit")
    if writes and (history or version is not None or as_json):
        raise UsageError("look or write, not both.", "swarm notebook --help")
    if page is not None and writes:
        write(page, message, why)
    elif as_json:
        screen.print_json(record.notebook(here(), page, version))
    elif page is not None and history:
        print(screen.clean(memory.history(here(), page), lines=True))
    else:
        print(screen.clean(memory.notebook(here(), page, version), lines=True))


def write(page: str, message: str | None, why: str) -> None:
    """The next version: `message`, else what comes out of the editor, or by the pipe where there is no terminal."""
    with Reader(here().ledger) as reader:
        now = pages.newest(reader, reader.campaign().id, page)
    text = message if message is not None else _edited(page, now)
    if not text.strip() or (now is not None and text.strip() == now.text):
        print("  nothing changed")
        return
    client = agent() if seated() else owner(start=True)
    try:
        answer = client.post("notebook", page=page, text=text, version=now.version if now else 0, why=why)
    except Refused as refused:
        if message is not None or refused.status != 409:
            raise
        raise Refused(f"{refused.message}\nYour text is kept: {_kept(page, text)}", refused.hint, 409) from None
    print(f"  {answer['page']} is at version {answer['version']}.   swarm notebook {answer['page']} --history")


def _edited(page: str, now: Page | None) -> str:
    """Raises SwarmError when there is no editor, or it fails."""
    if not sys.stdin.isatty():
        return sys.stdin.read(4 * LONGEST)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    path = _kept(page, now.text if now else "")
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
        if done.returncode:
            raise SwarmError(f"{editor} ended with {done.returncode}: nothing was changed.")
        text = path.read_text(errors="replace")
    except OSError as error:
        raise SwarmError(f"{editor} does not start: {error}", f"EDITOR=nano swarm notebook {page} --edit") from None
    path.unlink(missing_ok=True)
    return text


def _kept(page: str, text: str) -> Path:
    """A file of the person's own."""
    fd, name = tempfile.mkstemp(prefix=f"{page[:40].replace('/', '-')}-", suffix=".md")
    with os.fdopen(fd, "w") as file:
        file.write(text)
    return Path(name)
