"""The machine room: what a bare `make` says, and that the locked versions are only that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from swarm.research import constraints, hypotheses

PROJECT = Path(__file__).resolve().parents[1]
LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*$")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> list[str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_hold_versions_and_nothing_else() -> None:
    assert [line for line in locked() if not LINE.match(line)] == []


def test_everything_we_name_is_locked() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["train"] + extras["test"]
    names = {canonical(re.match(r"[A-Za-z0-9._-]+", text)[0]) for text in wanted}  # type: ignore[index]
    assert names - {canonical(line.partition("==")[0]) for line in locked()} == set()


def test_a_bare_make_lists_what_there_is() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make"], cwd=PROJECT, env=env, capture_output=True, text=True, timeout=60, check=True)
    for target in ("install", "demo", "test", "check", "lint", "unit", "e2e", "clean"):
        assert re.search(rf"^  {target} +\S", done.stdout, re.M), done.stdout


def test_the_wheel_holds_what_is_no_python(tmp_path: Path) -> None:
    """Programs, templates, the clients' recipes and the ledger's schema: all of what lies beside the code here."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=PROJECT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    programs = {path.name for path in (PROJECT / "programs").glob("*.md")}
    assert programs >= {
        "architecture.md", "conservative.md", "data.md", "default.md", "known.md", "optimizer.md", "regularization.md",
        "schedule.md", "wild.md",
    }  # fmt: skip
    assert {f"swarm/programs/{name}" for name in programs} <= held
    assert {f"swarm/programs/roles/{role}.md" for role in ("analyst", "verifier", "statistician")} <= held
    assert {f"swarm/templates/{name}" for name in ("train.py", "prepare.py", "program.md")} <= held
    beside = {
        p.relative_to(PROJECT).as_posix() for p in (PROJECT / "swarm").rglob("*") if p.suffix in (".toml", ".sql")
    }
    assert "swarm/agents/clients.toml" in beside and beside <= held


def test_the_programs_that_come_with_it_can_be_read() -> None:
    """Whoever is dealt one gets a title, what to look at and how to judge; none hides a constraint or a list of ideas."""
    for path in (PROJECT / "programs").rglob("*.md"):
        text = path.read_text()
        assert text.startswith("# ") and max(map(len, text.splitlines())) <= 128, path
        if path.name != "README.md":
            assert 1400 < len(text) < 4500, path
            assert constraints.read(text) == constraints.Rules() and hypotheses.read(text) == [], path
    default = (PROJECT / "programs" / "default.md").read_text()
    for words in (
        "Goal",
        "may change",
        "Simple wins",
        "recall",
        "Prepare the next",
        "Write down what failed",
        "Never stop",
    ):
        assert words in default


def test_the_scripts_can_be_run() -> None:
    for path in (PROJECT / ".ci" / "run", PROJECT / "scripts" / "system.sh", PROJECT / "scripts" / "lock.sh"):
        assert os.access(path, os.X_OK), path
        subprocess.run(["bash", "-n", str(path)], check=True, timeout=60)
