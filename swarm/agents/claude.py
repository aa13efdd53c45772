"""Claude Code as an agent, headless. Guarded: it reads its worktree, edits the editable files and has swarm's tools. Open:
it may do everything, behind a wall (`walled.py`).

The person's login is used where it is. Their settings, hooks, plugins and MCP servers are not loaded: an allow rule of
theirs would widen ours. As a process: python -m swarm.agents.claude
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarm.agents import found, transcripts, turns, walled
from swarm.agents import seat as seats
from swarm.agents.claude_stream import ClaudeReader
from swarm.agents.interactive import A_DAY, Interactive
from swarm.agents.stream import Told
from swarm.errors import SwarmError
from swarm.ports import Launch, Seat

PACKAGE = "@anthropic-ai/claude-code"
TOOLS = "Read,Edit,Write,Glob,Grep"
NEVER = ["Bash", "WebFetch", "WebSearch", "Task", "NotebookEdit"]
KEYS = found.LOGINS["claude"]
CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
CARRIED = ("apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "model")  # how a person logs in, and what they run


class ClaudeKind:
    """Options: see `turns.OPTIONS`. `together`: how many run."""

    name = "claude"

    def check(self, options: Mapping[str, object]) -> None:
        """Raises SwarmError when it is not installed, does not start or is not logged in."""
        turns.check(options)
        found.version(found.program("claude", PACKAGE), PACKAGE)
        if not login():
            raise SwarmError(
                "claude is not logged in.",
                "Log in: claude (then /login). Or for unattended use: claude setup-token, and export "
                "CLAUDE_CODE_OAUTH_TOKEN. Or export ANTHROPIC_API_KEY.",
            )
        walled.check(options, login(), login() in [f"by {name}" for name in KEYS])
        if walled.mode(options) == walled.UNWALLED and os.geteuid() == 0:
            raise SwarmError(
                "claude does not skip its permissions as root without a sandbox.",
                "Leave out --yes-really (bubblewrap is its sandbox then), or run swarm as a normal user.",
            )

    def launch(self, seat: Seat) -> Launch:
        """This Python, which opens the client's turns."""
        return seats.launch(seat, "swarm.agents.claude")


def login() -> str:
    """How Claude Code is logged in here, in words, never showing what with; empty when it is not."""
    for name in KEYS:
        if os.environ.get(name):
            return f"by {name}"
    for name in CLOUDS:
        if os.environ.get(name):
            return f"by {name}"
    place = Path(found.home("CLAUDE_CONFIG_DIR", ".claude"))
    if _json(place / ".credentials.json"):
        return "by its own login"
    theirs = _json(place / "settings.json")
    given = theirs.get("env") if isinstance(theirs.get("env"), dict) else {}
    if theirs.get("apiKeyHelper") or any(name in (given or {}) for name in (*KEYS, *CLOUDS)):
        return "by its settings"
    about = _json(place / ".claude.json") or _json(Path.home() / ".claude.json")
    return "by its own login" if about.get("oauthAccount") or about.get("primaryApiKey") else ""


def plan() -> bool:
    """Whether the login is a plan: nothing is billed per token, and the cost that the client names is nobody's."""
    if any(os.environ.get(name) for name in (*CLOUDS, "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")):
        return False
    if os.environ.get("CLAUDE_CODE_OAUTH_TOKEN"):
        return True
    place = Path(found.home("CLAUDE_CONFIG_DIR", ".claude"))
    theirs = _json(place / "settings.json")
    given = theirs.get("env") if isinstance(theirs.get("env"), dict) else {}
    if theirs.get("apiKeyHelper") or any(n in (given or {}) for n in (*CLOUDS, *KEYS[:2])):
        return False
    about = _json(place / ".claude.json") or _json(Path.home() / ".claude.json")
    return bool(_json(place / ".credentials.json") or about.get("oauthAccount")) and not about.get("primaryApiKey")


class Claude:
    """The driver: how one turn of Claude Code is started."""

    name = "claude"
    totals = frozenset({"usd"})  # counted over the whole session

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.mode = walled.mode(seat.options)
        self.plan = plan()
        self.path = found.program("claude", PACKAGE)
        self.theirs = _json(Path(found.home("CLAUDE_CONFIG_DIR", ".claude")) / "settings.json")
        self._restricted: bool | None = None

    def reader(self) -> ClaudeReader:
        return ClaudeReader()

    def argv(self, session: str, url: str) -> list[str]:
        """The command line of a turn; the prompt comes by stdin, the token by the environment."""
        settings, tools = self._written("settings.json", self.settings()), self._written("mcp.json", servers(url))
        words = [self.path, "-p", "--output-format", "stream-json", "--verbose"]
        words += self._common(settings, tools, session)
        return words if self.mode != walled.OPEN else walled.wrap(self.seat, words, os.environ)

    def screen(self, session: str, url: str, prompt: str, hooks: dict[str, str]) -> list[str]:
        """The command line of its own screen, which runs our hooks and nobody else's."""
        ours = {
            event: [{"hooks": [{"type": "command", "command": command, "timeout": A_DAY}]}]
            for event, command in hooks.items()
        }
        settings = self._written("settings.json", {**self.settings(), "hooks": ours})
        return [self.path, *self._common(settings, self._written("mcp.json", servers(url)), session), "--", prompt]

    def screen_env(self, token: str) -> dict[str, str]:
        """As for turns. A login by a variable gets a configuration of its own, in which all dialogs are answered; one that is
        stored is used in place, and only the trust in our folder is added to it."""
        env = self.env(token)
        hidden = self.seat.worktree.parent.parent / ".swarm"
        key = next((env[name] for name in KEYS if env.get(name)), "")
        if not key:
            self._trust(hidden)
            return env
        place = self.seat.folder / "claude"
        place.mkdir(mode=0o700, exist_ok=True)
        answered = dialogs([hidden, self.seat.worktree], env.get("ANTHROPIC_API_KEY", ""))
        if not (place / ".claude.json").exists():
            (place / ".claude.json").write_text(json.dumps(answered))
        return {**env, "CLAUDE_CONFIG_DIR": str(place)}

    def transcript(self, events: list[dict[str, Any]]) -> Told:
        return transcripts.claude(events)

    def _trust(self, folder: Path) -> None:
        place = os.environ.get("CLAUDE_CONFIG_DIR")
        path = Path(place) / ".claude.json" if place else Path.home() / ".claude.json"
        if trust(path, folder):
            print(f"{path}: says now that {folder} is trusted (nothing else was changed)", flush=True)

    def _common(self, settings: str, tools: str, session: str) -> list[str]:
        words = [
            "--setting-sources",
            "",
            "--settings",
            settings,
            "--mcp-config",
            tools,
            "--strict-mcp-config",
            *self._rights(),
        ]
        words += ["--model", str(self.seat.options["model"])] if self.seat.options.get("model") else []
        return words + (["--resume", session] if session else [])

    def _rights(self) -> list[str]:
        if self.mode != walled.GUARDED:
            return ["--dangerously-skip-permissions"]
        restricted = ["--restricted"] if self._has_restricted() else []
        return ["--permission-mode", "dontAsk", "--tools", TOOLS, *restricted]

    def env(self, token: str) -> dict[str, str]:
        """The environment of the client: the person's, what their settings add to it, and the agent's token."""
        given = self.theirs.get("env")
        theirs = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
        if self.mode == walled.OPEN:
            return {**walled.env({**os.environ, **theirs}, token, self.seat), "DISABLE_AUTOUPDATER": "1"}
        return {**found.env(os.environ, token, "claude"), **theirs, "DISABLE_AUTOUPDATER": "1"}

    def settings(self) -> dict[str, Any]:
        """What is allowed: the worktree to read, the editable files to edit, swarm's tools; nothing else is asked for."""
        carried = {name: self.theirs[name] for name in CARRIED if self.theirs.get(name)}
        if self.mode != walled.GUARDED:
            return carried
        edit = [f"Edit(./{name})" for name in self.seat.edit]
        allow = ["Read(./**)", *edit, "mcp__swarm"]
        rules = {"defaultMode": "dontAsk", "allow": allow, "deny": NEVER}
        return carried | {"permissions": rules}

    def _written(self, name: str, content: object) -> str:
        path = self.seat.folder / name
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(content, indent=1))
        fresh.chmod(0o600)
        os.replace(fresh, path)
        return str(path)

    def _has_restricted(self) -> bool:
        """Newer versions confine the file tools to the worktree by themselves as well."""
        if self._restricted is None:
            self._restricted = False
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                done = subprocess.run([self.path, "--help"], capture_output=True, text=True, timeout=60, check=False)
                self._restricted = "--restricted" in done.stdout
        return self._restricted


def servers(url: str) -> dict[str, Any]:
    """The MCP configuration; the client puts the token in from its environment."""
    header = {"Authorization": f"Bearer ${{{found.TOKEN}}}"}
    return {"mcpServers": {"swarm": {"type": "http", "url": url, "headers": header}}}


def dialogs(trusted: list[Path], key: str) -> dict[str, Any]:
    """A configuration in which everything is answered that the client asks at its first start."""
    return {
        "hasCompletedOnboarding": True, "theme": "dark", "projects": {str(p): {"hasTrustDialogAccepted": True} for p in trusted},
        "customApiKeyResponses": {"approved": [key[-20:]] if key else [], "rejected": []},
    }  # fmt: skip


def trust(path: Path, folder: Path) -> bool:
    """Add to the person's configuration that `folder` is trusted, all or nothing, under the lock that the client uses too (a
    folder beside the file). Returns whether it was changed.

    Raises SwarmError when somebody else holds the lock for ten seconds.
    """
    path = path.resolve()  # it may be a link into somebody's dotfiles, and stays one
    lock = path.with_name(path.name + ".lock")
    for _ in range(100):
        try:
            lock.mkdir()
            break
        except FileExistsError:
            time.sleep(0.1)
    else:
        raise SwarmError(f"{lock} is held by another program.", "Is a claude hanging? End it, or remove that folder.")
    try:
        known = _json(path)
        if path.exists() and not known:
            raise SwarmError(f"{path} cannot be read.", "Start claude once by hand and answer what it asks.")
        entry = known.setdefault("projects", {}).setdefault(str(folder), {})
        if entry.get("hasTrustDialogAccepted"):
            return False
        entry["hasTrustDialogAccepted"] = True
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(known, indent=2, ensure_ascii=False))
        fresh.chmod(0o600)
        os.replace(fresh, path)
        return True
    finally:
        lock.rmdir()


def _json(path: Path) -> dict[str, Any]:
    try:
        found_there = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found_there if isinstance(found_there, dict) else {}


if __name__ == "__main__":
    sys.exit(turns.main(Claude, Interactive))
