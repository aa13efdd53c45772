"""Objects and refs of the hub."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.errors import SwarmError
from swarm.repo import Hub
from swarm.repo.call import Failed
from swarm.repo.hub import TEMPORARY
from tests.repo.conftest import FILES, git


def test_made_twice_it_is_the_same(hub: Hub, base: str) -> None:
    hub.set_refs({"refs/heads/best": base})
    (hub.dir / "config").write_text("[core]\n\tfsmonitor = touch /nowhere\n")  # an agent with a shell could
    again = Hub(hub.hidden)
    again.create()
    assert again.refs() == {"refs/heads/best": base}
    assert "fsmonitor" not in (hub.dir / "config").read_text()
    assert not list((hub.dir).glob("hooks/*"))


def test_a_commit_is_its_parent_with_files_put_in(hub: Hub, base: str) -> None:
    made = hub.commit({"train.py": b"A = 2\n", 'new/ein "Ding"\\.txt': b"\r\n\0"}, base, "two\0")
    assert hub.read(made, "train.py") == b"A = 2\n"
    assert hub.read(made, 'new/ein "Ding"\\.txt') == b"\r\n\0"
    assert hub.read(made, "dä ta/a file.txt") == b"text\n"
    assert sorted(hub.paths(made)) == sorted([*FILES, 'new/ein "Ding"\\.txt'])
    assert Hub(hub.hidden).files(made) == hub.files(made)  # what was remembered is what git says
    assert git(hub.hidden, "log", "-1", "--format=%P %an %s", made) == f"{base} swarm two"


def test_the_same_input_gives_the_same_commit(hub: Hub, base: str, tmp_path: Path) -> None:
    other = Hub(tmp_path / "other")
    other.create()
    assert other.commit({n: t.encode() for n, t in FILES.items()}, None, "the task") == base
    one = hub.commit({"train.py": b"x"}, base, "m")
    assert other.commit({"train.py": b"x"}, base, "m") == one
    assert hub.tree(hub.commit({}, base, "nothing")) == hub.tree(base)


def test_a_link_in_the_task_never_takes_an_agents_bytes_as_its_target(hub: Hub) -> None:
    blob = hub.store("train.py", b"real.py", "120000")
    linked = hub.commit_entries(blob, None, "linked")
    made = hub.commit({"train.py": b"/etc/passwd"}, linked, "mine")
    assert hub.files(made)["train.py"][0] == "100644"


def test_modes_stay(hub: Hub) -> None:
    tool = hub.commit_entries(hub.store("tool", b"1", "100755"), None, "tool")
    assert hub.files(hub.commit({"tool": b"2"}, tool, "again"))["tool"][0] == "100755"


def test_attributes_of_the_task_change_no_byte(hub: Hub, tmp_path: Path) -> None:
    attributes = (
        b"* text=auto eol=crlf ident filter=lfs export-subst\nprepare.py export-ignore\ntrain.py -diff binary\n"
    )
    raw = b"a\r\nb\n$Id$ $Format:%H$\n"
    made = hub.commit({".gitattributes": attributes, "train.py": raw, "prepare.py": raw}, None, "odd")
    hub.export(made, tmp_path / "out")
    assert (tmp_path / "out/train.py").read_bytes() == raw == (tmp_path / "out/prepare.py").read_bytes()
    assert hub.read(made, "train.py") == raw
    other = hub.commit({"train.py": raw + b"c\n"}, made, "odder")
    assert "+c" in hub.diff(made, other)


def test_export_is_a_clean_checkout(hub: Hub, base: str, tmp_path: Path) -> None:
    dest = tmp_path / "öut put" / "x"
    dest.mkdir(parents=True)
    (dest / "stale").write_text("")
    hub.export(base, dest)
    found = {str(p.relative_to(dest)): p.read_text() for p in dest.rglob("*") if p.is_file()}
    assert found == FILES


def test_lines_and_diff(hub: Hub, base: str) -> None:
    more = hub.commit({"train.py": FILES["train.py"].replace("B = 2\n", "B = 3\nC = 4\n-- 9\n").encode()}, base, "more")
    assert hub.lines(base, more) == 2 and hub.lines(more, base) == -2 and hub.lines(base, base) == 0
    assert "-B = 2" in hub.diff(base, more) and "diff --git a/train.py b/train.py" in hub.diff(base, more)
    gone = hub.commit({"train.py": b""}, base, "gone")
    assert hub.lines(base, gone) == -len(FILES["train.py"].splitlines())


def test_a_file_that_is_not_there(hub: Hub, base: str) -> None:
    with pytest.raises(KeyError):
        hub.read(base, "nope.py")


@pytest.mark.parametrize("text", ["", "nope", "HEAD", "--all", "a\0b", "a\nb", "refs/heads/../x", "e" * 40])
def test_what_names_no_commit(hub: Hub, base: str, text: str) -> None:
    assert hub.resolve(text) is None


def test_resolve(hub: Hub, base: str) -> None:
    hub.set_refs({"refs/heads/best": base})
    assert hub.resolve(base[:8]) == hub.resolve("best") == hub.resolve(base) == base
    assert hub.resolve(hub.tree(base)) is None


def test_refs_move_all_or_none(hub: Hub, base: str) -> None:
    hub.set_refs({})
    hub.set_refs({"refs/experiments/e0001": base, "refs/heads/best": base, "refs/none/here": None})
    with pytest.raises(Failed):
        hub.set_refs({"refs/heads/new": base, "refs/heads/bad": "e" * 40})
    hub.set_refs({"refs/heads/best": None})
    assert hub.refs() == {"refs/experiments/e0001": base}


@pytest.mark.parametrize("when", [1, 1 << 33], ids=["old", "from before the clock was set back"])
def test_a_lock_that_a_killed_git_left_is_broken(hub: Hub, base: str, when: int) -> None:
    lock = hub.dir / "refs/heads/best.lock"
    lock.write_text("")
    os.utime(lock, (when, when))
    hub.set_refs({"refs/heads/best": base})
    assert hub.refs() == {"refs/heads/best": base}


def test_what_a_killed_process_left_is_swept_and_nothing_else(hub: Hub, base: str, tmp_path: Path) -> None:
    for name in (
        "blobs-abc_1234",
        "index-abcdefgh",
        "merge-00000000",
        "index-youngone",
        "index",
        "blobs-of-mine",
        "runs",
    ):
        (hub.hidden / name).mkdir(exist_ok=True)
        (hub.hidden / name / "file").write_text("x")
        if name != "index-youngone":
            os.utime(hub.hidden / name, (1, 1))
    (hub.hidden / "index-linkedto").symlink_to(tmp_path, target_is_directory=True)
    (hub.hidden / "index-somefile").write_text("x")
    os.utime(hub.hidden / "index-somefile", (1, 1))
    before = {p.name for p in hub.hidden.iterdir()}
    hub.sweep()
    assert before - {p.name for p in hub.hidden.iterdir()} == {"blobs-abc_1234", "index-abcdefgh", "merge-00000000"}
    assert hub.read(base, "train.py")
    with pytest.raises(KeyboardInterrupt), _dying(hub):
        hub.export(base, tmp_path / "out")
    left = {p.name for p in hub.hidden.iterdir()} - before
    assert len(left) == 1 and TEMPORARY.fullmatch(*left)  # our own names are those that are swept


@contextlib.contextmanager
def _dying(hub: Hub) -> Iterator[None]:
    """Temporary folders are left as a kill leaves them."""
    with pytest.MonkeyPatch.context() as patch:

        def stay(self: object, *_: object) -> None:
            self._finalizer.detach()  # type: ignore[attr-defined]

        def die(*_: object, **__: object) -> bytes:
            raise KeyboardInterrupt

        patch.setattr("tempfile.TemporaryDirectory.__exit__", stay)
        patch.setattr(hub, "git", die)
        yield


def test_the_callers_git_variables_do_not_lead_us_astray(
    hub: Hub, base: str, person: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = git(person, "rev-parse", "HEAD")
    (tmp_path / "gitconfig").write_text(
        "[core]\n\tautocrlf = true\n[user]\n\tname = other\n[commit]\n\tgpgsign = true\n"
    )
    for name, value in (
        ("GIT_DIR", str(person / ".git")), ("GIT_WORK_TREE", str(person)), ("GIT_INDEX_FILE", str(tmp_path / "index")),
        ("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects")), ("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig")),
        ("GIT_AUTHOR_NAME", "other"), ("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.bare"), ("GIT_CONFIG_VALUE_0", "true"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    fresh = Hub(tmp_path / "fresh")
    fresh.create()
    made = fresh.commit({n: t.encode() for n, t in FILES.items()}, None, "the task")
    assert made == base
    assert fresh.seed(person) == (before, "")
    assert fresh.resolve("main") is None
    assert os.environ["GIT_DIR"] == str(person / ".git")


def test_what_is_fsynced_and_never_collected(hub: Hub, base: str) -> None:
    assert git(hub.hidden, "config", "gc.auto") == "0"
    assert git(hub.hidden, "config", "core.fsync") == "all"
    assert not (hub.dir / "logs").exists()
    unborn = subprocess.run(["git", "-C", hub.hidden, "rev-parse", "-q", "--verify", "HEAD"], capture_output=True)
    assert unborn.returncode != 0


def test_a_folder_that_is_gone_is_not_the_one_we_are_in(hub: Hub, tmp_path: Path) -> None:
    assert hub.pull(tmp_path / "gone", "HEAD") is None
    with pytest.raises(SwarmError):
        hub.push(tmp_path / "gone", "x", "y")
