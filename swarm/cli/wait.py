"""`swarm wait`: an agent waits for news or room; a person for an experiment or for the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swarm.cli import verdicts
from swarm.cli.places import agent, ended, here, owner, seated
from swarm.cli.screen import clean
from swarm.errors import SwarmError

if TYPE_CHECKING:
    from swarm.client import Client


def run(experiment: str | None = None, timeout: float | None = None) -> None:
    """Wait for what the caller can wait for. Raises SwarmError after `timeout` seconds without it."""
    if seated() and experiment is None:
        news(agent(), timeout)
    elif experiment is not None:
        person = not seated()
        client = owner(start=True) if person else agent()
        print(verdicts.line(verdicts.until_judged(client, experiment, timeout, person)))
    else:
        the_end(timeout)


def news(client: Client, timeout: float | None) -> None:
    """Wait until the coordinator has something to say to this agent, and print it."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = 50.0 if end is None else max(0.0, min(50.0, end - time.monotonic()))
        answer = client.post("wait", timeout=left)
        if answer.get("stop") or answer.get("news") or answer.get("results") or int(answer.get("room") or 0) > 0:
            print("\n".join(told(answer)))
            return
        if end is not None and time.monotonic() >= end:
            print("nothing yet: your queue is full and nothing was judged. Wait again.")
            return


def told(answer: Mapping[str, Any]) -> list[str]:
    """What an agent reads: results, news, what it builds on, and whether to go on."""
    out = [verdicts.line(result) for result in answer.get("results") or []]
    out += [f"news: {clean(str(line))}" for line in answer.get("news") or []]
    out += edited(answer)
    if answer.get("stop"):
        return [*out, f"stop: {answer.get('why') or 'the campaign is over'}. Submit nothing more."]
    return [*out, f"You build on {answer.get('base')}. Room for {answer.get('room', 0)} more."]


def edited(answer: Mapping[str, Any]) -> list[str]:
    """The program, when a person edited it since the agent last heard of it."""
    text = clean(str(answer.get("program") or ""), lines=True).strip()
    return ["your program was edited; from now on it says:", "", *text.splitlines(), ""] if text else []


def the_end(timeout: float | None) -> None:
    """Until the campaign has ended."""
    workspace = here()
    client = owner(start=ended(workspace) is None)
    end = None if timeout is None else time.monotonic() + timeout
    while (why := ended(workspace)) is None:
        if end is not None and time.monotonic() >= end:
            raise SwarmError("the campaign goes on.", "swarm status")
        client.get("health")  # says so when the coordinator has gone for good
        time.sleep(1.0)
    print(f"  the campaign has ended: {why or 'no reason given'}.   swarm leaderboard")
