"""The history of a repository of somebody else's, who may wish us no good."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swarm.errors import SwarmError
from swarm.repo import history

FILES = ("train.py",)


def sh(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=p", "-c", "user.email=p@localhost", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, text: str, message: str, name: str = "train.py") -> str:
    (folder / name).write_text(text)
    sh(folder, "add", "-A")
    sh(folder, "commit", "-q", "-m", message)
    return sh(folder, "rev-parse", "HEAD")


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """Three experiments on a branch, a commit beside the script, one that was reset away."""
    folder = tmp_path / "a förk"
    folder.mkdir()
    sh(folder, "init", "-q", "-b", "main")
    commit(folder, "LR = 0.1\nWD = 0.2\n", "as given")
    sh(folder, "checkout", "-q", "-b", "autoresearch/mar5")
    commit(folder, "LR = 0.2\nWD = 0.2\n", "twice the rate")
    commit(folder, "words\n", "notes", "README.md")
    commit(folder, "LR = 0.2\nWD = 0.1\n", "half the decay\n\nand a body")
    return folder


def steps(folder: Path, scratch: Path, branch: str | None = None) -> list[history.Step]:
    with history.opened(folder, scratch) as there:
        _, tip = there.tip(branch)
        return list(there.steps(there.along(tip, FILES), FILES))


def test_commits_that_changed_the_script(fork: Path, tmp_path: Path) -> None:
    found = steps(fork, tmp_path / "scratch")
    assert [s.subject for s in found] == ["as given", "twice the rate", "half the decay"]
    assert [line for line in found[1].patch.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")] == [
        "-LR = 0.1",
        "+LR = 0.2",
    ]
    assert "+LR = 0.1" in found[0].patch
    assert "README" not in "".join(s.patch for s in found)
    assert all(s.at > 1.7e9 and len(s.commit) == 40 for s in found)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_branches_loose_and_packed(fork: Path, tmp_path: Path) -> None:
    assert len(steps(fork, tmp_path, "main")) == 1
    sh(fork, "pack-refs", "--all")
    sh(fork, "gc", "-q")
    assert len(steps(fork, tmp_path, "main")) == 1
    assert len(steps(fork, tmp_path, "autoresearch/mar5")) == 3
    with pytest.raises(SwarmError, match="no branch 'mine'") as trouble:
        steps(fork, tmp_path, "mine")
    assert trouble.value.hint == "There are: autoresearch/mar5, main"


def test_bare_linked_and_detached(fork: Path, tmp_path: Path) -> None:
    sh(tmp_path, "clone", "-q", "--bare", str(fork), "bare.git")
    assert len(steps(tmp_path / "bare.git", tmp_path, "autoresearch/mar5")) == 3
    sh(fork, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "main")
    assert len(steps(tmp_path / "linked", tmp_path)) == 1
    assert len(steps(tmp_path / "linked", tmp_path, "autoresearch/mar5")) == 3


def test_a_shallow_and_a_shared_clone(fork: Path, tmp_path: Path) -> None:
    sh(tmp_path, "clone", "-q", "--depth", "2", f"file://{fork}", "shallow")
    assert [s.subject for s in steps(tmp_path / "shallow", tmp_path)][-1] == "half the decay"
    sh(tmp_path, "clone", "-q", "--shared", str(fork), "shared")
    assert len(steps(tmp_path / "shared", tmp_path)) == 3


def test_a_merge_is_what_it_brought(fork: Path, tmp_path: Path) -> None:
    sh(fork, "checkout", "-q", "main")
    sh(fork, "merge", "-q", "--no-ff", "-m", "all of it", "autoresearch/mar5")
    merged = steps(fork, tmp_path)[-1]
    assert merged.subject == "all of it"
    assert "+WD = 0.1" in merged.patch


def test_what_was_reset_away_is_found_by_its_name(fork: Path, tmp_path: Path) -> None:
    gone = commit(fork, "LR = 9\nWD = 0.1\n", "too much")
    sh(fork, "reset", "-q", "--hard", "HEAD~1")
    with history.opened(fork, tmp_path / "scratch") as there:
        assert there.resolved([gone[:7], "0000000", "abcd"]) == {gone[:7]: gone}
        (step,) = there.steps([gone], FILES)
    assert step.subject == "too much"


def test_its_table(fork: Path, tmp_path: Path) -> None:
    def table() -> str | None:
        with history.opened(fork, tmp_path / "scratch") as there:
            return there.table(there.tip(None)[1])

    assert table() is None
    commit(fork, "tracked\n", "t", "results.tsv")
    (fork / "results.tsv").unlink()
    assert table() == "tracked\n"
    (fork / "results.tsv").write_text("beside\n")
    assert table() == "beside\n"


@pytest.mark.parametrize("made", [False, True])
def test_what_is_no_repository(tmp_path: Path, made: bool) -> None:
    place = tmp_path / "plain"
    if made:
        (place / ".git").mkdir(parents=True)
    else:
        place.mkdir()
    with pytest.raises(SwarmError, match="no git repository"):
        steps(place, tmp_path / "scratch")


def test_nothing_of_it_is_run_or_changed(fork: Path, tmp_path: Path) -> None:
    """Every way by which a repository can have a program started, and a filter for good measure."""
    trap = tmp_path / "sprung"
    script = tmp_path / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch '{trap}'\ncat 2>/dev/null\n")
    script.chmod(0o755)
    (fork / ".gitattributes").write_text("*.py diff=evil filter=evil merge=evil\n")
    (fork / ".git" / "info" / "attributes").write_text("*.py diff=evil filter=evil\n")
    names = ("diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean", "filter.evil.smudge",
             "core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "uploadpack.packObjectsHook", "gpg.program",
             "credential.helper", "alias.rev-list", "alias.diff-tree", "core.alternateRefsCommand")  # fmt: skip
    for name in names:
        sh(fork, "config", name, str(script))
    sh(fork, "config", "log.showSignature", "true")
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        path = fork / ".git" / "hooks" / hook
        path.write_text(script.read_text())
        path.chmod(0o755)
    sh(fork, "config", "core.hooksPath", str(fork / ".git" / "hooks"))
    trap.unlink(missing_ok=True)
    before = sorted((str(p), p.stat().st_mtime_ns) for p in fork.rglob("*"))
    found = steps(fork, tmp_path / "scratch")
    assert "+LR = 0.2" in found[1].patch, "its own words, whatever the attributes say"
    assert not trap.exists()
    assert sorted((str(p), p.stat().st_mtime_ns) for p in fork.rglob("*")) == before
    subprocess.run(["git", "-C", str(fork), "log", "-p", "-1", "--ext-diff"], capture_output=True, check=False)
    assert trap.exists(), "the traps work: git itself walks into them"


def test_objects_that_are_missing_are_not_fetched_from_anywhere(fork: Path, tmp_path: Path) -> None:
    """A partial clone would have a program of its choice fetch them."""
    trap = tmp_path / "sprung"
    sh(fork, "config", "remote.origin.url", f"ext::sh -c 'touch {trap}'")
    sh(fork, "config", "remote.origin.promisor", "true")
    sh(fork, "config", "extensions.partialClone", "origin")
    sh(fork, "config", "protocol.ext.allow", "always")
    blob = sh(fork, "rev-parse", "HEAD:train.py")
    (fork / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(SwarmError, match="cannot be read"):
        steps(fork, tmp_path / "scratch")
    assert not trap.exists()


def test_replaced_commits_and_grafts_count_for_nothing(fork: Path, tmp_path: Path) -> None:
    first, last = sh(fork, "rev-list", "main").split()[0], sh(fork, "rev-parse", "HEAD")
    sh(fork, "replace", last, first)
    assert [s.subject for s in steps(fork, tmp_path / "scratch")][-1] == "half the decay"


@pytest.mark.parametrize(
    "place", ["HEAD", "packed-refs", "shallow", "objects/aa/" + "b" * 38, "objects/info/alternates"]
)
def test_a_pipe_holds_nobody_up(fork: Path, tmp_path: Path, place: str) -> None:
    pipe = fork / ".git" / place
    pipe.unlink(missing_ok=True)
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    try:
        found = steps(fork, tmp_path / "scratch", "autoresearch/mar5")
    except SwarmError:
        return
    assert len(found) == 3


def test_names_that_lead_elsewhere(fork: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a" * 40 + "\n")
    (fork / ".git" / "refs" / "heads" / "link").symlink_to(secret)
    for name in ("link", "../../../secret", "--all", "main~1", "", "\x1b[31m"):
        with pytest.raises(SwarmError, match="no branch"):
            steps(fork, tmp_path / "scratch", name)


def test_it_is_bounded(fork: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(fork, "x" * (history.LARGE + 9), "m" * 5000)
    huge = steps(fork, tmp_path / "scratch")[-1]
    assert len(huge.subject) <= 500
    assert len(huge.patch) < 1000, "too large for a diff"
    commit(fork, "y = 1\n", "small again")
    commit(fork, "y = 1\n" * 30_000, "many lines")
    assert len(steps(fork, tmp_path / "scratch")[-1].patch) == history.PATCH
    monkeypatch.setattr(history, "MOST", 2)
    monkeypatch.setattr(history, "AT_ONCE", 1)
    assert [s.subject for s in steps(fork, tmp_path / "scratch")] == ["m" * 498 + "..", "small again", "many lines"]


def test_words_that_look_like_ours(fork: Path, tmp_path: Path) -> None:
    """What stands in the files or the messages ends no patch and begins none."""
    commit(fork, "commit " + "a" * 40 + "\n\x00\ndiff --git a/x b/x\n", "diff --git a/x \x1b[2J")
    found = steps(fork, tmp_path / "scratch")
    assert len(found) == 4
