"""Codex as an agent, headless. Guarded: no shell, no web, patches inside its worktree, and swarm's tools. Open: it may do
everything, behind a wall (`walled.py`).

The person's login is used where it is (CODEX_HOME). Their config.toml is not loaded; of it only the model and its
provider are handed on. As a process: python -m swarm.agents.codex
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from swarm.agents import found, transcripts, turns, walled
from swarm.agents import seat as seats
from swarm.agents.codex_stream import CodexReader
from swarm.agents.interactive import A_DAY, Interactive
from swarm.agents.stream import Told
from swarm.errors import SwarmError
from swarm.ports import Launch, Seat

PACKAGE = "@openai/codex"
KEY = "CODEX_API_KEY"  # what `codex exec` takes from the environment
OFF = (  # each is a way out of the worktree, or to somebody else's tools, or work that goes on after the turn
    "shell_tool", "unified_exec", "goals", "daemon_auto_start", "plugins", "apps", "hooks", "view_image", "image_generation",
    "browser_use", "browser_use_external", "computer_use", "in_app_browser", "multi_agent", "multi_agent_v2", "memories",
    "skill_mcp_dependency_install", "skill_search", "tool_suggest", "sleep_tool",
)  # fmt: skip
CARRIED = (
    "model", "model_provider", "model_reasoning_effort", "model_catalog_json", "model_context_window", "openai_base_url",
    "chatgpt_base_url", "forced_login_method", "cli_auth_credentials_store", "service_tier",
)  # fmt: skip
SECRET = ("experimental_bearer_token", "http_headers", "auth")  # never on a command line
GUARD: dict[str, Any] = {
    "approval_policy": "never",
    "sandbox_mode": "workspace-write",
    "sandbox_workspace_write": {
        "exclude_slash_tmp": True,
        "exclude_tmpdir_env_var": True,
        "network_access": False,
        "writable_roots": [],
    },
    "web_search": "disabled",
    "check_for_update_on_startup": False,
    "features": dict.fromkeys(OFF, False),
}
EVENTS = ("SessionStart", "Stop")
LIVELY = ("goals", "daemon_auto_start", "plugins", "apps", "memories")  # off in open mode too: they outlive a turn
UNGUARDED: dict[str, Any] = {
    "approval_policy": "never",
    "sandbox_mode": "danger-full-access",  # the wall is around the whole client
    "check_for_update_on_startup": False,
    "features": dict.fromkeys(LIVELY, False),
}


class CodexKind:
    """Options: see `turns.OPTIONS`. `together`: how many run."""

    name = "codex"

    def check(self, options: Mapping[str, object]) -> None:
        """Raises SwarmError when it is not installed, does not start, is not logged in, or when several would share a
        plan login whose refresh token may be used once."""
        turns.check(options)
        found.version(found.program("codex", PACKAGE), PACKAGE)
        config = configuration()
        if why := unpassable(config):
            raise SwarmError(
                f"{why} in codex's config.toml is a secret, and agents get their settings on a command line.",
                "Name it by a variable: env_key, env_http_headers",
            )
        how = login(config)
        if not how:
            raise SwarmError("codex is not logged in.", f"Log in: codex login. Or export {KEY}.")
        hooked = config.get("hooks") or Path(found.home("CODEX_HOME", ".codex"), "hooks.json").exists()
        if options.get("interactive") and hooked:
            raise SwarmError(
                "codex in its own screen would run your hooks as well.",
                "Leave out --interactive, or move hooks.json and [hooks] of config.toml away meanwhile.",
            )
        if options.get("interactive") and config.get("profile"):
            raise SwarmError(
                f"codex in its own screen would load your profile {config['profile']}, which may allow more than agents may.",
                "Leave out --interactive, or take profile = … out of config.toml meanwhile.",
            )
        walled.check(
            options, how, (how.startswith("by ") and how[3:] in os.environ) or how in ("needs none", "by a key")
        )
        together = options.get("together", 1)
        if rotating(config) and isinstance(together, int) and together > 1:
            raise SwarmError(
                f"{together} codex agents would share one plan login. Its refresh token is good for one use: the first "
                "that renews it logs the others out.",
                f"Give them a key: export {KEY}=… before swarm spawn. Or run one: --agents claude:{together - 1},codex:1",
            )

    def launch(self, seat: Seat) -> Launch:
        """This Python, which opens the client's turns."""
        return seats.launch(seat, "swarm.agents.codex")


def configuration() -> dict[str, Any]:
    """The person's config.toml; empty when there is none or it cannot be read."""
    try:
        return tomllib.loads((Path(found.home("CODEX_HOME", ".codex")) / "config.toml").read_text())
    except (OSError, ValueError):
        return {}


def provider(config: Mapping[str, Any]) -> dict[str, Any]:
    """The provider of the model where the person named one of their own; else empty."""
    named = config.get("model_provider")
    table = config.get("model_providers")
    chosen = table.get(named) if isinstance(table, dict) and isinstance(named, str) else None
    return chosen if isinstance(chosen, dict) else {}


def unpassable(config: Mapping[str, Any]) -> str:
    """The name of a secret that stands in the provider itself; empty when there is none."""
    return next((name for name in SECRET if provider(config).get(name)), "")


def login(config: Mapping[str, Any]) -> str:
    """How Codex is logged in here, in words, never showing what with; empty when it is not."""
    own = provider(config)
    if own and not own.get("requires_openai_auth"):
        name = own.get("env_key")
        return f"by {name}" if name and os.environ.get(str(name)) else "" if name else "needs none"
    if os.environ.get(KEY):
        return f"by {KEY}"
    stored = _auth()
    if stored.get("OPENAI_API_KEY"):
        return "by a key"
    if stored.get("tokens"):
        return "by a plan"
    kept_elsewhere = config.get("cli_auth_credentials_store") in ("keyring", "auto")
    return "by the keyring, perhaps" if kept_elsewhere else ""


def rotating(config: Mapping[str, Any]) -> bool:
    """Whether it is a plan login, with a refresh token that changes with every use."""
    how = login(config)
    return how in ("by a plan", "by the keyring, perhaps")


class Codex:
    """The driver: how one turn of Codex is started."""

    name = "codex"
    totals = frozenset({"tokens", "usd"})  # counted over the whole session

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.mode = walled.mode(seat.options)
        self.path = found.program("codex", PACKAGE)
        self.config = configuration()
        self.plan = rotating(self.config)

    def reader(self) -> CodexReader:
        return CodexReader(price=turns.price(self.seat.options))

    def argv(self, session: str, url: str) -> list[str]:
        """The command line of a turn; the prompt comes by stdin, the token by the environment."""
        words = [self.path, "exec", *(["resume"] if session else []), "--json", "--skip-git-repo-check"]
        words += ["--ignore-user-config", "--ignore-rules"]
        for name, value in flat(self.settings(url)):
            words += ["-c", f"{name}={toml(value)}"]
        words += [*([session] if session else []), "-"]
        if self.mode != walled.OPEN:
            return words
        catalog = str(self.config.get("model_catalog_json") or "")
        return walled.wrap(self.seat, words, os.environ, [catalog] if catalog else [])

    def screen(self, session: str, url: str, prompt: str, hooks: dict[str, str]) -> list[str]:
        """The command line of its own screen. It loads the person's configuration: their tools are switched off, and those who
        have hooks are sent away by `check`."""
        planted = self.seat.worktree / ".codex"  # a folder that is trusted is obeyed, hooks and all
        if planted.is_symlink() or (planted.is_dir() and any(planted.iterdir())):
            raise SwarmError(
                f"codex in its own screen would obey {planted}.",
                "Delete that folder if an agent wrote it; if it is the task's, leave out --interactive.",
            )
        settings = self.settings(url)
        settings["features"] = {**settings["features"], "hooks": True}
        theirs = self.config.get("mcp_servers")
        for name in theirs if isinstance(theirs, dict) else ():
            settings["mcp_servers"].setdefault(name, {"enabled": False})
        words = [self.path, *(["resume"] if session else []), "--no-daemon", "--dangerously-bypass-hook-trust"]
        for name, value in flat(settings):
            words += ["-c", f"{name}={toml(value)}"]
        for event, command in hooks.items():
            if event in EVENTS:
                what = f'{{type="command",command={toml(command)},timeout={A_DAY}}}'
                words += ["-c", f"hooks.{event}=[{{hooks=[{what}]}}]"]
        places = [self.seat.worktree.parent.parent / ".swarm", self.seat.worktree]
        projects = ",".join(f'{toml(str(path))}={{trust_level="trusted"}}' for path in places)
        return [*words, "-c", f"projects={{{projects}}}", *([session] if session else []), "--", prompt]

    def screen_env(self, token: str) -> dict[str, str]:
        """As for turns: all that its screen would ask is answered on the command line."""
        return self.env(token)

    def transcript(self, events: list[dict[str, Any]]) -> Told:
        return transcripts.codex(events)

    def env(self, token: str) -> dict[str, str]:
        """The environment of the client: the person's (open: what it needs of it), and the agent's token."""
        own = provider(self.config)
        by_header = own.get("env_http_headers")
        named = [str(own["env_key"])] if own.get("env_key") else []
        named += [str(name) for name in by_header.values()] if isinstance(by_header, dict) else []
        if self.mode != walled.OPEN:
            return found.env(os.environ, token, "codex", named)
        stored = _auth().get("OPENAI_API_KEY")  # a login by a key: the file itself stays outside
        key = {KEY: str(stored)} if stored and not os.environ.get(KEY) else {}
        return {**key, **walled.env(os.environ, token, self.seat, named)}

    def settings(self, url: str) -> dict[str, Any]:
        """What it is started with: the person's model and provider, then ours, which wins."""
        theirs: dict[str, Any] = {name: self.config[name] for name in CARRIED if name in self.config}
        if own := provider(self.config):
            theirs["model_providers"] = {
                self.config["model_provider"]: {k: v for k, v in own.items() if k not in SECRET}
            }
        if self.seat.options.get("model"):
            theirs["model"] = self.seat.options["model"]
        tools = {
            "url": url, "bearer_token_env_var": found.TOKEN, "tool_timeout_sec": 600, "default_tools_approval_mode": "approve",
            "required": True, "startup_timeout_sec": 60,  # no turn without them
        }  # fmt: skip
        rights = GUARD if self.mode == walled.GUARDED else UNGUARDED
        return {**theirs, **rights, "mcp_servers": {"swarm": tools}}


def flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values, of which `toml` writes each."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def toml(value: object) -> str:
    """Texts, numbers, truth and lists of them as TOML writes them: as JSON does, with letters as they are (it knows no pairs
    of surrogates), and DEL escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _auth() -> dict[str, Any]:
    try:
        stored = json.loads((Path(found.home("CODEX_HOME", ".codex")) / "auth.json").read_text())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


if __name__ == "__main__":
    sys.exit(turns.main(Codex, Interactive))
