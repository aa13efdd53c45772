"""Keys and tokens while a whole swarm of both clients runs: who knows them, and where they are written down."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.workspace import Workspace
from tests.clients.test_open import sh
from tests.clients.test_swarm import Night, panes, research
from tests.e2e.box import TRAIN, Box, ours, until

pytestmark = pytest.mark.clients

CLAUDES = "sk-ant-api03-a-key-of-claude-that-is-easily-found-0123456789"
CODEX = "sk-proj-a-key-of-codex-that-is-easily-found-0123456789"
TELLS = """
for place in ("self", str(os.getppid())):
    print("KNOWS", open(f"/proc/{place}/environ", errors="replace").read().replace(chr(0), " "))
"""


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def written(secrets: dict[str, str], *folders: Path) -> list[str]:
    """The files below `folders` in which a secret stands."""
    found = []
    for path in files(*folders):
        with contextlib.suppress(FileNotFoundError):  # it comes and goes
            data = path.read_bytes()
            found += [f"{name} in {path}" for name, secret in secrets.items() if secret.encode() in data]
    return found


def proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def tmux(box: Box, *words: str) -> str:
    name = Workspace(box.ws).session_name
    done = subprocess.run(["tmux", f"-L{name}", *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def tokens(box: Box) -> dict[str, str]:
    found = {p.name.removeprefix("agent."): p.read_text().strip() for p in (box.ws / ".swarm" / "tokens").iterdir()}
    assert {"owner", "cpu0-claude", "cpu1-codex"} <= set(found) and all(len(t) > 20 for t in found.values())
    return found


def test_keys_and_tokens_are_with_those_who_need_them_and_nowhere_else(tmp_path: Path) -> None:
    claude, codex = research("claude", "A", ["1.0", "0.6"]), research("codex", "C", ["3.0", "2.5"])
    hang = {"text": "thinking", "hang": True}  # a client in the middle of its second turn
    keys = {"ANTHROPIC_API_KEY": CLAUDES, "OWN_KEY": CODEX}
    train = TRAIN.replace("SECONDS = 0.2\n", "SECONDS = 0.2\n" + TELLS)
    with Night(
        tmp_path, {"cpu0-claude": [*claude, hang]}, {"cpu1-codex": [*codex, hang]}, train,
        **keys, OPENAI_API_KEY=CODEX + "-2",
    ) as night:  # fmt: skip
        box = night.box
        night.spawn("--gpus", "2", "--agents", "claude,codex", "--hours", "1")
        box.until("SELECT COUNT(*) = 2 FROM experiments WHERE origin = 'submit' AND verdict IS NOT NULL")
        until(lambda: all(len(m.bodies) >= 5 for m in (night.claude, night.codex)), say=lambda: panes(box))
        secret = {**keys, **tokens(box)}

        everybody = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
        assert [
            (n, proc(p, "cmdline")[:50]) for p in everybody for n, s in secret.items() if s in proc(p, "cmdline")
        ] == []

        for words in (["show-environment", "-g"], ["show-environment", "-t", "=cpu0-claude:"]):
            shown = tmux(box, *words)
            assert "PATH=" in shown or "CUDA_VISIBLE_DEVICES=" in shown
            assert [name for name, s in secret.items() if s in shown] == []
        assert [
            n for n, s in secret.items() if s in proc(int(tmux(box, "display-message", "-p", "#{pid}")), "environ")
        ] == []

        clients = {"claude": 0, "codex": 0}
        for pid in ours(tmp_path):
            env = dict(v.partition("=")[::2] for v in proc(pid, "environ").split("\0") if v)
            known = {name for name, s in secret.items() if s in env.values()}
            assert "owner" not in known, proc(pid, "cmdline")
            if mine := env.get("SWARM_AGENT_TOKEN"):  # a client's own process, and what it starts
                agent = next(name for name, s in secret.items() if s == mine)
                clients[agent.partition("-")[2]] += 1
                assert not known & (set(tokens(box)) - {agent}), proc(pid, "cmdline")
                assert ("ANTHROPIC_API_KEY" in known) == (agent == "cpu0-claude"), proc(pid, "cmdline")
                assert ("OPENAI_API_KEY" in env) == (agent == "cpu1-codex"), proc(pid, "cmdline")
            else:
                assert not known & set(tokens(box)), proc(pid, "cmdline")
        assert all(clients.values()), clients

        logs = [p.read_text(errors="replace") for p in (box.ws / ".swarm" / "runs").rglob("log.txt")]
        assert logs and any(
            "KNOWS" in text and "SWARM_SEED=" in text for text in logs
        )  # what runs know is in their logs
        places = [p for p in (box.ws / ".swarm").iterdir() if p.name != "tokens"]
        assert written(secret, *[p for p in places if p.is_dir()], box.ws / "worktrees", box.task) == []
        assert [n for n, s in secret.items() for p in places if p.is_file() and s.encode() in p.read_bytes()] == []
        said = json.dumps(night.claude.bodies) + json.dumps(night.codex.bodies)
        assert [name for name, s in secret.items() if s in said] == []


def test_an_open_client_with_a_shell_does_not_find_the_keys_of_others(tmp_path: Path) -> None:
    keys = {"ANTHROPIC_API_KEY": CLAUDES, "OWN_KEY": CODEX, "OPENAI_API_KEY": CODEX + "-2"}
    look = f"env; cat {tmp_path}/box/ws/.swarm/tokens/*; cat /proc/*/environ | tr '\\0' '\\n'; echo done"

    def script(client: str, name: str, old: str, new: str) -> list[dict[str, object]]:
        turn = research(client, name, [old, new])
        return [sh(client, look), sh(client, f"sed -i 's/^{name} = {old}/{name} = {new}/' train.py"), *turn[2:]]

    claude, codex = script("claude", "A", "1.0", "0.6"), script("codex", "C", "3.0", "2.5")
    with Night(tmp_path, {"cpu0-claude": claude}, {"cpu1-codex": codex}, **keys) as night:
        box = night.box
        night.spawn("--gpus", "2", "--agents", "claude,codex", "--permissions", "open", "--experiments", "2")
        box.until("SELECT COUNT(*) = 2 FROM experiments WHERE origin = 'submit'")
        by = dict(box.query("SELECT agent, description FROM experiments WHERE origin = 'submit'"))
        assert by == {"cpu0-claude": "A 1.0 to 0.6", "cpu1-codex": "C 3.0 to 2.5"}, panes(box)
        held = tokens(box)
        for model, agent, foreign in (
            (night.claude, "cpu0-claude", CODEX),
            (night.codex, "cpu1-codex", CLAUDES),
        ):
            said = json.dumps(model.bodies)
            assert "IS_SANDBOX=1" in said and foreign not in said, panes(box)
            assert [name for name, token in held.items() if name != agent and token in said] == []
