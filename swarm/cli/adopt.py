"""`swarm adopt`: an agent goes on from an experiment of its choice."""

from __future__ import annotations

from swarm.cli.places import agent


def run(experiment: str) -> None:
    """Ask for it, and say what it means."""
    answer = agent().post("adopt", experiment=experiment)
    print(f"You build on {answer['tip']} now (before: {answer['was']}).")
    if answer.get("stack"):
        print(f"Your own {', '.join(answer['kept'])} are measured again on it, as {answer['stack']}.")
    if not answer.get("moved"):
        print(f"Your edits still stand on {answer['base']}: submit them, then your files move.")
