"""Numbers and words on screens."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.cli import screen

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eevil\u202c \x00\x08 [bold]markup[/bold] \x9b31m a\u0301\u0301\u0301\u0301\u0301 \u2028x"


@given(st.text())
def test_clean_leaves_nothing_that_moves_a_cursor(text: str) -> None:
    line = screen.clean(text)
    assert "\n" not in line
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in line)
    assert screen.clean(line) == line
    many = screen.clean(text, lines=True)
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in many.replace("\n", ""))


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_clean_keeps_what_is_plain(text: str) -> None:
    assert screen.clean(text) == text


def test_clean_takes_escape_codes_out_whole() -> None:
    line = screen.clean(HOSTILE)
    assert line.startswith("red ")
    assert "31m" not in line.split("markup")[0]
    assert "title" not in line
    assert "\u202e" not in line
    assert "[bold]markup[/bold]" in line
    assert line.count("\u0301") == 2


@pytest.mark.parametrize(
    ("values", "stderr", "decimals"),
    [
        ([0.9803, 0.9981], 0.0008, 4),
        ([2.0473], 0.0035, 4),
        ([2.635983], 0.000002, 6),
        ([123456.0, 99000.0], 300.0, 0),
        ([52.1], None, 3),
        ([1234.5], 3.0, 1),
        ([0.00123], None, 6),
        ([], None, 4),
        ([None, 0.0], 0.0, 4),
    ],
)
def test_decimals_fit_the_size_and_the_noise(values: list[float | None], stderr: float | None, decimals: int) -> None:
    assert screen.places(values, stderr) == decimals


def test_numbers_are_written_as_the_field_does() -> None:
    assert screen.fixed(0.98034, 4) == "0.9803"
    assert screen.fixed(None, 4) == "—"
    assert screen.error(0.00084, 4) == ".0008"
    assert screen.error(1.25, 2) == "1.25"
    assert screen.signed(-0.01777, 4) == "−0.0178"
    assert screen.signed(6, 0) == "+6"
    assert [screen.chance(p) for p in (0.861, 0.9999, 0.0001, None)] == ["0.86", ">0.99", "<0.01", "—"]
    assert [screen.minutes(s) for s in (190, 45, 3720, -1)] == ["3:10", "0:45", "1:02:00", "0:00"]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA GeForce RTX 4090", "GeForce RTX 4090"),
        ("AMD EPYC 7B12 64-Core Processor", "EPYC 7B12"),
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", "Xeon Platinum 8370C"),
        ("AMD Instinct MI300X", "Instinct MI300X"),
        (None, "?"),
    ],
)
def test_hardware_has_a_short_name(name: str | None, short: str) -> None:
    assert screen.hardware(name) == short
