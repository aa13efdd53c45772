"""A change, replayed onto another commit."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.repo import Conflict, Hub, replay
from swarm.research.constants import constants

BASE = "A = 1\nB = 2\nC = 3\n\n\ndef main():\n    x = A\n    return x\n\n\ndef tail():\n    return B\n"


def play(hub: Hub, base: str, change: str, onto: str, path: str = "train.py") -> str | Conflict:
    frozen = {"prepare.py": b"1"}
    root = hub.commit({path: base.encode(), **frozen}, None, "base")
    a = hub.commit({path: change.encode()}, root, "change")
    b = hub.commit({path: onto.encode()}, root, "onto")
    found = replay(hub, root, a, b, [path])
    return found if isinstance(found, Conflict) else found[path].decode()


def test_neighbouring_constants_do_not_conflict(hub: Hub) -> None:
    assert play(hub, BASE, BASE.replace("A = 1", "A = 9"), BASE.replace("B = 2", "B = 8")) == BASE.replace(
        "A = 1\nB = 2", "A = 9\nB = 8"
    )


def test_code_and_constants_together(hub: Hub) -> None:
    change = BASE.replace("A = 1", "A = 9").replace("return x", "return x + 1")
    onto = BASE.replace("B = 2", "B = 8").replace("return B", "return -B")
    assert play(hub, BASE, change, onto) == change.replace("B = 2", "B = 8").replace("return B", "return -B")


def test_a_constant_changed_by_both_conflicts_unless_they_agree(hub: Hub) -> None:
    found = play(hub, BASE, BASE.replace("A = 1", "A = 9"), BASE.replace("A = 1", "A = 8"))
    assert isinstance(found, Conflict) and found.path == "train.py" and "A" in found.text
    same = BASE.replace("A = 1", "A = 9")
    assert play(hub, BASE, same, same.replace("B = 2", "B = 7")) == same.replace("B = 2", "B = 7")


def test_a_constant_that_is_gone_is_a_conflict_and_not_forgotten(hub: Hub) -> None:
    without = BASE.replace("A = 1\n", "").replace("x = A", "x = 0")
    assert isinstance(play(hub, BASE, BASE.replace("A = 1", "A = 9"), without), Conflict)
    assert isinstance(play(hub, BASE, without, BASE.replace("A = 1", "A = 9")), Conflict)


def test_a_constant_that_both_add_is_a_conflict(hub: Hub) -> None:
    assert isinstance(play(hub, BASE, "NEW = 1\n" + BASE, BASE + "\n\nNEW = 2\n"), Conflict)


def test_the_same_lines_changed_twice_conflict_with_marks(hub: Hub) -> None:
    found = play(hub, BASE, BASE.replace("x = A", "x = A + 1"), BASE.replace("x = A", "x = A * 2"))
    assert isinstance(found, Conflict) and "<<<<<<<" in found.text and "x = A * 2" in found.text


def test_many_conflicts_are_conflicts(hub: Hub) -> None:
    lines = [f"x{i} = {i}\n\n\n\n" for i in range(300)]
    a, b = ("".join(x.replace(" =", f" = {n} +") for x in lines) for n in (1, 2))
    assert isinstance(play(hub, "".join(lines), a, b), Conflict)


def test_two_halves_that_no_longer_fit(hub: Hub) -> None:
    """Each parses, both together do not: one side opens a keyword call, the other adds a positional argument."""
    base = "f(\n    a,\n\n\n\n    b,\n)\n"
    found = play(
        hub,
        base,
        base.replace("    a,", "    a=1,").replace("    b,", "    b=1,"),
        base.replace("    b,\n", "    b,\n\n\n\n    c,\n"),
    )
    assert isinstance(found, Conflict)
    found = play(
        hub, base, base.replace("    a,", "    k=a,").replace("b,", "q=b,"), base.replace("\n\n\n\n", "\n\n    z,\n\n")
    )
    assert isinstance(found, Conflict)


def test_what_is_already_there_changes_nothing(hub: Hub) -> None:
    change = BASE.replace("x = A", "x = A + 1")
    assert play(hub, BASE, change, change) == change
    assert play(hub, BASE, BASE, change) == change
    assert play(hub, BASE, change, BASE) == change


def test_other_files_than_python_and_odd_bytes(hub: Hub) -> None:
    assert play(hub, "A = 1\nB = 2\n", "A = 9\nB = 2\n", "A = 1\nB = 8\n", "c.txt").__class__ is Conflict
    assert play(hub, "a\r\nb\nc\nd\n", "a\r\nb\nc\nD\n", "ä\r\nb\nc\nd\n", "c.txt") == "ä\r\nb\nc\nD\n"
    root = hub.commit({"train.py": b"\xff = 1\n\n\n\nb\n"}, None, "odd")
    a = hub.commit({"train.py": b"\xff = 2\n\n\n\nb\n"}, root, "a")
    b = hub.commit({"train.py": b"\xff = 1\n\n\n\nc\n"}, root, "b")
    assert replay(hub, root, a, b, ["train.py"]) == {"train.py": b"\xff = 2\n\n\n\nc\n"}


def test_binary_files_conflict(hub: Hub) -> None:
    root = hub.commit({"x.bin": b"\0a"}, None, "odd")
    a, b = (hub.commit({"x.bin": b"\0" + c}, root, "x") for c in (b"b", b"c"))
    assert isinstance(replay(hub, root, a, b, ["x.bin"]), Conflict)


def test_several_files_and_those_that_are_missing(hub: Hub) -> None:
    root = hub.commit({"a.py": b"A = 1\n", "b.py": b"B = 1\n"}, None, "base")
    change = hub.commit({"a.py": b"A = 2\n", "new.py": b"N = 1\n"}, root, "change")
    onto = hub.commit({"b.py": b"B = 5\n"}, root, "onto")
    found = replay(hub, root, change, onto, ["a.py", "b.py", "new.py", "never.py"])
    assert found == {"a.py": b"A = 2\n", "b.py": b"B = 5\n", "new.py": b"N = 1\n"}


def test_a_change_may_empty_a_file(hub: Hub) -> None:
    assert play(hub, "a\n", "", "a\n") == ""
    assert play(hub, "a\nb\n", "a\nb\n", "") == ""


VALUES = st.integers(0, 3).map(str)
SETS = st.fixed_dictionaries(dict.fromkeys("ABC", VALUES))
FAST = settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


@FAST
@given(SETS, SETS, st.booleans())
def test_each_side_gets_its_constants_or_it_is_a_conflict(
    hub: Hub, mine: dict[str, str], theirs: dict[str, str], code: bool
) -> None:
    def text(values: dict[str, str]) -> str:
        return "".join(f"{n} = {values[n]}\n" for n in "ABC") + "\n\nprint(1)\n\n\nprint(2)\n"

    start = dict.fromkeys("ABC", "0")
    change = text(mine).replace("print(1)", "print(3)") if code else text(mine)
    found = play(hub, text(start), change, text(theirs).replace("print(2)", "print(4)"))
    clash = [n for n in "ABC" if mine[n] != theirs[n] and "0" not in (mine[n], theirs[n])]
    if clash:
        assert isinstance(found, Conflict)
    else:
        assert isinstance(found, str)
        wanted = {n: mine[n] if mine[n] != "0" else theirs[n] for n in "ABC"}
        assert {n: c.text for n, c in constants(found).items()} == wanted
        assert ("print(3)" in found) == code and "print(4)" in found


@pytest.mark.parametrize("end", ["", "\n"])
def test_files_without_a_last_line_end(hub: Hub, end: str) -> None:
    base = "a = 1\n\n\n\n\nB = 1" + end
    assert (
        play(hub, base, base.replace("B = 1", "B = 2"), base.replace("a = 1", "a = 2")) == "a = 2\n\n\n\n\nB = 2" + end
    )
