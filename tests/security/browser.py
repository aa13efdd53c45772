"""Debian's Chromium without a window, and the sites it goes to: all of them ours, on this machine.

It has a proxy that knows no other way: a request for any name but this machine's own comes to `Site`, which answers for
that name or hands it to the port that it was meant for. So a page of http://evil.example:PORT, and then that very name at
the door of the same port, is what a name that was rebound to 127.0.0.1 looks like.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

PAGE = Path(__file__).with_name("page.html")
PATIENCE = 120.0  # seconds for a page to report
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-breakpad", "--disable-popup-blocking", "--password-store=basic", "--use-mock-keychain",
    # the browser's own walls between a page and this machine are not what is tested
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,OptimizationHints,MediaRouter",
)  # fmt: skip
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


class Server(ThreadingHTTPServer):
    """On a free port of 127.0.0.1, on threads of its own, until `shutdown`."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser hangs up whenever it likes; all else is a fault of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def say(self, body: bytes, kind: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class Site(Server):
    """Serves the page, takes its reports, and is the browser's proxy."""

    def __init__(self) -> None:
        self.reports: queue.Queue[list[dict[str, Any]]] = queue.Queue()
        site = self

        class OfSite(Handler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/page":
                    self.say(PAGE.read_bytes(), "text/html")
                elif url.path == "/sandboxed":  # its origin is "null"
                    src = f"/page?{url.query}".replace("&", "&amp;")
                    sandboxed = f'<iframe sandbox="allow-scripts allow-forms" src="{src}"></iframe>'
                    self.say(sandboxed.encode(), "text/html")
                elif url.path == "/report":
                    site.reports.put(json.loads(self.body()))
                    self.say(b"", "text/plain")
                elif url.netloc:
                    self._hand_on(url.netloc, url.path + (f"?{url.query}" if url.query else ""))
                else:
                    self.say(b"", "text/plain", 404)

            do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = do_GET

            def _hand_on(self, where: str, path: str) -> None:
                """To the same port of this machine, whatever the name, with every header as it came."""
                line = http.client.HTTPConnection("127.0.0.1", int(where.rpartition(":")[2]), timeout=60)
                body = self.body()
                line.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if not name.lower().startswith("proxy-"):
                        line.putheader(name, value)
                line.endheaders(body or None)
                answer = line.getresponse()
                data = answer.read()
                headers = {k: v for k, v in answer.getheaders() if k.lower() not in HOP}
                kind = headers.pop("content-type", headers.pop("Content-Type", "text/plain"))
                self.say(data, kind, answer.status, headers)
                line.close()

            def do_CONNECT(self) -> None:
                """A WebSocket goes through a proxy like this."""
                port = self.path.rpartition(":")[2]
                if not self.path.startswith("evil.example:"):
                    self.say(b"", "text/plain", 502)
                    return
                with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as far:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=pump, args=(far, self.connection), daemon=True)
                    back.start()
                    pump(self.connection, far)
                    back.join(5)
                self.close_connection = True

        super().__init__(OfSite)


HOP = ("content-length", "connection", "transfer-encoding", "keep-alive")


def pump(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


class Open(Server):
    """Lets everybody in and says so to all: what a page's tries come to where nothing holds them up.

    `seen`: (verb, name of the try) of each request.
    """

    WORD = "open sesame"

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        server = self

        class Everybody(Handler):
            def do_GET(self) -> None:
                tried = parse_qs(urlsplit(self.path).query).get("try", [""])[0]
                server.seen.append((self.command, tried))
                self.body()
                origin = self.headers.get("Origin") or "*"
                welcome = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
                           "Access-Control-Allow-Methods": "PUT, DELETE",
                           "Access-Control-Allow-Headers": "authorization, content-type, x-swarm"}  # fmt: skip
                if tried == "socket":
                    self._socket()
                    return
                body, kind = self._fitting(tried)
                self.say(body.encode(), kind, headers=welcome)

            do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = do_GET

            def _fitting(self, tried: str) -> tuple[str, str]:
                word = server.WORD
                return {
                    "image": (
                        f'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><!--{word}--></svg>',
                        "image/svg+xml",
                    ),
                    "script": (f"self.told = '{word}'", "text/javascript"),
                    "module": (f"self.told = '{word}'", "text/javascript"),
                    "worker": (f"self.told = '{word}'", "text/javascript"),
                    "style": ("body { color: red }", "text/css"),
                    "events": (f"data: {word}\n\n", "text/event-stream"),
                }.get(tried, (word, "text/plain"))

            def _socket(self) -> None:
                key = self.headers["Sec-WebSocket-Key"] + GUID
                self.send_response(101)
                for name, value in (
                    ("Upgrade", "websocket"), ("Connection", "Upgrade"),
                    ("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()),
                ):  # fmt: skip
                    self.send_header(name, value)
                self.end_headers()
                self.close_connection = True

        super().__init__(Everybody)


def program() -> str:
    """Chromium. Its absence is a failure: `scripts/system.sh all` installs it."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "there is no Chromium: sudo apt-get install chromium"
    return found


@contextlib.contextmanager
def looking(folder: Path, proxy: int, address: str) -> Iterator[None]:
    """Somebody looks at a page, with a profile of their own in `folder`, until the block is over."""
    profile = folder / "profile"
    words = [
        program(), *FLAGS, f"--user-data-dir={profile}", f"--proxy-server=http://127.0.0.1:{proxy}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", address,
    ]  # fmt: skip
    env = {**os.environ, "HOME": str(folder)}
    with (folder / "chromium.log").open("ab") as log:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        end = time.monotonic() + 30
        while (left := _of(profile)) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        shutil.rmtree(profile, ignore_errors=True)


def _of(profile: Path) -> list[int]:
    """The processes of a profile: its command line names it."""
    mark, found = os.fsencode(profile), []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def reported(
    folder: Path, site: Site, page: str, tried: Callable[[], Collection[str]], **query: str
) -> Mapping[str, dict[str, Any]]:
    """What a page (its address without the query) says it came to, by the name of each try.

    `tried`: the tries that have reached their goal by now; the browser stays until all of them have (a beacon is sent later).
    """
    with looking(folder, site.port, f"{page}?{urlencode(query)}"):
        try:
            report = {entry["name"]: entry for entry in site.reports.get(timeout=PATIENCE)}
        except queue.Empty:
            log = (folder / "chromium.log").read_text(errors="replace")
            raise AssertionError(f"the page never reported; Chromium said: {log[-2000:]}") from None
        end = time.monotonic() + PATIENCE
        while missing := report.keys() - set(tried()):
            assert time.monotonic() < end, f"these never came: {missing}"
            time.sleep(0.02)
    return report
