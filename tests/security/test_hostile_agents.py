"""Agents that do to their worktree and to its git what they should not. The story goes on, and what is recorded is what was
measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.errors import Refused
from swarm.runner.spec import RunResult, RunSpec
from tests.coordinator.play import Play


class Stage:
    """A play with agent a0, who is hostile, and a1, who is not. Every file that was measured is remembered by its run."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.measured: dict[int, str] = {}
        score = play.score

        def remembered(spec: RunSpec) -> RunResult:
            self.measured[spec.run] = (Path(spec.work) / "train.py").read_text()
            assert (Path(spec.work) / "prepare.py").read_text() == "FROZEN = 1\n"
            return score(spec)

        play.score = play.executor._scorer = remembered  # type: ignore[method-assign]
        play.begin(agents=2)
        self.tree = play.workspace.worktree("a0")
        self.git_folder = play.hub.dir

    def git(self, *words: str, check: bool = True, where: Path | None = None) -> str:
        """What an agent types in its worktree."""
        env = {n: v for n, v in os.environ.items() if not n.startswith("GIT_")}
        env |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *words], cwd=where or self.tree, env=env, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.decode(errors="replace").strip()

    def commit(self, text: str, message: str = "mine") -> str:
        (self.tree / "train.py").write_text(text)
        self.git("commit", "-qam", message)
        return self.git("rev-parse", "HEAD")

    def goes_on(self) -> None:
        """Both agents get changes measured, also after a restart, and each record is what was measured."""
        for again in (False, True):
            if again:
                self.play.ledger.close()
                self.play.open()
            for number, agent in enumerate(("a1", "a0")):
                value = 0.4 - 0.1 * number - 0.2 * again
                self.play.story.contact(agent)
                self.repair(agent)
                e = self.play.measured(agent, **{"CB"[number]: round(1 + value, 3)})
                assert e.verdict in ("keep", "discard"), (agent, e.verdict, e.reason)
        self.true()

    def repair(self, agent: str) -> None:
        """The agent puts its file back to what it builds on."""
        path = self.play.workspace.worktree(agent) / "train.py"
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        base = self.play.e(self.play.a(agent).base).commit
        path.write_bytes(self.play.hub.read(base or "", "train.py"))

    def true(self) -> None:
        """Recorded commits hold the text that was measured, and the refs stand where the ledger says."""
        rows = self.play.ledger.rows(
            "SELECT r.id, e.\"commit\" FROM runs r JOIN experiments e ON e.id=r.experiment WHERE r.status='finished'"
        )
        assert rows
        for run, commit in rows:
            assert self.play.hub.read(commit, "train.py").decode() == self.measured[run]
            text = self.git(
                "--no-replace-objects", "cat-file", "blob", f"{commit}:train.py", where=self.play.workspace.hidden
            )
            assert text == self.measured[run].strip()
        refs = self.play.hub.refs()
        assert {name: refs.get(name) for name in self.play.ledger.refs()} == self.play.ledger.refs()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(Play(tmp_path))


def edits_prepare(s: Stage) -> None:
    (s.tree / "prepare.py").write_text("FROZEN = 0\n")


def deletes_prepare(s: Stage) -> None:
    (s.tree / "prepare.py").unlink()


def prepare_is_a_link(s: Stage) -> None:
    (s.tree / "prepare.py").unlink()
    (s.tree / "prepare.py").symlink_to("/etc/passwd")


def prepare_is_a_pipe(s: Stage) -> None:
    (s.tree / "prepare.py").unlink()
    os.mkfifo(s.tree / "prepare.py")


def prepare_is_endless(s: Stage) -> None:
    with (s.tree / "prepare.py").open("wb") as file:
        file.truncate(1 << 40)


def adds_attributes(s: Stage) -> None:
    (s.tree / ".gitattributes").write_text(
        "*.py filter=evil text eol=crlf ident diff=evil merge=evil working-tree-encoding=UTF-16\n"
    )
    marker = s.tree.parent / "ran"
    for name in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.command", "diff.evil.textconv",
                 "merge.evil.driver"):  # fmt: skip
        s.git("config", name, f"sh -c 'touch \"{marker}\"; cat'")


def rewrites_dot_git(s: Stage) -> None:
    elsewhere = s.tree.parent / "elsewhere"
    s.git("init", "-q", str(elsewhere))
    (s.tree / ".git").write_text(f"gitdir: {elsewhere}/.git\n")


def replaces_dot_git_by_a_folder(s: Stage) -> None:
    (s.tree / ".git").unlink()
    s.git("init", "-q", str(s.tree))
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction"):
        path = s.tree / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{s.tree.parent / 'ran'}'\n")
        path.chmod(0o755)


def hooks_in_the_hub(s: Stage) -> None:
    hooks = s.git_folder / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch '{s.tree.parent / 'ran'}'\n")
        (hooks / hook).chmod(0o755)
    s.git("config", "core.hooksPath", str(hooks))
    s.git("config", "core.fsmonitor", f"touch '{s.tree.parent / 'ran'}'")


def dot_git_is_a_pipe(s: Stage) -> None:
    (s.tree / ".git").unlink()
    os.mkfifo(s.tree / ".git")


def pipes_in_gits_folder(s: Stage) -> None:
    for name in ("HEAD", "index", "gitdir"):
        path = s.git_folder / "worktrees" / "a0" / name
        path.unlink()
        os.mkfifo(path)


def deletes_gits_folder(s: Stage) -> None:
    shutil.rmtree(s.git_folder / "worktrees" / "a0")


def train_is_a_link(s: Stage) -> None:
    (s.tree / "train.py").unlink()
    (s.tree / "train.py").symlink_to("/etc/passwd")


def train_is_a_pipe(s: Stage) -> None:
    (s.tree / "train.py").unlink()
    os.mkfifo(s.tree / "train.py")


def train_is_a_folder(s: Stage) -> None:
    (s.tree / "train.py").unlink()
    (s.tree / "train.py").mkdir()


def train_is_five_megabytes(s: Stage) -> None:
    (s.tree / "train.py").write_text("A = 1.0\n" + "#" * (5 << 20))


def train_is_gone(s: Stage) -> None:
    (s.tree / "train.py").unlink()


def commits_by_itself(s: Stage) -> None:
    s.commit("A = -1000.0\nB = 2.0\nC = 3.0\n")


def commits_and_resets(s: Stage) -> None:
    commits_by_itself(s)
    s.git("reset", "-q", "--hard", "HEAD~1")


def detaches(s: Stage) -> None:
    s.git("checkout", "-q", "--detach", "swarm/a1")


def half_a_merge(s: Stage) -> None:
    s.commit("A = 5.0\n")
    s.git("checkout", "-q", "-B", "other", "HEAD~1")
    s.commit("A = 6.0\n")
    s.git("merge", "-q", "swarm/a0", check=False)


def moves_others_refs(s: Stage) -> None:
    mine = s.commit("A = -1000.0\nB = 2.0\nC = 3.0\n")
    for ref in ("refs/heads/best", "refs/heads/swarm/a1", "refs/experiments/e0001"):
        s.git("update-ref", ref, mine)


def deletes_refs_and_collects(s: Stage) -> None:
    for ref in s.git("for-each-ref", "--format=%(refname)").splitlines():
        s.git("update-ref", "-d", ref, check=False)
    s.git("reflog", "expire", "--expire=now", "--all", check=False)
    for words in (["gc", "--prune=now", "-q"], ["prune", "--expire=now"], ["repack", "-adq"]):
        s.git("checkout", "-q", "--orphan", "nothing", check=False)
        s.git(*words, check=False)


def locks_refs(s: Stage) -> None:
    for name in (
        "refs/heads/best.lock",
        "packed-refs.lock",
        "refs/heads/swarm/a1.lock",
        "config.lock",
        "worktrees/a0/index.lock",
    ):
        (s.git_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (s.git_folder / name).touch()
        os.utime(s.git_folder / name, (1, 1))


def deletes_its_worktree(s: Stage) -> None:
    shutil.rmtree(s.tree)


def has_git_remove_it(s: Stage) -> None:
    s.git("worktree", "remove", "--force", str(s.tree), where=s.play.workspace.hidden)
    s.git("branch", "-D", "swarm/a0", where=s.play.workspace.hidden)


def its_worktree_is_a_link(s: Stage) -> None:
    shutil.rmtree(s.tree)
    s.tree.symlink_to(s.play.workspace.worktree("a1"))


def renames_its_branch(s: Stage) -> None:
    s.git("branch", "-m", "swarm/a0", "best-of-all")


def breaks_the_shared_config(s: Stage) -> None:
    (s.git_folder / "config").write_text(
        "[core]\n\trepositoryformatversion = 99\n\tbare = true\n\tworktree = /\n[include]\n\tpath = /dev/stdin\n"
    )


def a_config_that_runs_things(s: Stage) -> None:
    marker = f"touch '{s.tree.parent / 'ran'}'"
    for name in ("core.sshCommand", "core.pager", "core.editor", "credential.helper", "diff.external", "gpg.program",
                 "core.alternateRefsCommand", "uploadpack.packObjectsHook", "alias.read-tree"):  # fmt: skip
        s.git("config", name, f"!{marker}" if name.startswith("alias") else marker)
    s.git("config", "commit.gpgSign", "true")


def a_config_that_is_a_folder(s: Stage) -> None:
    (s.git_folder / "config").unlink()
    (s.git_folder / "config").mkdir()
    (s.git_folder / "config" / "x").touch()


def replaces_objects(s: Stage) -> None:
    """`git replace`: whoever reads the baseline reads the agent's commit instead."""
    base = s.play.e("e0001").commit or ""
    mine = s.commit("A = -1000.0\nB = 2.0\nC = 3.0\n")
    s.git("replace", base, mine)
    s.git("replace", s.git("rev-parse", f"{base}:train.py"), s.git("rev-parse", f"{mine}:train.py"), check=False)
    (s.git_folder / "info" / "grafts").write_text(f"{base} {mine}\n")


def adds_files(s: Stage) -> None:
    """Python would find these before what the task means."""
    for name in ("json.py", "sitecustomize.py", "torch/__init__.py", "prepare/__init__.py"):
        (s.tree / name).parent.mkdir(exist_ok=True)
        (s.tree / name).write_text("raise SystemExit('taken over')\n")
        s.git("add", "-f", name)


QUIET = [adds_attributes, rewrites_dot_git, replaces_dot_git_by_a_folder, hooks_in_the_hub, dot_git_is_a_pipe, pipes_in_gits_folder,
         deletes_gits_folder, commits_by_itself, commits_and_resets, detaches, half_a_merge, moves_others_refs,
         deletes_refs_and_collects, locks_refs, renames_its_branch, breaks_the_shared_config,
         a_config_that_runs_things, a_config_that_is_a_folder, replaces_objects, adds_files]  # fmt: skip
REFUSED = [edits_prepare, deletes_prepare, prepare_is_a_link, prepare_is_a_pipe, prepare_is_endless, train_is_a_link, train_is_a_pipe,
           train_is_a_folder, train_is_five_megabytes, train_is_gone, deletes_its_worktree, has_git_remove_it,
           its_worktree_is_a_link]  # fmt: skip


OFTEN = (replaces_objects, breaks_the_shared_config)
DEEDS = [pytest.param(d, id=d.__name__, marks=[] if d in OFTEN else pytest.mark.e2e) for d in QUIET + REFUSED]


@pytest.mark.parametrize("deed", DEEDS)
def test_the_story_goes_on(stage: Stage, deed: Callable[[Stage], None]) -> None:
    deed(stage)
    if deed in REFUSED:
        with pytest.raises(Refused):
            stage.play.story.submit("a0", "what I did")
    stage.goes_on()
    assert not (stage.tree.parent / "ran").exists(), "something of the agent's ran in the coordinator's git"


@pytest.mark.e2e
@pytest.mark.parametrize("deed", QUIET + REFUSED, ids=lambda d: d.__name__)
def test_the_others_go_on_without_it(stage: Stage, deed: Callable[[Stage], None]) -> None:
    """Also when it says nothing more: best moves, everybody is rebased onto it, nobody waits for the hostile one."""
    deed(stage)
    better = stage.play.measured("a1", A=0.1)
    stage.play.settle()
    assert stage.play.world.campaign.best == better.id
    assert stage.play.a("a0").tip == better.id
    stage.play.story.contact("a0")


def test_a_commit_of_its_own_is_kept_and_never_built_on(stage: Stage) -> None:
    """What is submitted are the files as they stand; a commit that tells of others is put aside under a ref."""
    mine = stage.commit("A = -1000.0\nB = 2.0\nC = 3.0\n")
    (stage.tree / "train.py").write_text("A = 0.5\nB = 2.0\nC = 3.0\n")
    e = stage.play.story.submit("a0", "honest")["experiment"]
    stage.play.settle()
    assert mine in stage.play.ledger.refs().values()
    assert "A = 0.5" in stage.play.hub.read(stage.play.e(e).commit or "", "train.py").decode()
    assert stage.git("rev-parse", f"{stage.play.e(e).commit}~1") == stage.play.e("e0001").commit
    stage.true()


def test_a_link_does_not_bring_a_foreign_file_in(stage: Stage) -> None:
    train_is_a_link(stage)
    with pytest.raises(Refused, match="is a link"):
        stage.play.story.submit("a0", "passwords")
    secret = b"root:x:0:0"
    everything = stage.git("cat-file", "--batch-all-objects", "--batch", where=stage.play.workspace.hidden)
    assert secret.decode() not in everything


def test_its_own_git_works_again_after_it_broke_the_link(stage: Stage) -> None:
    replaces_dot_git_by_a_folder(stage)
    stage.play.edit("a0", A=0.5)
    stage.play.story.submit("a0", "after all")
    assert stage.git("rev-parse", "--abbrev-ref", "HEAD") == "swarm/a0"
    assert stage.git("status", "--porcelain", "--untracked-files=no") == ""
    assert (stage.tree / ".git.kept" / "hooks").is_dir()  # what it made itself is not thrown away


def test_nothing_ever_waits_for_a_pipe(stage: Stage) -> None:
    """A reader of a pipe without a writer waits for ever, and with it everybody."""
    for deed in (pipes_in_gits_folder, dot_git_is_a_pipe, prepare_is_a_pipe):
        deed(stage)
    done = threading.Event()

    def ask() -> None:
        for _ in range(3):
            try:
                stage.play.edit("a0", A=0.5)
                stage.play.story.submit("a0", "pipes")
            except Refused:
                pass
        stage.play.story.contact("a0")
        done.set()

    threading.Thread(target=ask, daemon=True).start()
    assert done.wait(60)


def overwrite(stage: Stage, name: str, kind: bytes, data: bytes) -> None:
    """Another object under an object's name, as only a file written by hand can be."""
    path = stage.git_folder / "objects" / name[:2] / name[2:]
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(b"%s %d\0" % (kind, len(data)) + data))


def test_an_object_that_was_written_over_is_not_measured(stage: Stage) -> None:
    """Git believes an object's file. Nothing is measured under a name that says something else; the others go on."""
    play = stage.play
    play.edit("a0", A=0.9)
    bad = play.story.submit("a0", "A 0.9")["experiment"]
    text = play.hub.read(play.e(bad).submitted or "", "train.py")
    blob = stage.git("rev-parse", f"{play.e(bad).submitted}:train.py", where=play.workspace.hidden)
    overwrite(stage, blob, b"blob", text.replace(b"A = 0.9", b"A = -99"))
    assert "A = -99" in stage.git("cat-file", "blob", blob, where=play.workspace.hidden)  # git does believe it
    play.settle()
    assert play.e(bad).verdict == "crash"
    assert "not what it was" in (play.e(bad).reason or "")
    assert play.measured("a1", A=0.5).verdict == "keep"
    assert play.world.campaign.best != bad
    assert not [text for text in stage.measured.values() if "-99" in text]


def test_an_object_that_is_gone_costs_only_its_own_experiment(stage: Stage) -> None:
    play = stage.play
    play.edit("a0", A=0.9)
    bad = play.story.submit("a0", "A 0.9")["experiment"]
    blob = stage.git("rev-parse", f"{play.e(bad).submitted}:train.py", where=play.workspace.hidden)
    (stage.git_folder / "objects" / blob[:2] / blob[2:]).unlink()
    play.settle()
    assert play.e(bad).verdict == "crash"
    assert play.measured("a1", A=0.5).verdict == "keep"
