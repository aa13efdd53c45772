"""Why several Codex agents on one plan login are refused: its refresh token is good for one use, and a copy of the login is dead
once the other one has renewed it. Shown on a server of our own that rotates them, with the real client."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.box import LONG, binary
from tests.clients.served import Served, _Handler

pytestmark = pytest.mark.clients
USED = "refresh token was already used"


def ticket(lasts: float) -> str:
    """A token in the form that the client reads: when it ends, whose it is."""
    who = {"chatgpt_plan_type": "pro", "chatgpt_account_id": "a", "chatgpt_user_id": "u"}
    parts: list[dict[str, Any]] = [
        {"alg": "none"},
        {"exp": int(time.time() + lasts), "email": "a@b", "https://api.openai.com/auth": who},
    ]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts) + ".c2ln"


class Account(Served):
    """Renews a login once per refresh token. Answers nothing else."""

    def __init__(self) -> None:
        self.good = {"r0"}
        self.renewed = 0
        super().__init__()

    def answer(self, verb: str, path: str, body: Any, line: _Handler) -> None:
        if path != "/oauth/token":
            return line.json(400, {"error": {"message": "nothing here"}})
        with self.lock:
            known = body["refresh_token"] in self.good
            self.good.discard(body["refresh_token"])
            if known:
                self.renewed += 1
                self.good.add(f"r{self.renewed}")
        if not known:
            return line.json(401, {"error": {"code": "refresh_token_reused", "message": "used"}})
        fresh = {"access_token": ticket(3600), "id_token": ticket(3600), "refresh_token": f"r{self.renewed}"}
        return line.json(200, fresh)


def login(home: Path, account: Account) -> None:
    """A plan login that has to be renewed."""
    home.mkdir(parents=True)
    tokens = {"id_token": ticket(-9), "access_token": ticket(-9), "refresh_token": "r0", "account_id": "a"}
    stored = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2026-01-01T00:00:00Z"}
    (home / "auth.json").write_text(json.dumps(stored))
    (home / "config.toml").write_text(
        f'chatgpt_base_url = "{account.url}/backend"\nopenai_base_url = "{account.url}/v1"\n'
        "check_for_update_on_startup = false\n[features]\ndaemon_auto_start = false\nplugins = false\napps = false\n"
    )


def turn(home: Path, account: Account) -> str:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home),
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{account.url}/oauth/token",
    }  # fmt: skip
    words = [binary("codex"), "exec", "--json", "--skip-git-repo-check", "hello"]
    done = subprocess.run(
        words, cwd=home, env=env, capture_output=True, text=True, timeout=LONG, stdin=subprocess.DEVNULL, check=False
    )
    return done.stdout + done.stderr


def test_a_copied_plan_login_is_dead_once_the_other_was_renewed(tmp_path: Path) -> None:
    account = Account()
    try:
        one, two = tmp_path / "one", tmp_path / "two"
        login(one, account)
        login(two, account)
        assert USED not in turn(one, account)
        assert json.loads((one / "auth.json").read_text())["tokens"]["refresh_token"] == "r1"
        assert USED in turn(two, account)
        assert account.renewed == 1
    finally:
        account.close()
