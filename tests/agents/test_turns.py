"""The loop of a headless client, with a client that is played: sessions, news, being stuck, limits, failures."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from swarm.agents import session as sessions
from swarm.agents import turns
from swarm.agents.claude_stream import ClaudeReader
from swarm.agents.turns import Turns
from swarm.errors import SwarmError
from swarm.ports import Seat
from tests.agents.door import Door, seat_in

CLIENT = """
import json, sys
session, turns = sys.argv[1], json.loads(sys.argv[2])
with open("prompts", "a") as file:
    file.write(json.dumps([session, sys.stdin.read()]) + "\\n")
n = sum(1 for _ in open("prompts")) - 1
turn = turns[n] if n < len(turns) else {}
print(json.dumps({"type": "system", "subtype": "init", "session_id": session or f"s{n}"}))
for i in range(turn.get("submit", 0)):
    call = {"type": "tool_use", "id": f"c{i}", "name": "mcp__swarm__submit", "input": {"description": "x"}}
    print(json.dumps({"type": "assistant", "message": {"content": [call], "usage": {"input_tokens": turn.get("context", 5)}}}))
    done = {"type": "tool_result", "tool_use_id": f"c{i}", "content": f"e{n:04d} is queued."}
    print(json.dumps({"type": "user", "message": {"content": [done]}}))
for i in range(turn.get("refused", 0)):
    call = {"type": "tool_use", "id": f"r{i}", "name": "mcp__swarm__submit", "input": {"description": "x"}}
    print(json.dumps({"type": "assistant", "message": {"content": [call], "usage": {}}}))
    done = {"type": "tool_result", "tool_use_id": f"r{i}", "is_error": True, "content": f"nothing changed ({i})"}
    print(json.dumps({"type": "user", "message": {"content": [done]}}), flush=True)
if turn.get("hang"):
    import time; time.sleep(60)
if turn.get("until"):
    print(json.dumps({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": turn["until"]}}))
for name in turn.get("denied", ()):
    print(json.dumps({"type": "system", "subtype": "permission_denied", "tool_name": name}))
print(json.dumps({"type": "result", "is_error": bool(turn.get("error")), "result": turn.get("error", "ok"),
                  "api_error_status": turn.get("status"), "usage": {"input_tokens": 7}, "total_cost_usd": turn.get("usd", 0.0),
                  "session_id": session or f"s{n}"}))
sys.exit(turn.get("code", 1 if turn.get("error") else 0))
"""


class Driver:
    name = "played"
    totals = frozenset({"usd"})

    def __init__(self, turns: Sequence[Mapping[str, Any]], plan: bool = False) -> None:
        self.turns = json.dumps(list(turns))
        self.plan = plan

    def argv(self, session: str, url: str) -> list[str]:
        assert url == "http://127.0.0.1:9/mcp"
        return [sys.executable, "-c", CLIENT, session, self.turns]

    def env(self, token: str) -> dict[str, str]:
        assert token == "t" * 40
        return {}

    def reader(self) -> ClaudeReader:
        return ClaudeReader()


class Played:
    """A run of the loop: `prompts` are (session, text) of each turn, `slept` what it waited."""

    def __init__(
        self, folder: Path, turns: Sequence[Mapping[str, Any]], answers: Sequence[dict[str, Any]], **options: object
    ) -> None:
        self.driver = Driver(turns, bool(options.pop("plan", False)))
        self.now, self.tick = 1000.0, float(str(options.pop("tick", 0.0)))
        self.seat: Seat = seat_in(folder, "claude", **options)
        self.seat.door.write_text(json.dumps({"url": "http://127.0.0.1:9"}))
        self.slept: list[float] = []
        self.status = self.go(answers)

    def go(self, answers: Sequence[dict[str, Any]], deaf: int = 0) -> int:
        """`deaf`: so often the door does not take what a turn cost."""
        self.said: list[str] = []
        self.door = Door(self.seat, answers)
        self.door.deaf = deaf
        loop = Turns(self.seat, self.door, self.driver, self.said.append, self._sleep, self._clock)
        return loop.run()

    def _clock(self) -> float:
        self.now += self.tick
        return self.now

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def prompts(self) -> list[tuple[str, str]]:
        return [tuple(json.loads(line)) for line in (self.seat.worktree / "prompts").read_text().splitlines()]

    @property
    def usage(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.seat.folder / "usage.jsonl").read_text().splitlines()]


KEPT = {"experiment": "e0002", "verdict": "keep", "score": 1.9, "delta": -0.1, "p": 0.98, "description": "x"}


def test_a_session_begins_with_a_brief_and_goes_on_with_what_happened(tmp_path: Path) -> None:
    played = Played(
        tmp_path, [{"submit": 1}] * 2, [{}, {"news": ["you are rebased onto best e0009"], "results": [KEPT]}]
    )
    assert played.status == 0
    (first, brief), (second, onward) = played.prompts
    assert (first, second) == ("", "s0")
    assert "You are gpu0-x" in brief and "Look at the learning rate." in brief and "submit" in brief
    assert "rebased onto best e0009" in onward and "e0002 kept" in onward
    assert "Look at the learning rate." not in onward and "There is room for one experiment" in onward


def test_a_brief_says_what_holds_of_rights(tmp_path: Path) -> None:
    told = {}
    for mode in ("guarded", "open"):
        (tmp_path / mode).mkdir()
        told[mode] = Played(tmp_path / mode, [{"submit": 1}], [{}], permissions=mode).prompts[0][1]
    assert "You have no shell" in told["guarded"]
    assert "You have a shell" in told["open"] and "no shell" not in told["open"]


def test_a_program_that_was_edited_is_told(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1}] * 3, [{}])
    played.seat.brief.write_text("Look at the data.\n")
    assert played.go([{}, {}]) == 0
    texts = [text for _, text in played.prompts]
    assert "Look at the data." in texts[1] and "Look at the data." not in texts[2]


def test_without_room_nothing_is_asked_but_a_person_is_heard(tmp_path: Path) -> None:
    told = ["a person tells you: leave the optimizer alone"]
    played = Played(
        tmp_path, [{"submit": 1}] * 9, [{"room": 0, "news": ["best is now e0003"]}, {"room": 0, "news": told}]
    )
    assert len(played.prompts) == 1
    assert "best is now e0003" in played.prompts[0][1] and told[0] in played.prompts[0][1]


def test_after_its_experiments_the_session_is_fresh(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 2}] * 3, [{}] * 3, experiments=4)
    assert [session for session, _ in played.prompts] == ["", "s0", ""]


def test_a_full_session_is_followed_by_a_fresh_one(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1, "context": 999}, {"submit": 1}], [{}] * 2, context=900)
    assert [session for session, _ in played.prompts] == ["", ""]


def test_stuck_is_told_and_then_starts_afresh(tmp_path: Path) -> None:
    played = Played(tmp_path, [{}] * 5, [{}] * 5)
    assert [session for session, _ in played.prompts] == ["", "s0", "s0", "s0", ""]
    assert ["without a submission" in text for _, text in played.prompts] == [False, False, False, True, False]
    assert played.slept == [5, 10, 20, 40, 80]  # nothing is hurried that brings nothing


def stuck(played: Played) -> list[dict[str, Any]]:
    return [turn for turn in played.door.turns if turn.get("state") == "stuck"]


def test_the_coordinator_hears_that_it_is_stuck(tmp_path: Path) -> None:
    played = Played(tmp_path, [{}] * 5, [{}] * 5)
    assert [(t["blanks"], t.get("fresh", False)) for t in stuck(played)] == [(3, False), (4, True)]
    assert "an earlier session of yours brought no submission in 4 turns" in played.prompts[4][1]


def test_the_same_refusal_again_and_again_ends_the_turn_is_told_and_then_begun_afresh(tmp_path: Path) -> None:
    turns = [{"refused": 3, "hang": True}, {"refused": 1}, {"submit": 1}]
    played = Played(tmp_path, turns, [{}] * 3)
    assert [session for session, _ in played.prompts] == ["", "s0", ""]
    assert "refused 3 times in the same way: nothing changed (2)" in played.prompts[1][1]
    assert "your submissions are refused in the same way each time: nothing changed (2)" in played.prompts[1][1]
    assert [(t["blanks"], t["why"]) for t in stuck(played)] == [(1, "nothing changed (2)"), (2, "nothing changed (0)")]


def test_another_refusal_is_another_matter(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"refused": 1}, {}, {"refused": 1}], [{}] * 3)
    assert [session for session, _ in played.prompts] == ["", "s0", "s0"]
    assert stuck(played) == []


def test_a_turn_that_brings_nothing_for_long_is_ended(tmp_path: Path) -> None:
    played = Played(
        tmp_path, [{"submit": 1, "refused": 1, "hang": True}, {"submit": 1}], [{}] * 2, patience=1, tick=1.0
    )
    assert "your last turn was ended: no submission in 0 minutes" in played.prompts[1][1]
    assert [row["tokens"] for row in played.usage] == [5, 5]  # what the client said of its messages


def test_a_submission_ends_being_stuck(tmp_path: Path) -> None:
    played = Played(tmp_path, [{}, {}, {"submit": 1}, {}, {}, {}], [{}] * 6)
    assert {session for session, _ in played.prompts[1:]} == {"s0"}


def test_refused_calls_are_told_once(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1, "denied": ["Bash", "Bash"]}, {"submit": 1}, {"submit": 1}], [{}] * 3)
    assert ["outside what you may do: Bash" in text for _, text in played.prompts] == [False, True, False]


def test_a_limit_is_waited_for_and_is_no_failure(tmp_path: Path) -> None:
    turns = [{"error": "limit", "status": 429, "until": 1100.0}, {"submit": 1}]
    answers = [{"news": ["best is now e0003"]}, {"news": ["best is now e0004"]}, {}, {}, {}]
    played = Played(tmp_path, turns, answers)
    assert played.status == 0
    assert played.slept == [45, 45, 10]
    (_, _), (session, text) = played.prompts
    assert session == "s0" and "e0003" in text and "e0004" in text
    assert any("waiting until" in line for line in played.said)


def test_a_clock_that_is_set_back_makes_no_limit_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def back(played: Played, seconds: float) -> None:
        played.slept.append(seconds)
        played.now += seconds - (80_000 if len(played.slept) == 2 else 0)

    monkeypatch.setattr(Played, "_sleep", back)
    played = Played(tmp_path, [{"error": "limit", "status": 429, "until": 1100.0}, {"submit": 1}], [{}] * 9)
    assert played.slept[:4] == [45, 45, 45, 10]  # a look longer, not a day


def test_a_limit_without_an_end_is_waited_for_longer_each_time(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"error": "overloaded", "status": 529}] * 2 + [{"submit": 1}], [{}] * 9)
    assert sum(played.slept[:2]) == 60 and sum(played.slept[2:5]) == 120


def test_a_limit_that_should_be_over_is_not_knocked_at_without_a_pause(tmp_path: Path) -> None:
    over = {"error": "limit", "status": 429, "until": 990.0}
    played = Played(tmp_path, [over, over, {"submit": 1}], [{}] * 5)
    assert sum(played.slept) == 60 and len(played.prompts) == 3


def test_the_campaign_may_end_during_a_limit(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"error": "limit", "status": 429, "until": 99999.0}], [{}])
    assert played.status == 0 and len(played.prompts) == 1


def test_a_failure_ends_the_process_and_the_next_one_goes_on(tmp_path: Path) -> None:
    turns = [{"submit": 1}, {"code": -9, "error": "gone"}, {"submit": 1}]
    played = Played(tmp_path, turns, [{}, {"news": ["best is now e0003"]}])
    assert played.status == 1
    assert played.go([{}]) == 0
    assert [session for session, _ in played.prompts] == ["", "s0", "s0"]
    assert "best is now e0003" in played.prompts[2][1]


def test_two_failures_of_a_session_end_it(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1}, {"error": "odd"}, {"error": "odd"}, {"submit": 1}], [{}] * 2)
    assert played.status == 1
    assert played.go([{}]) == 1
    assert played.go([{}]) == 0
    assert [session for session, _ in played.prompts] == ["", "s0", "s0", ""]


def test_a_session_that_is_gone_is_followed_by_a_fresh_one_at_once(tmp_path: Path) -> None:
    gone = {"error": "No conversation found with session ID: s0"}
    played = Played(tmp_path, [{"submit": 1}, gone, {"submit": 1}], [{}, {"news": ["best is now e0003"]}, {}])
    assert played.status == 0
    assert [session for session, _ in played.prompts] == ["", "s0", ""]
    assert "best is now e0003" in played.prompts[2][1]


def test_a_login_that_is_refused_is_said(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"error": "invalid x-api-key", "status": 401}], [{}])
    assert played.status == 1 and any("swarm doctor" in line for line in played.said)


def test_what_a_turn_cost_is_written_down(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1, "usd": 0.5}, {"submit": 1, "usd": 0.75}], [{}] * 2)
    assert [(row["tokens"], row["usd"]) for row in played.usage] == [(7, 0.5), (7, 0.25)]


def test_costs_reach_the_ledger_with_their_experiments(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1, "usd": 0.5}, {"submit": 1, "usd": 0.75}], [{}] * 2)
    assert [t for t in played.door.turns if "tokens" in t] == [
        {"turn": 1, "tokens": 7, "usd": 0.5, "experiments": ["e0000"], "plan": False},
        {"turn": 2, "tokens": 7, "usd": 0.25, "experiments": ["e0001"], "plan": False},
    ]


def test_on_a_plan_nothing_is_billed_by_the_token(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1, "usd": 0.5}], [{}], plan=True)
    assert [(t["usd"], t["plan"]) for t in played.door.turns] == [(None, True)]
    assert played.usage[0]["usd"] == 0.5


def test_costs_that_are_not_taken_now_are_told_later(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1}] * 4, [{}])
    assert played.go([{}, {}], deaf=1) == 0
    assert [t["turn"] for t in played.door.turns] == [2, 3]
    assert sessions.load(played.seat.folder / "session.json").owed == []


def test_news_that_was_heard_outlives_the_process_and_is_not_asked_for_again(tmp_path: Path) -> None:
    full = {"room": 0, "news": ["best is now e0003"], "seq": 7}
    played = Played(tmp_path, [{"submit": 1}] * 3, [full, {"stop": True}])
    assert played.door.heard == [0, 7]
    assert not (played.seat.worktree / "prompts").exists()
    assert played.go([{}]) == 0
    assert played.door.heard[0] == 7
    assert "best is now e0003" in played.prompts[0][1]


def test_another_agent_of_the_same_name_begins_anew(tmp_path: Path) -> None:
    played = Played(tmp_path, [{"submit": 1}] * 3, [{}])
    played.seat = dataclasses.replace(played.seat, since=5.0)
    assert played.go([{}]) == 0
    assert [session for session, _ in played.prompts] == ["", ""]
    assert [row["turn"] for row in played.usage] == [1, 2]


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"modle": "x"}, "no option modle"), ({"model": 4}, "cannot be 4"), ({"experiments": 0}, "above 0"),
    ({"permissions": "all"}, "guarded"), ({"permissions": "open", "interactive": True}, "guarded"), ({"price": {"input": 1}}, "price"), ({"price": {"input": 1, "output": "x"}}, "price"),
    ({"price": 3}, "price"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), OPTIONS)
def test_options_that_cannot_be_meant(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SwarmError) as error:
        turns.check(options)
    assert said in error.value.message + error.value.hint


def test_options_that_can(tmp_path: Path) -> None:
    turns.check(
        {"model": "m", "experiments": 5, "context": 9, "permissions": "guarded", "price": {"input": 1, "output": 2.5}}
    )


def test_a_session_file_that_cannot_be_read_is_a_new_session(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    for text in ("", "[]", '{"id": 7, "turns": "x", "more": 1}'):
        path.write_text(text)
        assert sessions.load(path) == sessions.Session()
    made = sessions.Session(id="a", turns=3, usd=0.5)
    made.save(path)
    assert sessions.load(path) == made


@pytest.mark.parametrize("totals", [frozenset(), frozenset({"tokens", "usd"})])
def test_totals_of_a_session_are_taken_apart(totals: frozenset[str]) -> None:
    state = sessions.Session()
    assert [state.spent(n, c, totals) for n, c in ((5, 1.0), (8, 1.5))] == (
        [(5, 1.0), (3, 0.5)] if totals else [(5, 1.0), (8, 1.5)]
    )


def test_who_submits_nothing_is_never_stuck(tmp_path: Path) -> None:
    answers = [{"room": 1} for _ in range(turns.STUCK + 3)] + [{"stop": True}]
    played = Played(tmp_path, [{}] * 9, answers, role="analyst")
    assert played.status == 0
    assert len(played.prompts) == turns.STUCK + 3
    assert "the analyst among agents" in played.prompts[0][1]
    assert not [text for _, text in played.prompts if "without a submission" in text or "call submit" in text]
    assert played.slept == [] and len({session for session, _ in played.prompts[1:]}) == 1, "one session goes on"
