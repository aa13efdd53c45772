"""Literal seeds are rewritten, and nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from swarm.runner.literal import reseeded, rewrite


def test_the_calls_that_seed() -> None:
    source = (
        "torch.manual_seed(42); torch.cuda.manual_seed_all(4_2)\nnp.random.seed(0x1F)\nrandom.seed(7)\n"
        "é = g().manual_seed(1)\nmanual_seed(seed=3)\nnumpy.random.seed(\n    5,\n)\n"
    )
    after, count = reseeded(source.encode(), 99)
    assert count == 7
    assert after.decode() == (
        "torch.manual_seed(99); torch.cuda.manual_seed_all(99)\nnp.random.seed(99)\nrandom.seed(99)\n"
        "é = g().manual_seed(99)\nmanual_seed(seed=99)\nnumpy.random.seed(\n    99,\n)\n"
    )


def test_what_is_not_a_literal_seed_stays() -> None:
    source = (
        b"torch.manual_seed(SEED)\nrandom.seed()\nx.seed(3)\nrandom.seed(True)\nrandom.seed('a')\n# manual_seed(42)\n"
    )
    assert reseeded(source, 9) == (source, 0)


def test_what_does_not_parse_stays() -> None:
    for source in (b"def (", b"\0", b"(" * 5000, b"x = " + b"-" * 100_000 + b"1", b"a" + b".a" * 20_000 + b"(1)"):
        assert reseeded(source, 9)[0] == source


def test_only_the_runs_own_copy_is_written(tmp_path: Path) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    work.mkdir()
    other.mkdir()
    for folder in (work, other):
        (folder / "train.py").write_text("manual_seed(42)\n")
    (work / "link.py").symlink_to(other / "train.py")
    (work / "notes.md").write_text("manual_seed(42)\n")
    (work / "twin.py").hardlink_to(other / "train.py")
    names = ["train.py", "link.py", "../other/train.py", "notes.md", "missing.py", "twin.py"]
    assert rewrite(work, names, 5) == 2
    assert (work / "train.py").read_text() == (work / "twin.py").read_text() == "manual_seed(5)\n"
    assert (other / "train.py").read_text() == (work / "notes.md").read_text() == "manual_seed(42)\n"


@given(st.lists(st.integers(0, 10**6), max_size=5), st.integers(0, 2**32 - 1), st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_literal_becomes_the_seed(literals: list[int], seed: int, newline: str) -> None:
    def text(values: list[int]) -> bytes:
        return newline.join(["s = 'ünïcode'", *(f"torch.manual_seed({n})  # ß" for n in values)]).encode()

    assert reseeded(text(literals), seed) == (text([seed] * len(literals)), len(literals))
