"""Worktrees: usable by the agent's own git, and never believed by us."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarm.errors import Refused, SwarmError
from swarm.repo import Hub, Worktrees, plainly
from swarm.repo import call as git_call
from tests.repo.conftest import FILES, fill, git


@pytest.fixture
def tree(trees: Worktrees, base: str) -> Path:
    trees.add("gpu0-a", base)
    return trees.path("gpu0-a")


def content(folder: Path) -> dict[str, str]:
    found = [p for p in folder.rglob("*") if p.is_file() and p.name != ".git"]
    return {str(p.relative_to(folder)): p.read_text() for p in found}


def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every git process from now on."""
    made: list[list[str]] = []
    execute = git_call.git.Git.execute

    def counted(self: object, command: list[str], **more: object) -> object:
        made.append(command)
        return execute(self, command, **more)

    monkeypatch.setattr(git_call.git.Git, "execute", counted)
    return made


def test_the_agents_own_git_works_in_it(trees: Worktrees, tree: Path, base: str) -> None:
    assert content(tree) == FILES
    assert git(tree, "status", "--porcelain", "--branch") == "## swarm/gpu0-a"
    (tree / "train.py").write_text("A = 2\n")
    assert "+A = 2" in git(tree, "diff")
    git(tree, "commit", "-qam", "mine")
    assert git(tree, "log", "--format=%s") == "mine\nthe task"
    assert trees.head("gpu0-a") == git(tree, "rev-parse", "HEAD") != base


def test_put_makes_tracked_files_those_of_the_commit(trees: Worktrees, hub: Hub, tree: Path, base: str) -> None:
    (tree / "train.py").write_text("A = 99\n")
    (tree / "prepare.py").unlink()
    (tree / "notes.txt").write_text("mine")
    (tree / "out").mkdir()
    (tree / "out" / "x").write_text("mine too")
    new = hub.commit({"train.py": b"A = 2\r\n", "more.py": b"1"}, base, "two")
    trees.put("gpu0-a", new)
    mine = {"notes.txt": "mine", "out/x": "mine too"}
    assert (tree / "train.py").read_bytes() == b"A = 2\r\n"
    assert content(tree) == {**FILES, "train.py": "A = 2\n", "more.py": "1", **mine}
    hub.set_refs({"refs/heads/swarm/gpu0-a": new})
    assert git(tree, "status", "--porcelain") == "?? notes.txt\n?? out/"
    trees.put("gpu0-a", base)
    assert content(tree) == {**FILES, **mine}


def test_put_touches_nothing_where_nothing_differs(trees: Worktrees, tree: Path, base: str) -> None:
    before = {p: p.stat().st_mtime_ns for p in tree.rglob("*.py")}
    trees.put("gpu0-a", base)
    assert {p: p.stat().st_mtime_ns for p in tree.rglob("*.py")} == before


def test_few_processes(trees: Worktrees, tree: Path, base: str, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    made = calls(monkeypatch)
    trees.put("gpu0-a", base)
    assert len(made) == 1
    trees.editable("gpu0-a")
    trees.meddled("gpu0-a", base)
    assert trees.head("gpu0-a") == base
    assert len(made) == 1
    trees.add("gpu1-b", base)
    assert len(made) <= 4
    first = hub.commit({"train.py": b"x"}, base, "x")
    before = len(made)
    second = hub.commit({"train.py": b"y"}, first, "y")
    assert hub.diff(first, second) and hub.lines(first, second) == 0 and hub.read(second, "prepare.py")
    assert len(made) - before <= 6


@pytest.mark.parametrize("same_size", [True, False])
def test_a_change_with_a_forged_time_is_seen(trees: Worktrees, tree: Path, base: str, same_size: bool) -> None:
    was = (tree / "prepare.py").stat()
    (tree / "prepare.py").write_text("FROZEN = 2\n" if same_size else "FROZEN = 1000\n")
    os.utime(tree / "prepare.py", ns=(was.st_atime_ns, was.st_mtime_ns))
    assert trees.meddled("gpu0-a", base) == ["prepare.py"]
    trees.put("gpu0-a", base)
    assert content(tree) == FILES


def test_nothing_the_agent_writes_for_git_has_an_effect(trees: Worktrees, hub: Hub, tree: Path, base: str) -> None:
    (tree / ".git").write_text("gitdir: /nowhere\n")
    (tree / ".gitattributes").write_text("* text eol=crlf filter=x ident\n")
    (tree / "dä ta" / ".gitattributes").write_text("* text eol=crlf\n")
    hub.git("config", "filter.x.smudge", "touch smudged; cat")
    raw = b"a\nb\r\n$Id$\n"
    made = hub.commit({"train.py": raw, "dä ta/a file.txt": raw}, base, "raw")
    trees.put("gpu0-a", made)
    assert (tree / "train.py").read_bytes() == raw == (tree / "dä ta/a file.txt").read_bytes()
    assert trees.editable("gpu0-a") == {"train.py": raw}
    assert trees.meddled("gpu0-a", made) == []
    trees.add("gpu0-a", made)
    assert git(tree, "rev-parse", "--show-toplevel") == str(tree)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def sock(path: Path) -> None:
    short = Path("s")  # the path of a socket may be 100 bytes long
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(short))
        short.rename(path.name)
    finally:
        os.chdir(here)


ODD: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: p.symlink_to("/etc/passwd"), "is a link"),
    (lambda p: p.symlink_to("prepare.py"), "is a link"),
    (lambda p: p.mkdir(), "no regular file"),
    (fifo, "no regular file"),
    (sock, "no regular file"),
    (lambda p: None, "is missing"),
    (lambda p: p.write_bytes(b"x" * ((1 << 20) + 1)), "larger than 1 MB"),
]


@pytest.mark.parametrize(("make", "why"), ODD)
def test_only_plain_files_are_read_and_put_repairs(
    trees: Worktrees, tree: Path, base: str, make: Callable[[Path], object], why: str
) -> None:
    (tree / "train.py").unlink()
    make(tree / "train.py")
    with pytest.raises(Refused, match=why) as error:
        trees.editable("gpu0-a")
    assert error.value.hint
    trees.put("gpu0-a", base)
    assert content(tree) == FILES


def test_the_largest_file_is_taken(trees: Worktrees, tree: Path) -> None:
    (tree / "train.py").write_bytes(b"x" * (1 << 20))
    assert len(trees.editable("gpu0-a")["train.py"]) == 1 << 20


@pytest.mark.parametrize("edit", [["dä ta/a file.txt"]])
def test_a_link_on_the_way_is_not_followed(hub: Hub, place: Path, base: str, edit: list[str], tmp_path: Path) -> None:
    trees = Worktrees(hub, place / "worktrees", edit)
    trees.add("a", base)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a file.txt").write_text("not yours")
    folder = trees.path("a") / "dä ta"
    shutil.rmtree(folder)
    folder.symlink_to(outside)
    with pytest.raises(Refused):
        trees.editable("a")
    trees.put("a", base)
    assert content(trees.path("a")) == FILES
    assert (outside / "a file.txt").read_text() == "not yours"


def test_a_folder_moved_behind_a_link_is_put_back(trees: Worktrees, tree: Path, base: str) -> None:
    (tree / "dä ta").rename(tree / "elsewhere")
    (tree / "dä ta").symlink_to("elsewhere")
    assert trees.meddled("gpu0-a", base) == ["dä ta/a file.txt"]
    trees.put("gpu0-a", base)
    assert not (tree / "dä ta").is_symlink()
    assert (tree / "dä ta/a file.txt").read_text() == "text\n"


def test_meddling_is_found_kept_and_put_right(trees: Worktrees, tree: Path, base: str, tmp_path: Path) -> None:
    (tree / "train.py").write_text("A = 5\n")
    (tree / "prepare.py").write_text("FROZEN = 2\n")
    (tree / "untracked.py").write_text("x")
    shutil.rmtree(tree / "dä ta")
    (tree / "dä ta").write_text("a file now")
    assert trees.meddled("gpu0-a", base) == ["dä ta/a file.txt", "prepare.py"]
    keep = tmp_path / "kept"
    assert trees.restore("gpu0-a", base, keep) == ["dä ta/a file.txt", "prepare.py"]
    assert content(tree) == {**FILES, "train.py": "A = 5\n", "untracked.py": "x"}
    assert content(keep) == {"prepare.py": "FROZEN = 2\n", "dä ta": "a file now"}
    assert trees.meddled("gpu0-a", base) == []
    (tree / "prepare.py").write_text("FROZEN = 3\n")
    trees.restore("gpu0-a", base, keep)
    assert content(keep)["prepare.py-2"] == "FROZEN = 3\n"


def test_restoring_reads_and_writes_nothing_outside(trees: Worktrees, tree: Path, base: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a file.txt").write_text("hidden")
    shutil.rmtree(tree / "dä ta")
    (tree / "dä ta").symlink_to(secret)
    (tree / "prepare.py").unlink()
    (tree / "prepare.py").symlink_to(secret / "a file.txt")
    trees.restore("gpu0-a", base, tmp_path / "kept")
    assert content(tree) == FILES
    assert content(secret) == {"a file.txt": "hidden"}
    assert all("a link to" in text for text in content(tmp_path / "kept").values())


def test_add_is_idempotent(trees: Worktrees, hub: Hub, tree: Path, base: str) -> None:
    (tree / "mine.txt").write_text("mine")
    new = hub.commit({"train.py": b"A = 2\n"}, base, "two")
    trees.add("gpu0-a", new)
    assert (tree / "train.py").read_text() == "A = 2\n" and (tree / "mine.txt").read_text() == "mine"
    assert [p.name for p in trees.root.iterdir()] == ["gpu0-a"]


def _no_link(tree: Path, admin: Path) -> None:
    (tree / ".git").unlink()


def _no_admin(tree: Path, admin: Path) -> None:
    shutil.rmtree(admin)


def _half_admin(tree: Path, admin: Path) -> None:
    (admin / "HEAD").unlink()
    (admin / "locked").write_text("initializing")


def _nothing_but_link(tree: Path, admin: Path) -> None:
    for p in tree.iterdir():
        if p.name != ".git":
            shutil.rmtree(p) if p.is_dir() else p.unlink()
    shutil.rmtree(admin)


def _no_folder(tree: Path, admin: Path) -> None:
    shutil.rmtree(tree)


def _broken_index(tree: Path, admin: Path) -> None:
    index = admin.parents[2] / "index" / admin.name
    index.write_bytes(b"DIRC what")
    index.with_name(index.name + ".lock").write_text("")
    (admin / "index.lock").write_text("")


@pytest.mark.parametrize("crash", [_no_link, _no_admin, _half_admin, _nothing_but_link, _no_folder, _broken_index])
def test_add_after_a_crash_in_the_middle(
    trees: Worktrees, hub: Hub, tree: Path, base: str, crash: Callable[[Path, Path], None]
) -> None:
    crash(tree, hub.dir / "worktrees" / "gpu0-a")
    trees.add("gpu0-a", base)
    assert content(tree) == FILES
    assert git(tree, "status", "--porcelain", "--branch") == "## swarm/gpu0-a"
    assert [p.name for p in trees.root.iterdir()] == ["gpu0-a"]


def test_what_stands_in_the_way_is_kept(trees: Worktrees, base: str) -> None:
    (trees.root / "a").mkdir(parents=True)
    (trees.root / "a" / "precious").write_text("x")
    (trees.root / "b").symlink_to("/etc")
    trees.add("a", base)
    trees.add("b", base)
    assert content(trees.path("a")) == FILES == content(trees.path("b"))
    assert (trees.root / "a.kept" / "precious").read_text() == "x"
    assert (trees.root / "b.kept").is_symlink()


def test_a_branch_from_before_is_not_lost(trees: Worktrees, hub: Hub, base: str) -> None:
    old = hub.commit({"train.py": b"old"}, base, "old")
    hub.set_refs({"refs/heads/swarm/a": old})
    trees.add("a", base)
    assert hub.refs()["refs/heads/swarm/a"] == base
    assert old in hub.refs().values()


def test_a_half_done_merge_of_the_agent_is_over_after_put(trees: Worktrees, hub: Hub, tree: Path, base: str) -> None:
    (hub.dir / "worktrees/gpu0-a/MERGE_HEAD").write_text(base + "\n")
    (hub.dir / "worktrees/gpu0-a/rebase-merge").mkdir()
    git(tree, "checkout", "-q", "--detach")
    trees.put("gpu0-a", base)
    assert "merg" not in git(tree, "status") and git(tree, "branch", "--show-current") == "swarm/gpu0-a"


def test_head_believes_no_odd_file(trees: Worktrees, hub: Hub, tree: Path) -> None:
    head = hub.dir / "worktrees/gpu0-a/HEAD"
    for text in ("ref: refs/../../../secret", "ref: /etc/passwd", "", "ref: refs/heads/none", "e" * 40):
        head.write_text(text)
        assert trees.head("gpu0-a") is None
    head.unlink()
    os.mkfifo(head)
    assert trees.head("gpu0-a") is None
    assert trees.head("never") is None


def test_head_of_packed_refs(trees: Worktrees, hub: Hub, tree: Path, base: str) -> None:
    hub.git("pack-refs", "--all")
    assert trees.head("gpu0-a") == base


def test_a_missing_folder_is_made_again(trees: Worktrees, tree: Path, base: str) -> None:
    shutil.rmtree(tree)
    trees.put("gpu0-a", base)
    assert content(tree) == FILES and git(tree, "status", "--porcelain") == ""


def test_remove(trees: Worktrees, hub: Hub, tree: Path, base: str) -> None:
    trees.remove("gpu0-a")
    trees.remove("gpu0-a")
    assert not tree.exists() and "gpu0-a" not in hub.git("worktree", "list").decode()
    trees.add("gpu0-a", base)
    assert content(tree) == FILES


@pytest.mark.parametrize("name", ["", "..", "a/b", ".git", "-x", "a..b", "a.lock", "a.", "ä b", "x" * 65])
def test_names(trees: Worktrees, base: str, name: str) -> None:
    with pytest.raises(SwarmError):
        trees.add(name, base)


def test_many_at_once(trees: Worktrees, base: str) -> None:
    names = [f"gpu{i}-a" for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: trees.add(n, base), names))
    assert sorted(p.name for p in trees.root.iterdir()) == sorted(names)
    assert all(content(trees.path(n)) == FILES for n in names)


def test_git_itself_takes_it_for_a_worktree(trees: Worktrees, hub: Hub, base: str) -> None:
    """We write its side of the link ourselves; to git nothing is missing, and nothing is to be pruned."""
    trees.add_all({"a": base, "b": base})
    listed = git(hub.hidden, "worktree", "list", "--porcelain").split("\n\n")[1:]
    assert listed == [f"worktree {trees.path(n)}\nHEAD {base}\nbranch refs/heads/swarm/{n}" for n in ("a", "b")]
    assert git(hub.hidden, "worktree", "prune", "--dry-run", "--verbose", "--expire=now") == ""
    for name in ("a", "b"):
        assert git(trees.path(name), "status", "--porcelain", "--branch") == f"## swarm/{name}"
        assert git(trees.path(name), "stash", "list") == ""
    git(trees.path("a"), "fsck", "--strict")
    git(trees.path("a"), "checkout", "-q", "-b", "elsewhere")
    git(hub.hidden, "worktree", "remove", str(trees.path("b")))
    trees.add_all({"a": base, "b": base})
    assert git(trees.path("a"), "branch", "--show-current") == "swarm/a" and content(trees.path("b")) == FILES


def test_many_worktrees_are_few_processes(
    trees: Worktrees, hub: Hub, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.add("a", base)
    made = calls(monkeypatch)
    trees.add_all(dict.fromkeys("abcdef", base))
    assert sorted(len([c for c in made if verb in c]) for verb in ("update-ref", "read-tree")) == [1, 6]
    assert len(made) == 7


class Cut(BaseException):
    """A kill."""


@pytest.mark.parametrize("before", ["nothing", "a worktree without its link", "somebody's folder"])
def test_a_kill_between_the_files_of_the_link_is_put_right(
    hub: Hub, place: Path, base: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each file, and with each of them empty (a machine that lost its power), until it comes through."""
    write = plainly.write
    done = False
    for cut in range(1, 30):
        trees = Worktrees(hub, place / f"{cut} trees", ["train.py"])
        name = f"{cut}-a"
        if before == "a worktree without its link":
            trees.add(name, base)
            (trees.path(name) / ".git").unlink()
        elif before == "somebody's folder":
            fill(trees.path(name), {"theirs": "x"})
        left = cut

        def cutting(path: Path, data: bytes) -> None:
            nonlocal left
            left -= "info" not in path.parts and path.name != "config"
            if left == 0:
                write(path, b"")
                raise Cut
            write(path, data)

        monkeypatch.setattr(plainly, "write", cutting)
        try:
            trees.add(name, base)
            done = True
        except Cut:
            pass
        monkeypatch.setattr(plainly, "write", write)
        trees.add(name, base)
        assert git(trees.path(name), "status", "--porcelain", "--branch") == f"## swarm/{name}", cut
        assert content(trees.path(name)) == FILES
        assert [p.name for p in trees.root.iterdir() if p.name != name] == [f"{name}.kept"] * (before[0] == "s")
        if done:
            break
    assert done and cut > 4
