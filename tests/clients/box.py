"""One agent of a real client as a process of its own: a seat, a HOME, a worktree, a scripted model and the stand-in tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swarm.agents import kind
from swarm.ports import Seat
from tests.clients.scripted_models import Anthropic, Model, OpenAI
from tests.clients.tools import TOKEN, Tools

TRAIN = "LR = 1\nprint(LR)\n"
LONG = 90.0  # seconds anything may take
MODEL = "scripted"  # a model of Codex that calls its tools one by one
CODED = "scripted-code"  # one that writes scripts which call them
INSTALLED = Path(os.environ.get("SWARM_CLIENTS") or Path(__file__).resolve().parents[2] / ".clients")


def binary(name: str) -> Path:
    """The client that scripts/clients.sh installed. Never skipped: without it the tests fail."""
    path = INSTALLED / "node_modules" / ".bin" / name
    assert path.exists(), f"{path} is not there: make clients"
    return path


class Box:
    """`replies`: what the model says; `waits`: what the door says, then that it is over."""

    def __init__(
        self,
        root: Path,
        client: str,
        replies: Sequence[dict[str, Any]],
        waits: int | list[dict[str, Any]] = 1,
        **options: object,
    ) -> None:
        self.root = root
        self.client = client
        self.worktree = root / "worktrees" / "gpu0"
        self.home = root / "home"
        folder = root / ".swarm" / "agents" / "gpu0"
        for path in (
            self.worktree,
            self.home / ".codex",
            self.home / ".claude",
            folder,
            root / "tmp",
            root / ".swarm" / "locks",
        ):
            path.mkdir(parents=True)
        (self.worktree / "train.py").write_text(TRAIN)
        (self.worktree / "prepare.py").write_text("X = 1\n")
        (root / "secret.txt").write_text("a secret of the person\n")
        subprocess.run(["git", "init", "-q", str(self.worktree)], check=True)
        (folder / "brief.md").write_text("Try the learning rate first.\n")
        (root / "token").write_text(TOKEN)
        self.model: Model = Anthropic(replies) if client == "claude" else OpenAI(replies)
        self.tools = Tools(self.worktree, [{} for _ in range(waits)] if isinstance(waits, int) else waits)
        (root / "door.json").write_text(json.dumps({"url": self.tools.url}))
        if client == "codex":
            self._configure_codex()
        self.seat = Seat(
            "gpu0", client, self.worktree, folder, root / "door.json", root / "token", folder / "brief.md", ("train.py",), "",
            options,
        )  # fmt: skip

    def _configure_codex(self) -> None:
        """The person's own configuration: a provider without a login, and a server of tools that is not to be started."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = subprocess.run(
            [binary("codex"), "debug", "models", "--bundled"], env=env, capture_output=True, check=True
        )
        known = json.loads(done.stdout)["models"]  # patches are offered to models that the client knows
        direct = [m for m in known if m.get("tool_mode") != "code_mode_only"]
        coded = [m for m in known if m.get("tool_mode") == "code_mode_only"]
        models = [{**m, "slug": slug, "upgrade": None} for m, slug in ((direct[0], MODEL), (coded[0], CODED))]
        catalog = self.home / "catalog.json"
        catalog.write_text(json.dumps({"models": models}))
        (self.home / ".codex" / "config.toml").write_text(
            f'model = "{MODEL}"\nmodel_catalog_json = "{catalog}"\nmodel_provider = "own"\n'
            f'[mcp_servers.theirs]\ncommand = "touch"\nargs = ["{self.root}/theirs-was-started"]\n'
            f'[model_providers.own]\nname = "own"\nbase_url = "{self.model.url}/v1"\nwire_api = "responses"\n'
            'env_key = "OWN_KEY"\nrequires_openai_auth = false\nsupports_websockets = false\n'
            "request_max_retries = 1\nstream_max_retries = 1\n"
        )

    @property
    def env(self) -> dict[str, str]:
        path = f"{binary(self.client).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {n: v for n, v in os.environ.items() if n in ("LANG", "PYTHONPATH", "VIRTUAL_ENV", "TERM")}
        model = (
            {"ANTHROPIC_BASE_URL": self.model.url, "ANTHROPIC_API_KEY": "sk-test-not-a-key"}
            if self.client == "claude"
            else {}
        )
        quiet = {
            "DISABLE_TELEMETRY": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
        }
        return {
            **kept,
            "PATH": path,
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "tmp"),
            "OWN_KEY": "k",
            **quiet,
            **model,
        }

    before: tuple[str, ...] = ()  # words before its command line

    def start(self, **more: str) -> subprocess.Popen[str]:
        """The agent's process, as a session would start it."""
        launch = kind(self.client).launch(self.seat)
        assert launch.argv[0] == sys.executable
        return subprocess.Popen(
            [*self.before, *launch.argv], cwd=self.worktree, env={**self.env, **launch.env, **more}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, process_group=0,
        )  # fmt: skip

    def run(self, **more: str) -> tuple[int, str]:
        """Until it ends: its exit status and what its pane showed."""
        child = self.start(**more)
        try:
            shown, _ = child.communicate(timeout=LONG)
        finally:
            child.kill()
        return child.returncode, shown

    def events(self, turn: int) -> list[dict[str, Any]]:
        """The stream of one turn, as it was saved."""
        path = self.seat.folder / "turns" / f"{turn:04d}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def usage(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.seat.folder / "usage.jsonl").read_text().splitlines()]

    def outputs(self) -> list[str]:
        """What Codex's model was answered to its calls."""
        sent = self.model.bodies[-1]["input"]
        return [json.dumps(i["output"]) for i in sent if str(i.get("type")).endswith("_output")]

    def close(self) -> None:
        self.model.close()
        self.tools.close()
        shutil.rmtree(self.root / "home", ignore_errors=True)


@contextmanager
def box(root: Path, client: str, *args: Any, **options: Any) -> Iterator[Box]:
    made = Box(root, client, *args, **options)
    try:
        yield made
    finally:
        made.close()


def eventually(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def edit(client: str, old: str, new: str, path: str = "train.py") -> dict[str, Any]:
    """The model edits a file."""
    if client == "claude":
        return {"calls": [("Edit", {"file_path": path, "old_string": old, "new_string": new})]}
    return {"patch": f"*** Begin Patch\n*** Update File: {path}\n@@\n-{old}\n+{new}\n*** End Patch\n"}


def tool(client: str, name: str, **given: object) -> dict[str, Any]:
    """The model calls one of swarm's tools."""
    return {"calls": [(f"mcp__swarm__{name}" if client == "claude" else f"swarm.{name}", given)]}


def look(client: str) -> dict[str, Any]:
    """The model reads train.py: Codex has no other way than swarm's tool."""
    return (
        {"calls": [("Read", {"file_path": "train.py"})]}
        if client == "claude"
        else tool(client, "read", path="train.py")
    )
