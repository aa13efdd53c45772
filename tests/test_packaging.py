"""The machine room: what a bare `make` says, and that the locked versions are only that."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

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


def test_the_scripts_can_be_run() -> None:
    for path in (PROJECT / ".ci" / "run", PROJECT / "scripts" / "system.sh", PROJECT / "scripts" / "lock.sh"):
        assert os.access(path, os.X_OK), path
        subprocess.run(["bash", "-n", str(path)], check=True, timeout=60)
