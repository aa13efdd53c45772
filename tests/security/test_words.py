"""What agents call their experiments, where a person reads it: kept within bounds, and harmless on every screen."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from swarm.agents import seat as seats
from swarm.agents.contact import Contact
from swarm.api import wire
from swarm.cli import errors, leaderboard, show, status, watch
from swarm.cli.screen import print_json
from swarm.client import Client
from swarm.coordinator.submit import DESCRIPTION
from swarm.errors import Refused, SwarmError
from swarm.ledger.reader import Reader
from swarm.ports import Launch, Seat
from swarm.sessions.tmux import Tmux
from swarm.views import board, snapshot
from tests.coordinator.play import Play

WORDS = {
    "colours": "\x1b[31;5mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H\x1bc gone",
    "title": "\x1b]0;owned\x07 and \x1b]52;c;cm0gLXJmIC8=\x07 clipboard",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "one-byte escapes": "\x9b31m\x9d0;owned\x9c\x90x\x9c\x85",
    "cut short": "\x1b[38;5",
    "device": '\x1b[c\x1b[6n\x1bP$q"p\x1b\\\x05',
    "carriage": "harmless\rWARNING: all is lost\b\b\b\x7f\x0b\x0c",
    "right to left": "\u202egnp.exe\u202c \u2066a\u2069 \u200f\u061c \u202d",
    "invisible": "a\u200bb\u200d\ufeff\u00ad\U000e0041\u2028\u2029",
    "stacked": "z" + "\u0335\u0336\u0489" * 60,
    "shell": "$(touch ran) `touch ran`; touch ran | touch ran & touch ran > ran #{pane_tty} %{x} ${IFS}",
    "markup": "[red]x[/red] [link=file:///etc/passwd]y[/link] :smile: {0} %s %n",
    "tmux": "#(touch ran) #{session_name} #[fg=red]",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "sql": "'; DROP TABLE experiments; --",
    "git": "--upload-pack=touch ran\n\nSigned-off-by: somebody",
    "tsv": "a\tb\nkeep\t0.1",
    "wide": "\uff37\U0001f468\u200d\U0001f469\u200d\U0001f467" * 40,
    "NUL": "a\0b",
    "half": "a\ud800b",
    "long": "x" * (1 << 20),
    "long line of words": "word \x1b[31m" * 100_000,
}
REFUSED_AT_THE_DOOR = ("NUL", "half", "long", "long line of words")
SAFE_CONTROL = "\n"


def visible(text: str) -> None:
    """Nothing in it moves a cursor, turns the direction round, or is not there to be seen."""
    found = {
        c for c in text if c not in SAFE_CONTROL and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    }
    assert not found, [hex(ord(c)) for c in found]


def harmless(text: str) -> None:
    """And no letter grows over the lines above and below."""
    visible(text)
    assert max((len(run) for run in re.findall("[\u0335\u0336\u0489]+", text)), default=0) <= 2


def drawn(thing: object, width: int) -> str:
    console = Console(width=width, highlight=False, markup=False, emoji=False, color_system=None)
    with console.capture() as got:
        console.print(thing)
    return got.get()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """A played campaign in which every word was said: as description, as hypothesis, to an agent, as a crash's last words."""
    play = Play(tmp_path_factory.mktemp("words"))
    play.begin(agents=2)
    crash = {}
    play.crashing = lambda source: crash.get("now")
    for number, (name, word) in enumerate(WORDS.items()):
        word = word.replace("\ud800", "\ufffd") if name == "half" else word
        crash["now"] = f"exit 1\n{word[:4000]}" if number % 3 == 2 else None
        play.edit("a0", A=round(5 + number / 10, 2))
        said = play.story.submit("a0", word, hypothesis=word)
        play.story.tell("a1", word)
        while play.e(said["experiment"]).stage != "done":
            play.step()
    yield play
    play.ledger.close()


@pytest.mark.parametrize("name", WORDS)
def test_the_door_takes_words_within_bounds(name: str) -> None:
    said = {"description": WORDS[name]}
    if name in REFUSED_AT_THE_DOOR:
        with pytest.raises(ValidationError):
            wire.Submit.model_validate(said)
    else:
        assert len(wire.Submit.model_validate(said).description) <= 2000


def test_what_is_stored_is_bounded(told: Play) -> None:
    for description, hypothesis, reason in told.ledger.rows("SELECT description, hypothesis, reason FROM experiments"):
        assert len(description) <= DESCRIPTION
        assert len(hypothesis or "") <= DESCRIPTION
        assert len(reason or "") <= 10_000
        assert "\n" not in description
    assert max(len(d) for (d,) in told.ledger.rows("SELECT data FROM events")) < 60_000


def test_a_commit_says_nothing_that_git_log_would_obey(told: Play) -> None:
    log = subprocess.run(
        ["git", "--git-dir", str(told.hub.dir), "log", "--all", "--format=%B"], capture_output=True, check=True
    ).stdout.decode()
    assert "red" in log
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", log)


@pytest.mark.parametrize("width", [40, 100, 300])
def test_on_the_screens(told: Play, width: int) -> None:
    with Reader(told.workspace.ledger) as reader:
        idents = [i for (i,) in told.ledger.rows("SELECT id FROM experiments")]
        shown = [drawn(leaderboard.draw(board(reader, 50, False, True), width), width)]
        shown += [drawn(show.draw(show.card_of(reader, i), width), width) for i in idents]
        shown += [drawn(status.draw(snapshot(reader, told.now, None), width, "here"), width)]
    shown += [drawn(watch.draw(told.workspace, width, 300), width)]
    for text in shown:
        harmless(text)
        assert "\x1b" not in text
    assert any("red" in text for text in shown)


VERBS = [["leaderboard", "-n", "50"], ["leaderboard", "--json"], ["leaderboard", "--tsv"], ["status"], ["status", "--json"], ["watch"],
         ["show", "e0002"], ["show", "e0002", "--json"], ["show", "e0010"], ["diff", "e0002"], ["log", "e0004"]]  # fmt: skip


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_as_typed(
    told: Play, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(told.workspace.root)
    code = errors.run(words)
    said = capsys.readouterr()
    assert code == 0, said.err
    harmless(said.out.replace("\t", " "))
    harmless(said.err)
    assert said.out


def test_a_table_for_others_has_one_line_per_experiment(
    told: Play, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(told.workspace.root)
    assert errors.run(["leaderboard", "--tsv", "-n", "500"]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len({line.count("\t") for line in lines}) == 1


@given(
    st.recursive(
        st.text() | st.floats(allow_nan=False) | st.none(),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(), x, max_size=3),
    )
)
def test_json_is_the_same_and_harmless(value: object) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_json(value)
    assert json.loads(out.getvalue()) == value
    harmless(out.getvalue())


def test_nothing_was_run(told: Play) -> None:
    assert not list(told.workspace.root.rglob("ran"))
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", WORDS)
def test_in_an_agents_pane(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An agent prints what others did, in their words, into the pane that `swarm attach` shows (of a plain session: as it is)."""
    word = WORDS[name]

    class Door:
        def post(self, path: str, **said: object) -> dict[str, object]:
            if path == "submit":
                raise Refused(f"refused: {word}", word)
            result = {"experiment": "e0002", "verdict": "crash", "description": word, "reason": f"exit 1\n{word}"}
            return {"news": [f"a1 was told: {word}"], "results": [result], "stop": True, "why": word}

    def run(seat: Seat, client: Client, say: Callable[[str], None]) -> int:
        contact = Contact(client, say)
        contact.wait()
        contact.submit(word)
        raise SwarmError(word, word)

    monkeypatch.setattr(seats, "mine", lambda: (None, Door()))
    assert seats.work(run) == 1
    for text in capsys.readouterr():
        assert text
        visible(text.replace("\t", " "))


def test_the_picture_holds_no_more_than_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is promoted stands in it by name: a browser shows the file, and finds nothing to run or to load."""
    play = Play(tmp_path)
    play.begin(agents=1)
    words = [
        WORDS["html"],
        '"/><script>alert(1)</script>',
        "]]><!-- --><script>",
        "$\\frac{1}{0}$ \\input{x}",
        WORDS["link"],
        WORDS["right to left"],
    ]
    for number, word in enumerate(words):
        play.story.contact("a0", final=True)  # it stands on what it made before
        play.edit("a0", A=round(0.9 - number / 10, 2))
        ident = play.story.submit("a0", word)["experiment"]
        while play.e(str(ident)).stage != "done":
            play.step()
        if play.world.campaign.best != ident:
            play.story.promote(ident, force=True)
    monkeypatch.chdir(play.workspace.root)
    assert errors.run(["plot"]) == 0, capsys.readouterr().err
    path = play.workspace.root / "progress.svg"
    harmless(path.read_text().replace("\t", " "))
    assert len(list(play.ledger.rows("SELECT id FROM promotions"))) >= len(words)
    tags = list(ElementTree.parse(path).iter())
    assert len(tags) > 50
    assert not {t.tag.rpartition("}")[2].lower() for t in tags if isinstance(t.tag, str)} & {
        "script",
        "foreignobject",
        "a",
        "iframe",
        "animate",
        "set",
    }
    for tag in tags:
        for key, value in tag.attrib.items():
            assert not key.lower().startswith("on")
            assert not key.endswith("href") or value.startswith(("#", "data:image/png"))
    play.ledger.close()


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *(w[:100] for w in WORDS.values()),
        "",
        "../x",
        "a/b",
        "-t",
        "a b",
        ".x",
        "x.lock/..",
        "a:b",
        "=a",
        "$1",
        "%1",
        "@1",
    ],
)
def test_such_a_name_is_no_agents(name: str) -> None:
    with pytest.raises(ValidationError):
        wire.NewAgent.model_validate({"name": name, "kind": "tuner"})


NAMES = ["a.b", "a_b", "a-b", "0", "A" * 64, "x.y-z_1"]


def test_every_agents_name_is_a_session_of_its_own(tmp_path: Path) -> None:
    """tmux makes `a_b` of `a.b`, reads `a` as the beginning of `a-b`, and patterns and formats in a target."""
    assert shutil.which("tmux"), "tmux missing: apt-get install tmux"
    for name in NAMES:
        wire.NewAgent.model_validate({"name": name, "kind": "tuner"})
    tmux = Tmux(f"swarm-test-{os.getpid()}-{time.time_ns()}", tmp_path / "launch")
    odd = tmp_path / "a #(touch ran) $(touch ran) 'x' \"y\" ;touch ran"
    odd.mkdir()
    try:
        env = {"WORD": "#(touch ran) $(touch ran) `touch ran` \x1b[31m\u202e", "LONG": "x" * 100_000}
        tmux.start_many([(n, Launch(["sh", "-c", "echo up; sleep 900"], env), odd, odd / "pane.log") for n in NAMES])
        assert set(tmux.list()) == set(NAMES)
        tmux.stop("a.b")
        assert set(tmux.list()) == set(NAMES) - {"a.b"}
    finally:
        tmux.close()
    assert not list(tmp_path.rglob("ran"))
    assert not Path("ran").exists()
