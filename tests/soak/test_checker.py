"""The checker of the soak finds nothing in a workspace where all is well, and each single thing that is not."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.stage import Stage
from tests.soak import leftover
from tests.soak.checker import LEDGER, check


@dataclass
class Place:
    """A finished workspace with its diaries, to be spoilt."""

    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "wörk space"

    @property
    def hidden(self) -> Path:
        return self.workspace / ".swarm"

    @property
    def diaries(self) -> Path:
        return self.root / "diaries"

    def found(self) -> list[str]:
        return check(self.workspace, self.diaries)

    def sql(self, *statements: str) -> None:
        """Past the triggers, as a fault of our own making would be."""
        db = sqlite3.connect(self.hidden / "results.db", isolation_level=None)
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert db.execute(statement).rowcount != 0, statement
        for _, text in triggers:
            db.execute(text)
        db.close()

    def value(self, sql: str) -> Any:
        db = sqlite3.connect(self.hidden / "results.db")
        try:
            return db.execute(sql).fetchone()[0]
        finally:
            db.close()

    def git(self, *words: str) -> str:
        argv = ["git", f"--git-dir={self.hidden / '.git'}", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def note(self, **entry: Any) -> None:
        with (self.diaries / "owner.jsonl").open("a") as file:
            file.write(json.dumps({"at": 1.0, "who": "owner", **entry}) + "\n")


def play(root: Path) -> None:
    """Two agents and a person: keep, discard, crash, answered, conflict-free promotion, undo, try, tell, a lost run, the end."""
    stage = Stage(root)
    stage.open()
    stage.spawn(2, policy={"paired": "off", "prior": "noise", "noise_prior": 0})  # what the checker reckons with
    stage.settle()
    diaries = root / "diaries"
    diaries.mkdir()

    def note(who: str, did: str, **more: Any) -> None:
        with (diaries / f"{who}.jsonl").open("a") as file:
            file.write(json.dumps({"at": 1.0, "who": who, "did": did, **more}) + "\n")

    def submit(agent: str, **values: float) -> str:
        stage.edit(agent, **values)
        data = (stage.workspace.worktree(agent) / "train.py").read_bytes()
        ident = str(stage.story.submit(agent, str(values))["experiment"])
        note(agent, "submitted", experiment=ident, files={"train.py": hashlib.sha256(data).hexdigest()})
        return ident

    note("owner", "began")
    stage.crashing = lambda source: "oom" if "A = 77" in source else None
    for agent, values in (
        ("a0", {"A": 0.5}), ("a1", {"B": 9.0}), ("a1", {"A": 77.0}), ("a0", {"C": 2.5}), ("a1", {"C": 2.0}), ("a0", {"B": 8.0}),
    ):  # fmt: skip
        submit(agent, **values)
        stage.settle()
    submit("a0", B=1.7)
    stage.step()  # started
    stage.reboot()  # and lost
    stage.settle()
    worse = stage.ledger.value("SELECT id FROM experiments WHERE verdict='discard' LIMIT 1")
    note("owner", "promoted", experiment=stage.story.promote(worse, force=True)["experiment"])
    stage.story.tell("a1", "look at B")
    note("owner", "told", agent="a1", text="look at B")
    note("owner", "undone", experiment=stage.story.undo()["experiment"])
    tried = (stage.workspace.worktree("a0") / "train.py").read_text().replace("C = ", "C = 1")
    ident = stage.story.try_file({"train.py": tried}, "by hand")["experiment"]
    note("owner", "tried", experiment=ident, files={"train.py": hashlib.sha256(tried.encode()).hexdigest()})
    stage.settle()
    submit("a0", C=1.5)
    stage.story.stop(now=True)
    stage.settle()
    note("owner", "ended")
    run = stage.ledger.value("SELECT id FROM runs WHERE status='finished' ORDER BY id LIMIT 1")
    score = stage.ledger.value("SELECT score FROM runs WHERE id=?", run)
    (stage.workspace.run_folder(run, 1) / "log.txt").write_text(f"step 1\n---\nval_bpb:   {score!r}\nnum_steps: 1\n")
    stage.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "stage"
    root.mkdir()
    play(root)
    return root


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Place:
    shutil.copytree(finished, tmp_path / "stage", symlinks=True)
    return Place(tmp_path / "stage")


def test_the_play_has_everything_that_is_spoilt_below(place: Place) -> None:
    """Else a mutation could change nothing and its finding be another's."""
    verdicts = "SELECT GROUP_CONCAT(DISTINCT verdict) FROM (SELECT verdict FROM experiments ORDER BY verdict)"
    assert set(place.value(verdicts).split(",")) >= {"keep", "discard", "crash", "cancelled"}
    for many, least in (
        ("promotions", 3), ("promotions WHERE by='person'", 1), ("promotions WHERE withdrawn IS NOT NULL", 1),
        ("attempts WHERE outcome='lost'", 1), ("runs WHERE purpose='confirm'", 1), ("events WHERE kind='told'", 1),
    ):  # fmt: skip
        assert place.value(f"SELECT COUNT(*) FROM {many}") >= least, many


def test_nothing_is_found_where_all_is_well(place: Place) -> None:
    assert place.found() == []


KEEP = "(SELECT id FROM experiments WHERE verdict='keep' ORDER BY id LIMIT 1)"
FINISHED = "(SELECT id FROM runs WHERE status='finished' ORDER BY id DESC LIMIT 1)"
LAST = "(SELECT MAX(CAST(SUBSTR(id, 2) AS INTEGER)) FROM experiments)"

# what is done to the ledger, and the findings that must come of it: the claim, and what it breaks besides
SPOILT: dict[str, tuple[list[str], list[str]]] = {
    "an acknowledged submission is lost": (
        [
            "DELETE FROM events WHERE experiment=(SELECT id FROM experiments WHERE verdict='crash')",
            "DELETE FROM runs WHERE experiment=(SELECT id FROM experiments WHERE verdict='crash')",
            "DELETE FROM refs WHERE name LIKE '%/' || (SELECT id FROM experiments WHERE verdict='crash')",
            "DELETE FROM experiments WHERE verdict='crash'",
        ],
        [
            r"e\d+ was acknowledged to a1 and is not in the ledger",
            "the numbers of experiments have gaps",
            "the numbers of runs have gaps",
            "the numbers of events have gaps",
            "attempts row .* is not there",
            r"refs/submitted/e\d+ is in the hub",
            r"refs/experiments/e\d+ is in the hub",
        ],
    ),
    "a submission is there twice": (
        [
            "INSERT INTO events (campaign, at, kind, agent, experiment) SELECT campaign, at, kind, agent, experiment FROM "
            "events WHERE kind='submitted' LIMIT 1"
        ],
        ["was submitted once and the ledger tells of it 2 times", "was submitted 2 times"],
    ),
    "a promotion is lost": (
        [
            "DELETE FROM promotions WHERE by='person'",
            "UPDATE events SET kind='noted' WHERE kind='promoted' AND json_extract(data, '$.by')='person'",
            "UPDATE events SET kind='noted' WHERE kind='withdrawn'",
        ],
        [
            "promoted .*, acknowledged to owner, is not in the ledger",
            "undone .* is not in the ledger",
            "promoted e.*: acknowledged 1",
        ],
    ),
    "a promotion is there twice": (
        [
            "INSERT INTO promotions (campaign, experiment, previous, by, p, hold, at, withdrawn) SELECT campaign, experiment, "
            "previous, by, p, hold, at, withdrawn FROM promotions WHERE withdrawn IS NOT NULL"
        ],
        ["promotions are recorded and", "promotions withdrawn:"],
    ),
    "what was told is lost": (
        ["UPDATE events SET kind='noted' WHERE kind='told'"],
        [
            "told a1 look at B, acknowledged to owner, is not in the ledger",
            "told a1 look at B: acknowledged 1 times, 0 times",
        ],
    ),
    "what was told is there twice": (
        [
            "INSERT INTO events (campaign, at, kind, agent, data) SELECT campaign, at, kind, agent, data FROM events WHERE kind='told'"
        ],
        ["told a1 look at B: acknowledged 1 times, 2 times"],
    ),
    "a result is counted twice": (
        [
            "INSERT INTO events (campaign, at, kind, agent, experiment, data) SELECT campaign, at, kind, agent, experiment, data "
            f"FROM events WHERE kind='measured' AND json_extract(data, '$.run')={FINISHED}"
        ],
        [r"the result of run \d+ \(finished\) was counted 2 times"],
    ),
    "a run is lost": (
        [
            "DELETE FROM attempts WHERE run=3",
            "DELETE FROM runs WHERE id=3",
            "UPDATE experiments SET runs=runs-1 WHERE id='e0001'",
        ],
        [
            "the numbers of runs have gaps: 3",
            "e0001 shows",
            r"e\d+ was judged against a belief in e\d+ that its runs do not bear",
        ],
    ),
    "two attempts of a run finished": (
        [
            f"INSERT INTO attempts SELECT run, n + 1, slot, boot_id, started, ended, outcome, why FROM attempts WHERE run={FINISHED}",
            f"UPDATE runs SET attempt=attempt + 1 WHERE id={FINISHED}",
        ],
        [
            "is finished and 2 of its attempts finished",
            r"attempt \d of run \d+ is finished, and yet another one followed",
        ],
    ),
    "an attempt is missing": (
        ["DELETE FROM attempts WHERE outcome='lost'"],
        [r"the attempts of run \d+ are \[2\]"],
    ),
    "a run was tried four times": (
        [
            "UPDATE runs SET attempt=4 WHERE id=(SELECT run FROM attempts WHERE outcome='lost')",
            "UPDATE attempts SET n=4 WHERE run=(SELECT run FROM attempts WHERE outcome='lost') AND outcome='finished'",
            "INSERT INTO attempts SELECT run, 2, slot, boot_id, started, ended, outcome, why FROM attempts WHERE outcome='lost'",
            "INSERT INTO attempts SELECT run, 3, slot, boot_id, started, ended, outcome, why FROM attempts WHERE outcome='lost' AND n=1",
        ],
        [r"run \d+ was tried 4 times"],
    ),
    "a run still goes": (
        [f"UPDATE runs SET status='running', ended=NULL WHERE id={FINISHED}"],
        [
            r"run \d+ of e\d+ is still running after the end",
            "is running and its score is",
            "is running and 1 of its attempts",
            r"e\d+ says it has",
            r"e\d+ is \w+ without a result",
            "was judged and no result",
        ],
    ),
    "a finished run has no score": (
        [f"UPDATE runs SET score=NULL WHERE id={FINISHED}"],
        [
            r"run \d+ is finished and its score is None",
            "has the score None and its result says",
            r"e\d+ says it has \d runs",
            "was judged and no result",
        ],
    ),
    "a crash has no reason": (
        ["UPDATE runs SET reason=NULL WHERE status='crashed'"],
        [r"run \d+ crashed without a reason"],
    ),
    "a verdict without a result": (
        [
            "UPDATE experiments SET verdict='keep' WHERE id=(SELECT MAX(id) FROM experiments WHERE verdict='cancelled')",
        ],
        [r"e\d+ is keep without a result", r"e\d+ is keep and was told as cancelled"],
    ),
    "a verdict was changed": (
        [
            "UPDATE experiments SET verdict='discard' WHERE id=" + KEEP,
            "UPDATE events SET data=json_set(data, '$.verdict', 'discard') WHERE kind='judged' AND experiment=(SELECT experiment "
            "FROM events WHERE kind='judged' AND json_extract(data, '$.verdict')='keep' ORDER BY experiment LIMIT 1)",
        ],
        [r"e\d+ was judged discard; its score and its parent's say otherwise"],
    ),
    "a verdict was told otherwise": (
        [
            "UPDATE events SET data=json_set(data, '$.verdict', 'crash') WHERE kind='judged' AND json_extract(data, '$.verdict')"
            "='discard' AND seq=(SELECT MAX(seq) FROM events WHERE kind='judged' AND json_extract(data, '$.verdict')='discard')"
        ],
        [r"e\d+ is discard and was told as crash"],
    ),
    "a probability was changed": (
        [f"UPDATE experiments SET p_better=p_better - 0.1 WHERE id={KEEP}"],
        [r"e\d+ has P\(better\) 0\.\d+; its score and its parent's give"],
    ),
    "a parent's number was changed": (
        [f"UPDATE experiments SET parent_m=parent_m + 1 WHERE id={KEEP}"],
        [r"e\d+ was judged against a belief in e\d+ that its runs do not bear"],
    ),
    "the mean that is shown": (
        [f"UPDATE experiments SET raw=raw + 0.001 WHERE id={KEEP}"],
        [r"e\d+ shows .*; the mean of its runs is"],
    ),
    "the number of runs that is shown": (
        [f"UPDATE experiments SET runs=runs + 1 WHERE id={KEEP}"],
        [r"e\d+ says it has \d runs; \d are finished"],
    ),
    "an experiment still waits": (
        ["UPDATE experiments SET stage='queued' WHERE verdict='cancelled'"],
        [r"e\d+ is still queued after the end"],
    ),
    "no verdict after the end": (
        ["UPDATE experiments SET verdict=NULL WHERE verdict='cancelled'"],
        [r"e\d+ has no verdict after the end", r"e\d+ is None and was told as cancelled"],
    ),
    "the campaign goes on": (["UPDATE campaigns SET state='ending'"], ["campaign c1 has not ended"]),
    "an agent goes on": (
        ["UPDATE agents SET state='thinking' WHERE name='a1'"],
        ["agent a1 is thinking after the end"],
    ),
    "best is another": (
        ["UPDATE campaigns SET best=baseline"],
        [
            r"best of c1 is e0001; what was promoted and withdrawn leads to",
            "the last promotion that stands is",
            "refs/heads/best is not",
        ],
    ),
    "a withdrawn promotion stands": (
        ["UPDATE promotions SET withdrawn=NULL WHERE withdrawn IS NOT NULL"],
        [r"the last promotion that stands is", "promotions withdrawn:"],
    ),
    "an event is lost": (["DELETE FROM events WHERE seq=1"], ["the numbers of events have gaps: 1"]),
    "two runs of one seed": ([f"UPDATE runs SET seed=1 WHERE id={FINISHED}"], ["2 runs have the seed 1"]),
    "a reference into nothing": (
        ["INSERT INTO notes (campaign, text, at) VALUES (77, 'x', 0)"],
        ["notes row 1 names a row of campaigns that is not there"],
    ),
    "a trigger is gone": (
        [],  # see below
        ["the trigger verdict_is_final of the ledger is not that of the schema"],
    ),
    "a commit is not pinned": (
        [f"DELETE FROM refs WHERE name='refs/submitted/' || {KEEP}"],
        [
            r"the commit submitted as e\d+ is not pinned",
            r"refs/submitted/e\d+ is in the hub and the ledger does not know it",
        ],
    ),
}


def exactly(found: list[str], wanted: list[str]) -> None:
    """Each that is wanted is there, and each that is there is wanted."""
    assert [w for w in wanted if not any(re.search(w, line) for line in found)] == [], found
    assert [line for line in found if not any(re.search(w, line) for w in wanted)] == []


OFTEN = ("an acknowledged submission is lost", "a result is counted twice", "a verdict was changed", "best is another")


@pytest.mark.parametrize("what", [pytest.param(w, marks=[] if w in OFTEN else pytest.mark.e2e) for w in SPOILT])
def test_what_is_wrong_in_the_ledger_is_found(place: Place, what: str) -> None:
    statements, wanted = SPOILT[what]
    place.sql(*statements)
    if what == "a trigger is gone":
        db = sqlite3.connect(place.hidden / "results.db")
        db.execute("DROP TRIGGER verdict_is_final")
        db.close()
    exactly(place.found(), wanted)


def test_a_submission_whose_bytes_are_others(place: Place) -> None:
    """The commit is whole and pinned, but another one than was submitted."""
    ident, commit = "e0002", place.value("SELECT submitted FROM experiments WHERE id='e0003'")
    place.sql(
        f"UPDATE experiments SET submitted='{commit}' WHERE id='{ident}'",
        f"UPDATE refs SET \"commit\"='{commit}' WHERE name='refs/submitted/{ident}'",
    )
    place.git("update-ref", f"refs/submitted/{ident}", commit)
    exactly(place.found(), [f"train.py of {ident} is not what was submitted"])


def loose(place: Place, name: str) -> Path:
    path = place.hidden / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    return path


def test_an_object_that_is_gone(place: Place) -> None:
    commit = place.value("SELECT submitted FROM experiments WHERE id='e0003'")
    loose(place, place.git("rev-parse", f"{commit}:train.py")).unlink()
    exactly(
        place.found(),
        ["a pinned commit cannot be read whole: .*missing blob", "train.py of e0003 cannot be read in its commit"],
    )


def test_an_object_that_was_written_over(place: Place) -> None:
    """prepare.py is in no diary: only reading every object shows it."""
    mine, other = (place.git("rev-parse", f"refs/heads/best:{name}") for name in ("prepare.py", "train.py"))
    loose(place, mine).write_bytes(loose(place, other).read_bytes())
    exactly(place.found(), [f"object {mine} is not what its name says"])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("refs/experiments/e0002", "refs/experiments/e0003"), ["refs/experiments/e0002 is at .* in the hub and at"]),
        (("refs/heads/best", "refs/experiments/e0001"), ["refs/heads/best is at .* in the hub and at"]),
        (
            ("refs/heads/strange", "refs/heads/best"),
            ["refs/heads/strange is in the hub and the ledger does not know it"],
        ),
        (("refs/submitted/e9999", "refs/heads/best"), ["refs/submitted/e9999 is in the hub and"]),
        (("-d", "refs/tips/a0/e0002"), ["refs/tips/a0/e0002 is not in the hub; the ledger has it at"]),
    ],
)
def test_a_ref_that_is_not_where_the_ledger_says(place: Place, words: tuple[str, ...], wanted: list[str]) -> None:
    place.git("update-ref", *words)
    exactly(place.found(), wanted)


def test_a_branch_that_a_fault_left_unsaid_is_no_finding_and_without_one_it_is(place: Place) -> None:
    place.sql("DELETE FROM refs WHERE name='refs/heads/swarm/a0'")
    exactly(place.found(), ["refs/heads/swarm/a0 is in the hub and the ledger does not know it"])
    place.note(did="fault", what="disk full", pid=1)
    assert place.found() == []


def test_a_score_that_is_not_its_results(place: Place) -> None:
    path = place.hidden / "runs" / "r000002-1" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "score": 1.25}))
    exactly(place.found(), [r"run 2 has the score .* and its result says 1.25"])


def test_a_result_of_another_attempt(place: Place) -> None:
    path = place.hidden / "runs" / "r000002-1" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "attempt": 2}))
    exactly(place.found(), [r"run 2, attempt 1 is finished; its result is of another"])


def test_a_score_that_was_not_printed(place: Place) -> None:
    log = place.hidden / "runs" / "r000001-1" / "log.txt"
    log.write_text(log.read_text().replace("val_bpb:   ", "val_bpb:   1"))
    exactly(place.found(), [r"run 1 has the score .* and printed 1"])


def test_what_is_no_file_of_a_ledger(place: Place) -> None:
    ledger = place.hidden / "results.db"
    data = bytearray(ledger.read_bytes())
    data[4096 * 8 : 4096 * 9] = bytes(4096)
    ledger.write_bytes(data)
    found = place.found()
    assert any("damaged" in line or "DatabaseError" in line for line in found), found


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (
            {"did": "submitted", "experiment": "e0777", "files": {}},
            ["e0777 was acknowledged to owner and is not in the ledger"],
        ),
        (
            {"did": "promoted", "experiment": "e0002"},
            ["promoted e0002, acknowledged to owner, is not", "promoted e0002 : acknowledged 1"],
        ),
        (
            {"did": "told", "agent": "a0", "text": "x"},
            ["told a0 x, acknowledged to owner, is not", "told a0 x: acknowledged 1 times, 0"],
        ),
        ({"did": "undone", "experiment": "e0002"}, ["undone e0002, acknowledged to owner, is not"]),
        (
            {"did": "tried", "experiment": "e0002", "files": {"train.py": "0"}},
            ["e0002 was acknowledged for two different files"],
        ),
        ({"did": "sang"}, [r"line \d+ of owner.jsonl is no entry of a diary"]),
        ({"did": "told", "agent": "a0"}, [r"line \d+ of owner.jsonl is no entry of a diary"]),
    ],
)
def test_what_the_diary_tells_and_the_ledger_does_not(place: Place, entry: dict[str, Any], wanted: list[str]) -> None:
    place.note(**entry)
    exactly(place.found(), wanted)


def test_an_order_that_was_not(place: Place) -> None:
    """What was told came before the undo."""
    path = place.diaries / "owner.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kinds = [json.loads(line)["did"] for line in lines]
    told, undone = kinds.index("told"), kinds.index("undone")
    lines[told], lines[undone] = lines[undone], lines[told]
    path.write_text("".join(lines))
    exactly(place.found(), ["told a1 look at B, acknowledged to owner, is not in the ledger .or not in that order"])


def test_diaries_that_prove_nothing(place: Place) -> None:
    shutil.rmtree(place.diaries)
    exactly(place.found(), ["tell of no submission: nothing is proved", "do not tell of the end"])


def test_a_line_that_was_never_finished_promises_nothing(place: Place) -> None:
    with (place.diaries / "a0.jsonl").open("a") as file:
        file.write('{"at": 1.0, "who": "a0", "did": "submitted", "exper')
    assert place.found() == []


# --- what is left over ------------------------------------------------------------------------------------------


@contextmanager
def process(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Iterator[None]:
    """A process that stands, and is gone afterwards."""
    code = "import sys; print('stands', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, env={**os.environ, **(env or {})}
    ) as child:  # fmt: skip
        assert child.stdout and child.stdout.readline() == b"stands\n"
        try:
            yield
        finally:
            child.kill()


def test_a_process_that_is_left(place: Place) -> None:
    elsewhere, run = Path("/"), str(place.hidden / "runs" / "r000001-1")
    for how, stands in {
        "command line": process(run, cwd=elsewhere),
        "environment": process(cwd=elsewhere, env={"SWARM_RUN": run}),
        "folder": process(cwd=place.workspace / "worktrees" / "a0"),
    }.items():
        with stands:
            exactly(place.found(), [rf"process \d+ is left \({how}"])
    with process(f"{place.workspace}2", cwd=elsewhere):
        assert place.found() == []


def test_a_lock_that_is_held(place: Place) -> None:
    lock = place.hidden / "locks" / "run-1.lock"
    lock.touch()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        exactly(place.found(), ["the lock run-1.lock is held"])
    assert place.found() == []


@pytest.mark.parametrize("name", [".git/refs/heads/best.lock", "index/a0.lock"])
def test_a_lock_of_git_that_is_left(place: Place, name: str) -> None:
    (place.hidden / name).touch()
    exactly(place.found(), [f"a lock of git is left: .swarm/{name}"])


@pytest.mark.parametrize(
    "name", ["blobs-x1y2", "index-x1y2", "merge-x1y2", ".git/config.7.new", ".git/objects/ab/tmp_obj_x", ".door.json.7.9", "tokens/.owner.7.ab", "x.tmp"]
)  # fmt: skip
def test_half_a_file_that_is_left(place: Place, name: str) -> None:
    (place.hidden / name).parent.mkdir(parents=True, exist_ok=True)
    (place.hidden / name).touch()
    exactly(place.found(), [f"half a file is left: .swarm/{re.escape(name)}"])


def test_a_session_that_is_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tmux server of the workspace's name, started from elsewhere: only its name tells."""
    name = "swarm-" + hashlib.sha256(str(place.workspace).encode()).hexdigest()[:10]
    sockets = tempfile.mkdtemp(dir="/tmp")  # short: a socket's path is
    monkeypatch.setenv("TMUX_TMPDIR", sockets)
    tmux = ["tmux", "-L", name, "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "-s", "a0", "-c", "/", "sleep", "600"], check=True, cwd="/")
    try:
        exactly(place.found(), [rf"the tmux server {name} is left, with sessions \['a0'\]"])
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
        shutil.rmtree(sockets)


def test_a_mount_that_is_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel would tell it: mounting needs rights that a test has not everywhere."""
    escaped = str(place.workspace / "worktrees").replace(" ", r"\040")
    line = f"36 35 98:0 / {escaped} rw,noatime master:1 - tmpfs tmpfs rw\n"
    disk = f"35 25 98:0 / {str(place.workspace).replace(' ', chr(92) + '040')} rw - tmpfs tmpfs rw\n"
    real = leftover._read
    monkeypatch.setattr(
        leftover, "_read", lambda path: (disk + line).encode() if path.name == "mountinfo" else real(path)
    )
    exactly(place.found(), ["a mount is left: .*worktrees$"])


def test_the_checker_knows_no_module_of_the_swarm() -> None:
    code = "import sys, tests.soak.checker; print([m for m in sys.modules if m.partition('.')[0] == 'swarm'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=LEDGER.parents[1]
    )
    assert done.stdout.strip() == "[]"
