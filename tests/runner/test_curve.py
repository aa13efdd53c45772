"""Loss by share of the budget, read off progress lines among whatever else is printed."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.runner import curve
from swarm.runner.curve import MARKS, Curve, read, sound
from tests.runner.running import GOOD, carry


def line(percent: float, loss: float, lead: str = "") -> bytes:
    return f"{lead}step 00012 ({percent:.1f}%) | loss: {loss:.6f} | lrm: 1.00 | dt: 50ms | remaining: 9s   ".encode()


def curve_of(*pieces: bytes) -> list[tuple[float, float]]:
    made = Curve()
    for piece in pieces:
        made.write(piece)
    return made.points


def test_marks_get_their_loss_by_a_straight_line() -> None:
    text = line(2, 8) + b"\r" + line(12, 7) + b"\r" + line(14, 6) + b"\r" + line(16, 5)
    assert curve_of(text + b"\r") == [(0.05, 7.7), (0.1, 7.2), (0.15, 5.5)]


def test_lines_that_begin_with_the_return_are_read_too() -> None:
    """karpathy's own: nothing comes after a line until the next one is printed."""
    assert curve_of(line(0, 9, "\r"), line(5, 4, "\r"), line(10, 3, "\r")) == [(0.05, 4.0), (0.1, 3.0)]


def test_what_lies_before_the_first_line_is_not_made_up() -> None:
    assert curve_of(line(12, 7) + b"\n" + line(21, 6) + b"\n") == [(0.15, 6.666667), (0.2, 6.111111)]


@pytest.mark.parametrize(
    "text",
    [
        "(50%) loss: nan |",
        "(50%) loss: inf ",
        "(50%) loss: 1e999 ",
        "(50%) loss: 10000000 ",
        "(150%) loss: 1.0 ",
        "(-5%) loss: 1.0 ",
        "(5 of 9%) loss: 1.0 ",
        "(50%) | gloss: 1.0 ",
        "(50%) |\nloss: 1.0 ",
        "50% loss: 1.0 ",
    ],
)
def test_what_is_no_progress_counts_for_nothing(text: str) -> None:
    good = curve_of(line(2, 5) + b"\n", text.encode() + b"\r\n", line(6, 4) + b"\n")
    assert good == curve_of(line(2, 5) + b"\n", line(6, 4) + b"\n")
    assert [mark for mark, _ in good] == [0.05]


def test_a_training_that_begins_again_does_not_write_over() -> None:
    first = curve_of(line(1, 5), b"\r", line(30, 4), b"\r")
    assert curve_of(line(1, 5), b"\r", line(30, 4), b"\r", line(2, 9), b"\r", line(28, 1), b"\r") == first


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 50)), max_size=60), st.integers(1, 97))
def test_however_it_is_cut_it_is_the_same(steps: list[tuple[float, float]], size: int) -> None:
    text = b"".join(line(percent, loss) + b"\r" for percent, loss in sorted(steps))
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert curve_of(*pieces) == curve_of(text)


ODD = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda a, b: f"step ({a}%) loss: {b} | ".encode(),
        st.one_of(st.floats(), st.integers(), st.text(max_size=5)),
        st.one_of(st.floats(), st.integers(-(10**40), 10**40), st.text(max_size=5)),
    ),
)


@given(st.lists(ODD, max_size=40))
def test_whatever_is_printed_it_is_a_bounded_curve(pieces: list[bytes]) -> None:
    made = Curve()
    for piece in pieces:
        made.write(piece)
    marks = [mark for mark, _ in made.points]
    assert len(marks) <= MARKS
    assert marks == sorted(set(marks))
    assert all(0 < mark <= 1 and math.isfinite(loss) for mark, loss in made.points)
    assert sound(json.loads(json.dumps(made.points))) == made.points
    assert len(made._rest) <= curve.REACH


def test_a_line_of_megabytes_is_passed_over() -> None:
    made = Curve()
    made.write(line(1, 5) + b"\r")
    for _ in range(16):
        made.write(b"(9%) " * (1 << 17))
        assert len(made._rest) <= curve.REACH
    made.write(b"\r" + line(11, 4) + b"\r")
    assert [mark for mark, _ in made.points] == [0.05, 0.1]


@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=4)))
def test_anything_is_made_sound(points: object) -> None:
    found = sound(points)
    assert sound(found) == found
    assert len(found) <= MARKS


def test_of_what_is_unsound_the_rest_is_taken() -> None:
    assert sound([[0.05, 3], [0.07, 3], [0.1, math.nan], [0.1, True], [0.2, 2.5], [0.15, 1], "ab", [0.3]]) == [
        (0.05, 3.0),
        (0.2, 2.5),
    ]


def test_the_file_tells_it_while_it_goes_on(tmp_path: Path) -> None:
    made = Curve(tmp_path / curve.FILE)
    assert read(tmp_path) == []
    made.write(line(4, 8) + b"\r" + line(6, 7) + b"\r")
    assert read(tmp_path) == made.points == [(0.05, 7.5)]
    made.write(line(10, 6) + b"\r")
    assert read(tmp_path) == made.points


def test_a_line_that_is_on_its_way_is_not_read(tmp_path: Path) -> None:
    (tmp_path / curve.FILE).write_text("0.05 7.5\n0.1 3")
    assert read(tmp_path) == [(0.05, 7.5)]


def test_what_a_run_put_in_its_place_holds_nobody_up(tmp_path: Path) -> None:
    place = tmp_path / curve.FILE
    os.mkfifo(place)
    assert read(tmp_path) == []
    place.unlink()
    place.mkdir()
    assert read(tmp_path) == []
    place.rmdir()
    (tmp_path / "other").write_text("0.05 1\n")
    place.symlink_to(tmp_path / "other")
    assert read(tmp_path) == []
    place.unlink()
    place.write_bytes(b"\xff\x00 [ { \n0.05 1 1\n0.1 2\n1e999 3\n" * 4000)
    assert read(tmp_path) == [(0.1, 2.0)]


def test_a_full_disk_costs_points_of_the_file_only(tmp_path: Path) -> None:
    made = Curve(tmp_path / "no" / "folder")
    made.write(line(4, 8) + b"\r" + line(6, 7) + b"\r")
    assert made.points == [(0.05, 7.5)]


def test_a_run_records_it(tmp_path: Path) -> None:
    training = """
        for n in range(11):
            print(f"step {n:05d} ({10 * n:.1f}%) | loss: {9 - 0.5 * n:.6f} | lrm: 1.00", end="\\r", flush=True)
        print()
    """
    result = carry(tmp_path, training + "#--\n" + GOOD)
    assert result.outcome == "finished"
    assert len(sound(result.curve)) == MARKS
    assert sound(result.curve) == read(tmp_path)
    assert sound(result.curve)[9] == (0.5, 6.5)


def test_a_run_that_says_nothing_of_it_has_none(tmp_path: Path) -> None:
    assert carry(tmp_path, GOOD).curve == []
    assert not (tmp_path / curve.FILE).exists()
