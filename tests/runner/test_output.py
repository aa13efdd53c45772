"""The log keeps both ends, in bounds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from swarm.runner.output import Log


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(0, 50), st.integers(0, 50))
def test_head_and_tail_are_kept_and_no_more(pieces: list[bytes], head: int, tail: int) -> None:
    whole = b"".join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "log.txt", head, tail)
        for piece in pieces:
            log.write(piece)
        log.close()
        kept = (Path(folder) / "log.txt").read_bytes()
    if len(whole) <= head + tail:
        assert kept == whole
        return
    assert kept.startswith(whole[:head])
    assert kept.endswith(whole[len(whole) - tail :])
    assert log.dropped == len(whole) - head - tail
    assert len(kept) < head + tail + 60


def test_a_shorter_end_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.txt", 4, 8)
    for _ in range(3):
        log.write(b"0123456789")
        log.flush()
    assert (tmp_path / "log.txt").read_text() == log.text() == "0123\n[... 18 bytes left out ...]\n23456789"
    log.close()


def test_the_head_is_on_disk_at_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.txt", 100, 100)
    log.write(b"step 1\r")
    assert (tmp_path / "log.txt").read_bytes() == b"step 1\r"
    log.close()


def test_a_full_disk_costs_lines_only(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "log.txt")
    log = Log(tmp_path / "log.txt", 10, 10)
    log.write(b"---\nval_bpb: 1\n")
    log.flush()
    assert log.text() == "---\nval_bpb: 1\n"
    log.close()
