"""prepare.py as a command: idempotent, resumable, loud."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Template, run_python


@pytest.fixture
def own(cache: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cache, tmp_path / "cache"))


def test_the_second_call_says_ready_and_writes_nothing(cache: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*")}
    again = run_python("prepare.py", cache=cache)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("ready: ")
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*")} == before


def test_the_fingerprint_is_of_the_validation_bytes(cache: Path) -> None:
    texts = json.loads((cache / "data" / "validation.json").read_text())["texts"]
    raw = "".join(texts).encode()
    assert json.loads((cache / "fingerprint.json").read_text()) == {
        "validation": hashlib.sha256(raw).hexdigest(),
        "span": len(raw),
        "context": 32,
    }
    assert 6_000 - 4 < len(raw) <= 6_000


def test_what_was_broken_off_goes_on(own: Path) -> None:
    kept = (own / "data" / "train-300.u16").stat().st_mtime_ns
    fingerprint = (own / "fingerprint.json").read_text()
    source = json.loads((own / "meta.json").read_text())["source"]
    for name in ("meta.json", "fingerprint.json", "data/made-512.json", "data/train-512.u16"):
        (own / name).unlink()
    asked = ("--source", source, "--vocab", "300", "512", "--span", "6000", "--context", "32")
    again = run_python("prepare.py", *asked, cache=own)
    assert again.returncode == 0, again.stderr
    assert "vocabulary 512" in again.stdout
    assert "vocabulary 300" not in again.stdout
    assert (own / "data" / "train-300.u16").stat().st_mtime_ns == kept
    assert (own / "fingerprint.json").read_text() == fingerprint


def test_a_vocabulary_more_keeps_the_fingerprint(own: Path) -> None:
    fingerprint = (own / "fingerprint.json").read_text()
    more = run_python("prepare.py", "--vocab", "280", cache=own)
    assert more.returncode == 0, more.stderr
    assert (own / "fingerprint.json").read_text() == fingerprint
    assert sorted(json.loads((own / "meta.json").read_text())["vocabs"]) == ["280", "300", "512"]


def test_another_source_or_span_is_refused(own: Path) -> None:
    for asked in (("--source", "stdlib"), ("--span", "5000")):
        refused = run_python("prepare.py", *asked, cache=own)
        assert refused.returncode == 1
        assert "--again" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_vocabulary_that_is_not_there_is_named(template: Template) -> None:
    with pytest.raises(SystemExit, match="prepared: 300, 512"):
        template.prepare.load(4096)


def test_nothing_prepared(template: Template, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SWARM_CACHE", str(tmp_path))
    with pytest.raises(SystemExit, match=r"run python prepare\.py"):
        template.prepare.load(300)


def test_a_truncated_file_is_not_ready(template: Template, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_CACHE", str(own))
    os.truncate(own / "data" / "train-300.u16", 100)
    with pytest.raises(SystemExit, match="nothing is prepared"):
        template.prepare.load(300)


class Shards(http.server.BaseHTTPRequestHandler):
    """Serves 1000 bytes; `cut` says after how many the connection breaks. Understands ranges."""

    content = bytes(range(250)) * 4
    cut = 1000
    asked: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if "missing" in self.path:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(1000 - start))
        self.end_headers()
        self.wfile.write(self.content[start : max(start, self.cut)])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Shards]]]:
    handler = type("Own", (Shards,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_address[1]}", handler
        http_server.shutdown()
        thread.join()


def test_a_partial_download_fails_loudly_and_goes_on(
    template: Template, server: tuple[str, type[Shards]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = server
    monkeypatch.setenv("SWARM_CACHE", str(tmp_path))
    handler.cut = 400
    with pytest.raises(SystemExit, match=r"0 of 1 files are there; missing: a\.parquet"):
        template.prepare.fetch_all(url, ["a.parquet"], tries=1)
    assert not (tmp_path / "data" / "a.parquet").exists()
    handler.cut = 1000
    (path,) = template.prepare.fetch_all(url, ["a.parquet"], tries=1)
    assert path.read_bytes() == handler.content
    assert handler.asked == [None, "bytes=400-"]
    assert template.prepare.fetch_all(url, ["a.parquet"]) == [path]  # there already: not asked for
    assert len(handler.asked) == 2


def test_one_file_missing_of_two(
    template: Template, server: tuple[str, type[Shards]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_CACHE", str(tmp_path))
    with pytest.raises(SystemExit, match=r"1 of 2 files are there; missing: missing\.parquet"):
        template.prepare.fetch_all(server[0], ["a.parquet", "missing.parquet"], tries=1)
    assert (tmp_path / "data" / "a.parquet").exists()


def test_parquet_folders(template: Template, tmp_path: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    for i in range(3):
        parquet.write_table(arrow.table({"text": [f"text {i}", f"more {i}"]}), tmp_path / f"shard_{i}.parquet")
    assert list(template.prepare.folder(tmp_path, "val")) == ["text 2", "more 2"]
    assert list(template.prepare.folder(tmp_path, "train")) == ["text 0", "more 0", "text 1", "more 1"]


def test_splits_share_nothing(template: Template) -> None:
    train, held = (set(template.prepare.library(split)) for split in ("train", "val"))
    assert not train & held
    assert len(train) > len(held) > 10


@pytest.mark.e2e
def test_the_library_offline(tmp_path: Path) -> None:
    made = run_python("prepare.py", cache=tmp_path, HTTPS_PROXY="http://127.0.0.1:9", CUDA_VISIBLE_DEVICES="")
    assert made.returncode == 0, made.stderr
    assert json.loads((tmp_path / "fingerprint.json").read_text())["context"] == 128
