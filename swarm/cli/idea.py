"""`swarm idea`: the backlog of what somebody should try."""

from __future__ import annotations

from typing import Any

from swarm.api import memory, record
from swarm.cli import screen
from swarm.cli.places import agent, here, owner, seated
from swarm.errors import UsageError

WORDS = ("add", "list", "claim", "done")


def run(
    word: str, rest: list[str], priority: float = 1.0, evidence: str | None = None, experiment: str | None = None,
    drop: bool = False, over: bool = False, as_json: bool = False,
) -> None:  # fmt: skip
    """Do one of WORDS. Raises UsageError for what is none of them, or misses its text or number."""
    if word == "list":
        listed(over, as_json)
    elif word == "add":
        add(" ".join(rest), priority, evidence)
    elif word == "claim":
        claim(_only(rest, "which? A number of swarm idea list, or next.", "swarm idea claim next"))
    elif word == "done":
        done(_number(_only(rest, "which? A number of swarm idea list.", "swarm idea done 12")), experiment, drop)
    else:
        raise UsageError(f"swarm idea {word}: it is add, list, claim or done.", 'swarm idea add "no warm-up at all"')


def listed(over: bool, as_json: bool) -> None:
    """Print the backlog; with `over` what is tried and dropped, too."""
    n = 1000 if over or as_json else 20
    if as_json:
        screen.print_json(record.ideas(here(), n, over))
    else:
        print(screen.clean(memory.ideas(here(), n, over), lines=True))


def add(text: str, priority: float, evidence: str | None) -> None:
    if not text.strip():
        raise UsageError("which idea?", 'swarm idea add "no warm-up at all" --priority 2')
    answer = _client().post("idea", text=text, priority=priority, evidence=evidence)
    known = ", it was there already" if answer.get("known") else ""
    print(f"  idea {answer['idea']}{known}.   agents claim it: swarm idea claim {answer['idea']}")


def claim(which: str) -> None:
    """For agents."""
    answer = agent().post("idea/claim", idea=None if which == "next" else _number(which))
    print(f"idea {answer['idea']} is yours: {screen.clean(str(answer['text']))}")
    print(f'then: swarm submit -m "…" --idea {answer["idea"]}')


def done(number: int, experiment: str | None, drop: bool) -> None:
    answer = _client().post("idea/done", idea=number, experiment=experiment, drop=drop)
    print(f"  idea {answer['idea']} is {answer['state']}")


def _client() -> Any:
    return agent() if seated() else owner(start=True)


def _only(rest: list[str], why: str, hint: str) -> str:
    if len(rest) != 1:
        raise UsageError(why, hint)
    return rest[0]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 53:
        raise UsageError(f"{text} is no number of an idea.", "They are in: swarm idea list")
    return int(text)
