"""A story that remembers what it was asked, for tests of the door and of the daemon."""

from __future__ import annotations

import threading
from typing import Any

from swarm.errors import Refused


class FakeStory:
    """Every verb is written down in `asked`; `answers` gives an answer (or an exception to raise) by verb."""

    def __init__(self) -> None:
        self.changed = 0
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.threads: set[int] = set()
        self.steps = 0
        self.step_error: Exception | None = None
        self.news: list[str] = []
        self.verdict: str | None = None
        self.is_over = False
        self.idle = 1000.0

    def forget(self) -> None:
        """Be as new."""
        self.asked, self.answers, self.threads, self.news = [], {}, set(), []
        self.step_error, self.verdict, self.is_over = None, None, False

    def step(self, now: float) -> bool:
        self.threads.add(threading.get_ident())
        self.steps += 1
        if self.step_error is not None:
            raise self.step_error
        return False

    def next_wake(self, now: float) -> float:
        return now + self.idle

    def close(self) -> None:
        self.asked.append(("close", {}))

    def over(self) -> bool:
        return self.is_over

    def _verb(self, verb: str, **said: Any) -> dict[str, Any]:
        self.threads.add(threading.get_ident())
        self.asked.append((verb, said))
        self.changed += 1
        answer = self.answers.get(verb, {"did": verb})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def spawn(self, **wish: Any) -> dict[str, Any]:
        return self._verb("spawn", **wish)

    def try_file(self, files: dict[str, str], description: str) -> dict[str, Any]:
        return self._verb("try", files=files, description=description)

    def promote(self, what: str, force: bool, hold: bool) -> dict[str, Any]:
        return self._verb("promote", what=what, force=force, hold=hold)

    def undo(self, request: str | None) -> dict[str, Any]:
        return self._verb("undo", request=request)

    def grid(self, words: list[str], agent: str | None, **wish: Any) -> dict[str, Any]:
        return self._verb("grid", words=words, agent=agent, **wish)

    def stop_grid(self, number: int, agent: str | None) -> dict[str, Any]:
        return self._verb("stop_grid", number=number, agent=agent)

    def pause(self) -> dict[str, Any]:
        return self._verb("pause")

    def resume(self, stop: dict[str, Any] | None) -> dict[str, Any]:
        return self._verb("resume", stop=stop)

    def stop(self, agents: list[str] | None, now: bool) -> dict[str, Any]:
        return self._verb("stop", agents=agents, now=now)

    def successor(self, who: str, kind: str) -> dict[str, Any]:
        return {"name": f"new-{kind}"}

    def replace(self, who: str, kind: str, **wish: Any) -> dict[str, Any]:
        return self._verb("replace", who=who, kind=kind, **wish)

    def tell(self, agent: str, text: str, request: str | None) -> dict[str, Any]:
        self.news.append(text)
        return self._verb("tell", agent=agent, text=text, request=request)

    def submit(
        self, agent: str, description: str, hypothesis: str | None, expect: float | None, on: str | None,
        p: float | None = None, idea: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        said = {name: value for name, value in (("on", on), ("p", p), ("idea", idea)) if value is not None}
        return self._verb("submit", agent=agent, description=description, hypothesis=hypothesis, expect=expect, **said)

    def turn(self, agent: str, **said: Any) -> dict[str, Any]:
        return self._verb("turn", agent=agent, **said)

    def adopt(self, agent: str, experiment: str) -> dict[str, Any]:
        return self._verb("adopt", agent=agent, experiment=experiment)

    def note(self, agent: str | None, text: str) -> dict[str, Any]:
        return self._verb("note", agent=agent, text=text)

    def submit_values(self, agent: str, values: dict[str, str], description: str | None) -> dict[str, Any]:
        return self._verb("submit_values", agent=agent, values=values, description=description)

    def constants(self, agent: str) -> dict[str, Any]:
        return self._verb("constants", agent=agent)

    def scene(self, agent: str) -> dict[str, Any]:
        return self._verb("scene", agent=agent)

    def idea_add(self, agent: str | None, **said: Any) -> dict[str, Any]:
        return self._verb("idea_add", agent=agent, **said)

    def idea_claim(self, agent: str, ident: int | None = None) -> dict[str, Any]:
        return self._verb("idea_claim", agent=agent, ident=ident)

    def idea_done(self, agent: str | None, ident: int, **said: Any) -> dict[str, Any]:
        return self._verb("idea_done", agent=agent, ident=ident, **said)

    def improve(self, agent: str | None, **said: Any) -> dict[str, Any]:
        return self._verb("improve", agent=agent, **said)

    def flag(self, agent: str, experiment: str, why: str) -> dict[str, Any]:
        return self._verb("flag", agent=agent, experiment=experiment, why=why)

    def remeasure(self, agent: str, experiment: str, why: str) -> dict[str, Any]:
        return self._verb("remeasure", agent=agent, experiment=experiment, why=why)

    def contact(
        self, agent: str, final: bool = False, patient: bool = False, heard: int | None = None
    ) -> dict[str, Any]:
        self.asked.append(("contact", {"agent": agent, "final": final}))
        del self.news[: heard or 0]
        due = bool(self.news)
        told = list(self.news) if due or final else []
        return {"due": due, "stop": False, "room": 0, "news": told, "seq": len(told)}

    def hear(self, agent: str, seq: int) -> dict[str, Any]:
        self.asked.append(("hear", {"agent": agent, "seq": seq}))
        del self.news[:seq]
        return {"heard": seq}

    def experiment(self, ident: str) -> dict[str, Any]:
        self.changed += 1  # as careless as a real one may be
        if ident != "e0001":
            raise Refused(f"there is no {ident} here.", "swarm leaderboard", 404)
        self.asked.append(("experiment", {}))
        return {"experiment": ident, "verdict": self.verdict}

    def status(self) -> dict[str, Any]:
        return {"state": "searching", "odd": float("inf")}
