"""The door from outside: what screens and agents use to talk to the coordinator. Standard library only."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

from swarm.errors import Refused, SwarmError
from swarm.workspace import Workspace

Answer: TypeAlias = dict[str, Any]

LOOPBACK = ("127.0.0.1", "localhost")
PATIENCE = 30.0  # seconds a coordinator that is being restarted is waited for
SLOW = 300.0  # seconds one answer may take beyond the `timeout` that was asked for
AGAIN = ("wait", "constants", "pause", "resume")  # POST verbs that may be said twice
NAMED = (
    "undo",
    "tell",
    "grid",
)  # and these, since each request of them has a name by which the coordinator knows it again


class Unanswered(SwarmError):
    """Nobody answered. What was asked may be asked again later."""


class Client:
    """Talks to the coordinator of a workspace.

    `door` is the file with the address; it is read again when nobody answers there, so a coordinator may be restarted
    under a client. The bearer token is only ever sent to this machine.
    """

    def __init__(self, url: str, token: str, door: Path | None = None, token_file: Path | None = None) -> None:
        self._url = url
        self._token = token
        self._door = door
        self._token_file = token_file
        self.patience = PATIENCE

    @classmethod
    def at(cls, workspace: Workspace, who: str = "owner") -> Client:
        """The client of a workspace; `who` is owner, viewer or agent.NAME. Nothing is asked yet."""
        return cls("", "", workspace.door, workspace.token(who))

    @classmethod
    def of(cls, door: Path, token_file: Path) -> Client:
        """An agent's client, from the two files its seat names."""
        return cls("", "", door, token_file)

    def get(self, path: str, /, **query: Any) -> Answer:
        """GET /v1/`path`. Query values that are None are left out.

        Raises Refused (the coordinator will not), Unanswered (nobody there) or SwarmError.
        """
        asked = urlencode({k: v for k, v in query.items() if v is not None})
        target = _path(path) + (f"?{asked}" if asked else "")
        return self._ask("GET", target, None, float(query.get("timeout") or 0), again=True)

    def post(self, path: str, /, **body: Any) -> Answer:
        """POST the fields to /v1/`path` as JSON. Raises as `get` does."""
        verb = path.rpartition("/")[2]
        if verb in NAMED:
            body = {"request": os.urandom(12).hex(), **body}
        text = json.dumps(body, ensure_ascii=False).encode()
        again = verb in AGAIN or verb in NAMED
        return self._ask("POST", _path(path), text, float(body.get("timeout") or 0), again)

    def alive(self) -> bool:
        """Whether a coordinator answers here now."""
        try:
            return bool(self._once("GET", "/v1/health", None, 5.0)[1].get("ok"))
        except (SwarmError, OSError, http.client.HTTPException):
            return False

    def _ask(self, verb: str, target: str, body: bytes | None, timeout: float, again: bool) -> Answer:
        """Ask until somebody answers, for at most `patience` seconds while there is hope."""
        end = time.monotonic() + self.patience
        pause = 0.05
        while True:
            try:
                status, answer = self._once(verb, target, body, timeout + SLOW)
            except TimeoutError:
                raise Unanswered(f"the coordinator did not answer in {timeout + SLOW:.0f} s.", self._look()) from None
            except Unanswered:
                raise
            except (ConnectionRefusedError, FileNotFoundError):
                status, answer = 0, {}
            except (OSError, http.client.HTTPException):
                if not again:
                    raise Unanswered(
                        "the coordinator went away while it worked on this; it may or may not be done.",
                        "See: swarm status",
                    ) from None
                status, answer = 0, {}
            if status not in (0, 503):
                return _checked(status, answer)
            if time.monotonic() > end or not self._hope():
                raise self._nobody(answer)
            time.sleep(pause)
            pause = min(pause * 1.6, 1.0)

    def _once(self, verb: str, target: str, body: bytes | None, timeout: float) -> tuple[int, Answer]:
        host, port, token = self._address()
        line = http.client.HTTPConnection(host, port, timeout=timeout)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            line.request(verb, target, body, headers)
            response = line.getresponse()
            return response.status, _parsed(response.read())
        finally:
            line.close()

    def _address(self) -> tuple[str, int, str]:
        """Raises FileNotFoundError when no coordinator wrote an address here."""
        url, token = self._url, self._token
        if self._door is not None:
            door = _parsed(self._door.read_bytes())
            url = str(door.get("url", ""))
            if not url:
                raise FileNotFoundError(self._door)
            if door.get("host", socket.gethostname()) != socket.gethostname():
                raise Unanswered(
                    f"the coordinator of this workspace runs on {door['host']}.", f"Give the command on {door['host']}."
                )
        if self._token_file is not None:
            token = self._token_file.read_text().strip()
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK or parts.port is None:
            raise Unanswered("the coordinator's address is not one of this machine.", "Start it again: swarm resume")
        return parts.hostname, parts.port, token

    def _hope(self) -> bool:
        """Whether somebody is at work to bring the coordinator back: its keeper lives."""
        if self._door is None:
            return False
        return _held(Workspace(self._door.parent.parent).keeper)

    def _nobody(self, answer: Answer) -> Unanswered:
        if answer.get("error"):
            return Unanswered(str(answer["error"]), str(answer.get("hint", "")))
        if self._hope():
            return Unanswered("the coordinator does not come back.", self._look())
        return Unanswered("no coordinator is running here.", "swarm resume, or swarm spawn --gpus 8 --agents tuner")

    def _look(self) -> str:
        log = "" if self._door is None else f": {Workspace(self._door.parent.parent).log}"
        return f"See what it says in its log{log}"


def _path(path: str) -> str:
    return "/v1/" + quote(path.strip("/"))


def _parsed(raw: bytes) -> Answer:
    try:
        answer = json.loads(raw)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _checked(status: int, answer: Answer) -> Answer:
    if status < 300:
        return answer
    message = str(answer.get("error") or f"the coordinator answered with status {status}.")
    raise Refused(message, str(answer.get("hint") or ""), status)


def _held(lock: Path) -> bool:
    """Whether a living process holds this lock. A look only: an agent may be allowed no more than to read."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # not ours to see: hope
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
