"""What both real clients do in a night: refused again and again, ended from outside, what they cost, replaced by the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swarm.agents import session as sessions
from tests.clients.box import TRAIN, box, edit, eventually, look, tool
from tests.clients.test_swarm import Night, research

pytestmark = pytest.mark.clients
both = pytest.mark.parametrize("client", ["claude", "codex"])


def submit(client: str) -> dict[str, Any]:
    return tool(client, "submit", description="LR 1 to 2")


@both
def test_the_same_refusal_again_and_again_ends_the_turn(tmp_path: Path, client: str) -> None:
    replies = [look(client), edit(client, "LR = 1", "LR = 2"), *[submit(client)] * 3, {"text": "waiting", "hang": True}]
    with box(tmp_path, client, replies, 2, silence=60) as b:
        b.tools.refuse = "nothing changed: your files are the same as what you build on. Edit, then submit."
        child = b.start()
        eventually(lambda: (b.seat.folder / "usage.jsonl").exists())
        b.tools.refuse = ""
        b.model.replies[:] = [submit(client), {"text": "Submitted."}]
        shown, _ = child.communicate(timeout=90)
        assert child.returncode == 0, shown
        assert "the turn was ended: submit was refused 3 times in the same way: nothing changed" in shown
        assert "your submissions are refused in the same way each time" in json.dumps(b.model.bodies[-1]), shown
        assert b.tools.submitted == [TRAIN.replace("1", "2", 1)]  # in the same session, with what it had edited
        assert [t["blanks"] for t in b.tools.turns if t.get("state") == "stuck"] == [1]
        assert [row["submitted"] for row in b.usage()] == [0, 1]


@both
def test_what_a_turn_cost_is_told_with_its_experiment(tmp_path: Path, client: str) -> None:
    price = {"price": {"input": 2.0, "output": 10.0}} if client == "codex" else {}
    replies = [look(client), edit(client, "LR = 1", "LR = 2"), submit(client), {"text": "Submitted."}] * 2
    replies[5] = edit(client, "LR = 2", "LR = 3")
    with box(tmp_path, client, [{**r, "usage": (1000, 10)} for r in replies], 2, **price) as b:
        code, shown = b.run()
        assert code == 0, shown
        told = [t for t in b.tools.turns if "tokens" in t]
        assert [(t["turn"], t["tokens"], t["experiments"]) for t in told] == [
            (1, 4040, ["e0002"]),
            (2, 4040, ["e0003"]),
        ]
        each = (4000 * 2 + 40 * 10) / 1e6
        assert told[0]["usd"] > 0 and told[1]["usd"] == pytest.approx(each if price else told[0]["usd"], rel=0.01)


def test_what_a_turn_cost_until_it_was_ended_is_not_lost(tmp_path: Path) -> None:
    with box(tmp_path, "claude", [look("claude"), {"text": "half an", "hang": True}], 1, silence=60) as b:
        child = b.start()
        eventually(lambda: len(b.model.bodies) >= 2)
        child.terminate()
        shown, _ = child.communicate(timeout=60)
        assert child.returncode == 143, shown
        owed = sessions.load(b.seat.folder / "session.json").owed
        assert [t["turn"] for t in owed] == [1] and owed[0]["tokens"] >= 100
        b.tools.waits[:] = [{"room": 0}]
        assert b.run()[0] == 0
        assert b.tools.turns == owed


def test_a_swarm_knows_what_each_experiment_cost_and_gives_a_gpu_to_the_other_client(tmp_path: Path) -> None:
    claude = [*research("claude", "A", ["1.0", "0.6"]), {"text": "half an", "hang": True}]
    with Night(tmp_path, claude, research("codex", "C", ["3.0", "2.5"])) as night:
        box = night.box
        night.spawn("--gpus", "1", "--agents", "claude", "--hours", "1")
        box.until("SELECT COUNT(*) = 1 FROM costs WHERE experiment IS NOT NULL")
        box.until("SELECT COUNT(*) = 1 FROM experiments WHERE verdict = 'keep'")
        said = [
            json.loads(line) for line in (box.ws / ".swarm/agents/cpu0-claude/usage.jsonl").read_text().splitlines()
        ]
        assert box.query("SELECT agent, tokens, usd FROM costs WHERE experiment = 'e0002'") == [
            ("cpu0-claude", 4 * 120, said[0]["usd"])
        ]
        assert said[0]["usd"] > 0
        box.run("replace", "cpu0", "--with", "codex", **night.env)
        box.until("SELECT COUNT(*) = 1 FROM experiments WHERE agent = 'cpu0-codex' AND verdict = 'keep'")
        ((tip,),) = box.query("SELECT parent FROM experiments WHERE agent = 'cpu0-codex'")
        assert tip == "e0002"
        assert box.value("SELECT state FROM agents WHERE name = 'cpu0-claude'") == "stopped"
        # the turn that submitted; a later one, opened by the result, may have been booked by now
        box.until("SELECT tokens = 480 FROM costs WHERE agent = 'cpu0-codex' ORDER BY id LIMIT 1")
        lines = [_cmdline(p) for p in Path("/proc").glob("[0-9]*")]
        ours = [line for line in lines if str(tmp_path) in line and not line.split(" ")[0].endswith("tmux")]
        assert ours and [line for line in ours if "claude" in line] == []


def _cmdline(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""
