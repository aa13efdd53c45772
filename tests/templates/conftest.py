"""One small prepared cache per session, and the two files of the template as modules."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

TEMPLATES = Path(__file__).parents[2] / "templates"
pytest.importorskip("torch")
pytest.importorskip("rustbpe")
pytest.importorskip("tiktoken")


def run_python(*arguments: str, cache: Path, cwd: Path = TEMPLATES, **env: str) -> subprocess.CompletedProcess[str]:
    """A process of the template, with nothing of the person's environment that could change it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SWARM_")}
    kept |= {"SWARM_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **env}
    command = [sys.executable, *arguments]
    raw = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, timeout=110, check=False)
    out, error = raw.stdout.decode(), raw.stderr.decode()  # not text=True: it would turn \r into \n
    return subprocess.CompletedProcess(command, raw.returncode, out, error)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of text: some of the interpreter's own files, one with characters of four bytes."""
    folder = tmp_path_factory.mktemp("corpus")
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.glob("*.py"))[:120]:
        (folder / path.name).write_bytes(path.read_bytes()[:10_000])
    for i in range(10):  # some of these fall into the validation text, whatever the hash
        (folder / f"signs{i}.txt").write_text(f"signs {i}: 😀 ä € 漢字 𝔘\n" * 40)
    return folder


@pytest.fixture(scope="session")
def cache(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vocabularies 300 and 512 over that folder."""
    folder = tmp_path_factory.mktemp("cache")
    asked = ("--source", str(corpus), "--vocab", "300", "512", "--span", "6000", "--context", "32")
    made = run_python("prepare.py", *asked, cache=folder)
    assert made.returncode == 0, made.stderr
    return folder


@dataclass(frozen=True)
class Template:
    prepare: ModuleType
    train: ModuleType
    cache: Path


@pytest.fixture
def template(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Template]:
    """Both modules, freshly imported, over the small cache; the network is made tiny."""
    import torch

    monkeypatch.syspath_prepend(str(TEMPLATES))
    monkeypatch.setenv("SWARM_CACHE", str(cache))
    for name in ("SWARM_BUDGET", "SWARM_SEED"):
        monkeypatch.delenv(name, raising=False)
    for name in ("prepare", "train"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    prepare, train = importlib.import_module("prepare"), importlib.import_module("train")
    train.GPU, train.DEVICE = False, torch.device("cpu")
    tiny = {"ASPECT_RATIO": 8, "HEAD_DIM": 8, "VOCAB_SIZE": 300, "TOTAL_BATCH_SIZE": 64, "TRAIN_SEQ_LEN": 16}
    for name, value in tiny.items():
        setattr(train, name, value)
    yield Template(prepare, train, cache)
    torch.set_num_threads(threads)
    for name in ("prepare", "train"):
        sys.modules.pop(name, None)


def edited(folder: Path, **values: object) -> Path:
    """A copy of the template with these constants, as an agent would submit it."""
    source = (TEMPLATES / "train.py").read_text()
    for name, value in values.items():
        source, found = re.subn(rf"^{name} = [^#\n]*", f"{name} = {value}  ", source, flags=re.MULTILINE)
        assert found == 1, name
    (folder / "train.py").write_text(source)
    (folder / "prepare.py").write_text((TEMPLATES / "prepare.py").read_text())
    return folder
