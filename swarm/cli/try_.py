"""`swarm try`: a person's own file, measured as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from swarm.cli.places import newest, owner
from swarm.cli.verdicts import line, until_judged
from swarm.errors import SwarmError, UsageError
from swarm.workspace import Workspace

LARGEST = 1 << 20  # bytes, as for an agent's file


def run(workspace: Workspace, file: Path, message: str, wait: bool = False) -> None:
    """Send the file; with `wait` stay until it has a verdict."""
    text = read(file)
    campaign = newest(workspace)
    edit = json.loads(campaign["task"])["task"]["edit"] if campaign else []
    files = {stands_for(file, edit): text} if campaign else {}
    client = owner(start=True)
    answer = client.post("try", files=files, description=message)
    experiment = str(answer["experiment"])
    print(f"  {experiment} {str(answer.get('commit') or '')[:7]} is queued, as you wrote it.   swarm show {experiment}")
    if wait:
        print("  " + line(until_judged(client, experiment)))


def read(file: Path) -> str:
    """The file's text. Raises SwarmError when it is not there, too large or no text."""
    try:
        data = file.read_bytes()
        text = data.decode()
    except OSError as error:
        raise SwarmError(f"cannot read {file}: {error.strerror}.", 'swarm try FILE -m "what it does"') from None
    except UnicodeDecodeError:
        raise SwarmError(f"{file} is not text.") from None
    if len(data) > LARGEST:
        raise SwarmError(f"{file} is larger than 1 MB.")
    return text


def stands_for(file: Path, edit: Sequence[str]) -> str:
    """Which editable file of the task this one replaces: the one of its name, or the only one.

    Raises UsageError where that cannot be told.
    """
    same = [name for name in edit if Path(name).name == file.name]
    if len(same) == 1:
        return same[0]
    if len(edit) == 1:
        return edit[0]
    raise UsageError(f"which file of the task is {file.name}?", f"Give it the name of one of them: {', '.join(edit)}")
