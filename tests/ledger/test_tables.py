"""results.tsv in and out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm import procs
from swarm.errors import SwarmError
from swarm.ledger import export, imported
from swarm.ledger.reader import Reader
from swarm.ledger.tsv import parse
from swarm.workspace import Workspace
from tests.ledger.made import made

KARPATHY = """commit\tval_bpb\tmemory_gb\tstatus\tdescription
a1b2c3d\t0.997900\t44.0\tkeep\tbaseline
b2c3d4e\t0.993200\t44.2\tkeep\tincrease LR to 0.04
c3d4e5f\t1.005000\t44.0\tdiscard\tswitch to GeLU activation
d4e5f6a\t0.000000\t0.0\tcrash\tdouble model width (OOM)
"""


def test_karpathys_file_is_read() -> None:
    table = parse(KARPATHY)
    assert table.metric == "val_bpb"
    assert [(r.commit, r.score, r.verdict) for r in table.rows] == [
        ("a1b2c3d", 0.9979, "keep"), ("b2c3d4e", 0.9932, "keep"), ("c3d4e5f", 1.005, "discard"), ("d4e5f6a", None, "crash"),
    ]  # fmt: skip
    assert table.rows[1].memory_gb == 44.2
    assert table.rows[3].memory_gb is None
    assert table.skipped == ()


def test_other_swarms_tables_are_read_too() -> None:
    skypilot = "experiment_id\tstatus\tval_bpb\tmemory_gb\tdescription\nexp-042\tKEEP\t0.974\t44.1\twider\n"
    row = parse(skypilot).rows[0]
    assert (row.name, row.commit, row.score, row.verdict) == ("exp-042", None, 0.974, "keep")
    novix = "agent\tcommit\tval_bpb\tmemory_gb\tstatus\tdescription\ngpu4\t1234abc\t0.9767\t44.1\tkeep\tbest\n"
    row = parse(novix).rows[0]
    assert (row.agent, row.commit, row.score) == ("gpu4", "1234abc", 0.9767)


def test_without_a_header_the_columns_are_told_by_where_the_status_is() -> None:
    row = parse("exp-042\tkeep\t0.974\t44.1\twider\n").rows[0]
    assert (row.name, row.score, row.verdict, row.description) == ("exp-042", 0.974, "keep", "wider")
    row = parse("gpu4\t1234abc\t0.9767\t44.1\tdiscard\tbest\tof all\n").rows[0]
    assert (row.agent, row.commit, row.score, row.verdict, row.description) == (
        "gpu4",
        "1234abc",
        0.9767,
        "discard",
        "best of all",
    )


def test_commas_are_tolerated() -> None:
    text = (
        KARPATHY.replace("\t", ",")
        .replace("increase LR to 0.04", '"increase LR, to 0.04"')
        .replace("GeLU", "GeLU, then,")
    )
    table = parse(text)
    assert table.wrong == ()
    assert [r.score for r in table.rows] == [r.score for r in parse(KARPATHY).rows]
    assert table.rows[1].description == "increase LR, to 0.04"
    assert table.rows[2].description == "switch to GeLU, then, activation"


def test_what_is_wrong_with_a_line_is_said() -> None:
    broken = KARPATHY + "not a line at all\nabc1234\tnan\t1.0\tkeep\tx\nabc1234\t1.0\t1.0\tmaybe\tx\n"
    assert parse(broken).wrong == ((6, "no columns"), (7, "'nan' is no val_bpb"), (8, "'maybe' is no status"))


def test_what_editors_and_people_do_to_it_does_no_harm() -> None:
    spaces = "\ufeff" + KARPATHY.replace("\t", "   ").replace("\n", "\r\n")
    assert [r.score for r in parse(spaces).rows] == [r.score for r in parse(KARPATHY).rows]
    headless = "".join(KARPATHY.splitlines(keepends=True)[1:])
    assert parse(headless).rows[0].commit == "a1b2c3d"
    broken = KARPATHY + "not a line at all\nabc1234\tnan\t1.0\tkeep\tx\n\n"
    assert parse(broken).skipped == (6, 7)
    assert parse("").rows == ()


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    table = parse(text)
    assert all(r.score is None or r.score == r.score for r in table.rows)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    made(tmp_path / "results.db", 40).db.close()
    return Reader(tmp_path / "results.db")


def test_the_exported_file_is_karpathys_format(reader: Reader) -> None:
    out = io.StringIO()
    count = export.results_tsv(reader, out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    assert lines[1] == "9e3779b\t0.998100\t44.0\tkeep\tas given"
    assert count == len(lines) - 1 == 41
    table = parse(out.getvalue())
    assert not table.skipped
    assert len(table.rows) == 41
    assert all(line.split("\t")[1:3] == ["0.000000", "0.0"] for line in lines if line.split("\t")[3] == "crash")


def test_descriptions_cannot_break_a_line(reader: Reader, tmp_path: Path) -> None:
    night = made(tmp_path / "other.db", 8)
    night.db.execute("UPDATE experiments SET description='a\tb\nc\r\n\x0bd' WHERE id='e0002'")
    night.db.close()
    out = io.StringIO()
    export.results_tsv(Reader(tmp_path / "other.db"), out)
    assert "a b c d" in out.getvalue()
    assert all(len(line.split("\t")) == 5 for line in out.getvalue().splitlines())


def test_everything_as_json_lines_and_csv(reader: Reader) -> None:
    out = io.StringIO()
    count = export.json_lines(reader, out)
    items = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(items) == count == 41
    assert items[0]["hardware"] == "NVIDIA H100 80GB HBM3"
    assert len(items[0]["measurements"]) == 4
    table = io.StringIO()
    export.comma_separated(reader, table)
    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    assert len(rows) == 41
    assert rows[0]["id"] == "e0001"


def test_a_spreadsheet_runs_no_formula(tmp_path: Path) -> None:
    night = made(tmp_path / "other.db", 4)
    night.db.execute("UPDATE experiments SET description='=HYPERLINK(1)' WHERE id='e0002'")
    night.db.close()
    out = io.StringIO()
    export.comma_separated(Reader(tmp_path / "other.db"), out)
    assert "'=HYPERLINK" in out.getvalue()


def test_imported_results_are_kept_and_never_ranked(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    made(workspace.ledger, 8).db.close()
    assert imported.write(workspace, parse(KARPATHY), "results.tsv", 5.0) == (4, 0)
    assert imported.write(workspace, parse(KARPATHY), "results.tsv", 6.0) == (0, 4), "a second time adds nothing"
    with Reader(workspace.ledger) as reader:
        assert reader.campaign().id == 1
        assert reader.find("b2c3d4e").origin == "imported"
        assert all(e.origin != "imported" for e in reader.top(reader.campaign(), 1, 100, everything=True))


def test_import_waits_for_no_coordinator(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.make()
    held = procs.take(workspace.lock)
    assert held is not None
    with pytest.raises(SwarmError, match="coordinator is running"):
        imported.write(workspace, parse(KARPATHY), "results.tsv", 5.0)
