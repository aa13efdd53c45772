"""Taking a task in and handing a commit out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.errors import SwarmError
from swarm.repo import Hub
from tests.repo.conftest import FILES, fill, git


def state(folder: Path) -> tuple[str, str, str]:
    """What must not change in a person's repository."""
    return (
        git(folder, "for-each-ref"),
        git(folder, "status", "--porcelain"),
        (folder / ".git/config").read_text(),
    )


def test_a_clone(hub: Hub, person: Path) -> None:
    before = state(person)
    commit, note = hub.seed(person)
    assert commit == git(person, "rev-parse", "HEAD") and note == ""
    assert hub.read(commit, "train.py").decode() == FILES["train.py"]
    assert hub.seed(str(person), "HEAD~1")[0] == git(person, "rev-parse", "HEAD~1")
    assert state(person) == before
    assert not (person / ".git/FETCH_HEAD").exists()


def test_edits_that_are_not_committed_are_part_of_it(hub: Hub, person: Path) -> None:
    (person / "train.py").write_bytes(b"A = 7\r\n")
    (person / "prepare.py").unlink()
    (person / "new.py").write_text("staged\n")
    (person / "untracked.py").write_text("no\n")
    git(person, "add", "new.py")
    os.chmod(person / "dä ta/a file.txt", 0o755)
    before = state(person)
    commit, note = hub.seed(person)
    assert commit != git(person, "rev-parse", "HEAD")
    assert hub.read(commit, "train.py") == b"A = 7\r\n"
    assert sorted(hub.paths(commit)) == ["dä ta/a file.txt", "new.py", "train.py"]
    assert "uncommitted edits" in note and "train.py" in note
    assert hub.seed(person)[0] == commit
    assert hub.seed(person, "HEAD")[0] == git(person, "rev-parse", "HEAD")
    assert state(person) == before


def test_a_link_among_the_edits_stays_a_link(hub: Hub, person: Path) -> None:
    (person / "prepare.py").unlink()
    (person / "prepare.py").symlink_to("/etc/passwd")
    commit, _ = hub.seed(person)
    assert hub.files(commit)["prepare.py"][0] == "120000"
    assert hub.read(commit, "prepare.py") == b"/etc/passwd"


def test_a_shallow_clone(hub: Hub, person: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", person.as_uri(), str(tmp_path / "shallow"))
    commit, _ = hub.seed(tmp_path / "shallow")
    made = hub.commit({"train.py": b"A = 3\n"}, commit, "three")
    hub.push(tmp_path / "shallow", made, "three")
    assert git(tmp_path / "shallow", "show", "three:train.py") == "A = 3"


def test_a_url(hub: Hub, person: Path) -> None:
    commit, _ = hub.seed(person.as_uri())
    assert commit == git(person, "rev-parse", "HEAD")
    assert hub.seed(person.as_uri(), "main")[0] == commit


def test_an_abbreviated_commit_of_a_url(hub: Hub, person: Path) -> None:
    first = git(person, "rev-parse", "HEAD~1")
    assert hub.seed(person.as_uri(), first[:9])[0] == first
    with pytest.raises(SwarmError, match="no commit nope"):
        hub.seed(person.as_uri(), "nope")


def test_a_url_that_leads_nowhere(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="cannot fetch"):
        hub.seed((tmp_path / "nothing").as_uri())


def test_a_commit_of_a_shallow_hub_does_not_shorten_a_persons_history(hub: Hub, person: Path) -> None:
    commit, _ = hub.seed(person.as_uri())  # one commit deep
    made = hub.commit({"train.py": b"A = 3\n"}, commit, "three")
    hub.push(person, made, "three")
    assert git(person, "rev-list", "--count", "three") == "3"
    assert git(person, "rev-parse", "--is-shallow-repository") == "false"


def test_a_bare_repository(hub: Hub, person: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(person), "bare.git")
    assert hub.seed(tmp_path / "bare.git") == (git(person, "rev-parse", "HEAD"), "")


def test_a_folder_of_a_repository_is_its_own_root(hub: Hub, person: Path) -> None:
    fill(person, {f"sub/{n}": t for n, t in FILES.items()})
    git(person, "add", ".")
    git(person, "commit", "-qm", "sub")
    clean, note = hub.seed(person / "sub")
    assert sorted(hub.paths(clean)) == sorted(FILES) and note == ""
    assert hub.pull(person / "sub", "main") == clean
    assert hub.pull(person / "sub", "HEAD~1") is None
    (person / "sub/train.py").write_text("A = 5\n")
    (person / "train.py").write_text("not this one\n")
    edited, note = hub.seed(person / "sub")
    assert hub.read(edited, "train.py") == b"A = 5\n" and "train.py" in note


def test_a_plain_folder(hub: Hub, tmp_path: Path) -> None:
    folder = fill(
        tmp_path / "plain", {**FILES, ".env": "secret", "__pycache__/x.pyc": "x", "v/pyvenv.cfg": "", "v/bin/x": "x"}
    )
    (folder / "link").symlink_to("/etc/passwd")
    commit, note = hub.seed(folder)
    assert sorted(hub.paths(commit)) == sorted(FILES)
    assert "link" in note
    assert hub.seed(folder)[0] == commit


def test_a_repository_without_commits_and_an_ignored_folder_are_plain(hub: Hub, person: Path, tmp_path: Path) -> None:
    git(fill(tmp_path / "unborn", FILES), "init", "-q")
    assert sorted(hub.paths(hub.seed(tmp_path / "unborn")[0])) == sorted(FILES)
    fill(person / "made", FILES)
    (person / ".git/info/exclude").write_text("/made/\n")
    assert sorted(hub.paths(hub.seed(person / "made")[0])) == sorted(FILES)


def test_what_cannot_be_a_task(hub: Hub, person: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, rev in (
        (tmp_path / "empty", None),
        (tmp_path / "gone", None),
        (person, "nope"),
        (tmp_path / "empty", "x"),
    ):
        with pytest.raises(SwarmError) as error:
            hub.seed(source, rev)
        assert error.value.hint


def test_pull(hub: Hub, person: Path, tmp_path: Path) -> None:
    first = git(person, "rev-parse", "HEAD~1")
    assert hub.pull(person, "HEAD~1") == first
    assert hub.pull(person, first[:7]) == first
    assert hub.read(first, "train.py") == b"A = 0\n"
    for what in ("nope", "", "-x", "a\0b", "--all"):
        assert hub.pull(person, what) is None
    assert hub.pull(tmp_path, "HEAD") is None


def test_a_pull_that_was_cut_short_is_done_again(hub: Hub, person: Path) -> None:
    """Packs are kept whole: a commit is never there without its files."""
    commit = hub.pull(person, "HEAD")
    assert commit and not list(hub.dir.glob("objects/??/*"))


def test_push_makes_a_branch_and_overwrites_none(hub: Hub, person: Path) -> None:
    commit, _ = hub.seed(person)
    made = hub.commit({"train.py": b"A = 3\n"}, commit, "three")
    hub.push(person, made, "swarm/best")
    assert git(person, "rev-parse", "swarm/best") == made
    for name in ("swarm/best", "main", "a..b", "-x", "a:b", "", "x*"):
        with pytest.raises(SwarmError):
            hub.push(person, commit, name)
    assert git(person, "rev-parse", "swarm/best") == made
    assert git(person, "status", "--porcelain") == ""
