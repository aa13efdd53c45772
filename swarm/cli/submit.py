"""`swarm submit`: an agent without our tools queues what its worktree changed."""

from __future__ import annotations

from swarm.cli import wait as waiting
from swarm.cli.places import agent
from swarm.cli.screen import clean


def run(
    message: str,
    hypothesis: str | None = None,
    expect: float | None = None,
    wait: bool = False,
    on: str | None = None,
    p: float | None = None,
    idea: int | None = None,
) -> None:
    """Queue it and show the recorded change; with `wait` go on to wait for news."""
    client = agent()
    more = {name: value for name, value in (("on", on), ("p", p), ("idea", idea)) if value is not None}
    answer = client.post("submit", description=message, hypothesis=hypothesis, expect=expect, **more)
    print(
        f"{answer['experiment']} is queued. Your worktree is back at what you build on; room for {answer['room']} more."
    )
    for note in answer.get("notes") or []:
        print(f"note: {clean(str(note))}")
    if answer.get("next"):
        print(f"next on the person's list: {clean(str(answer['next']))}")
    print(clean(str(answer.get("diff") or ""), lines=True).rstrip())
    print("\n".join(waiting.edited(answer)), end="\n" if answer.get("program") else "")
    if wait:
        waiting.news(client, None)
