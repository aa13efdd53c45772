"""`swarm init`: a folder with swarm.yaml, programs/ and the task."""

from __future__ import annotations

import shutil
from pathlib import Path

from swarm.cli import packaged, tasks
from swarm.errors import SwarmError
from swarm.workspace import is_checkout, is_task, is_workspace

YAML = """\
# What this swarm works on. All of it is optional but the first line; `swarm spawn --help` has the same on the command line.
task: {task}
#task:                          # the same, at length; all but path is found out where the task is like the template
#  path: {task}
#  edit: [train.py]             # the files that agents may change; everything else is frozen
#  run: python train.py         # python is the task's interpreter (python: PATH)
#  prepare: python prepare.py   # swarm prepare
#  metric: {{name: val_bpb, better: lower}}
#  budget: wall:300             # per run: wall:SECONDS, cpu:SECONDS, flops:N, steps:N; 120s and 5m are wall
#  seed: env                    # env: SWARM_SEED, literal: the number in manual_seed() is varied, none
#  caches: [~/.cache/swarm]     # what runs may read beside the task
#  limits: {{peak_vram_mb: 60000}}
#agents: tuner                  # or tuner,aider or {{tuner: 3, aider: 1}}
#gpus: 8                        # or "0,2,5"
#device: auto                   # cuda, cpu
#stop: {{hours: 10}}              # also until: "08:30", experiments: 200, usd: 60; whatever comes first
#policy: {{sandbox: auto}}        # required, off
#gpu_price: 2.00                # dollars per GPU-hour, for reports
#control: 0.1                   # share of the GPU time for a tuner alone, to compare with
#program: [architecture, optimizer]   # of programs/, dealt in turn; without it all of them
#commands: {{mine: "my-agent --headless < {{brief}}"}}   # then: --agents mine; gemini, qwen, opencode, aider are known
"""


def run(folder: Path, task: str = "templates") -> None:
    """Make the workspace. Raises SwarmError for a folder that holds something, or a task that is not there."""
    folder = folder.expanduser()
    _free(folder)
    if task == "templates":
        source, shown = packaged.templates(), "task"
    elif tasks.is_url(task):
        source, shown = None, task
    else:
        source, shown = Path(task).expanduser().resolve(), str(Path(task).expanduser().resolve())
        if not source.is_dir():
            raise SwarmError(
                f"no task there: {source} is not a folder.", "swarm init DIR --task templates|PATH|GIT_URL"
            )
    folder.mkdir(parents=True, exist_ok=True)
    if shown == "task" and source is not None:
        (folder / "task").mkdir()
        for name in ("train.py", "prepare.py"):
            shutil.copy(source / name, folder / "task" / name)
    (folder / "programs").mkdir()
    for path in tasks.first_programs(source or packaged.templates()):
        shutil.copy(path, folder / "programs" / path.name)
    (folder / "swarm.yaml").write_text(YAML.format(task=shown))  # last: this makes it a workspace
    print(_said(folder, shown))


def _free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SwarmError(f"{folder} is a file.")
    if not folder.is_dir():
        return
    if is_checkout(folder) or is_task(folder):
        raise SwarmError(
            f"{folder.resolve()} is a task already; it needs no init.", "Begin: swarm prepare, then swarm spawn"
        )
    if is_workspace(folder):
        raise SwarmError(f"{folder.resolve()} is a swarm workspace already.", "Begin: swarm prepare, then swarm spawn")
    if any(folder.iterdir()):
        raise SwarmError(f"{folder.resolve()} is not empty.", "Name a new folder: swarm init my-swarm")


def _said(folder: Path, shown: str) -> str:
    place = "" if folder == Path(".") else f"cd {folder} && "
    task = "the template, yours to edit" if shown == "task" else shown
    return (
        f"  {folder.resolve()}\n"
        f"    swarm.yaml   what, on what, until when\n"
        f"    programs/    what your agents are told; edit them, also while they run\n"
        f"    task         {task}\n"
        f"  next   {place}swarm prepare   then   swarm spawn --gpus 8 --agents tuner\n"
        f"         without a GPU:   swarm spawn --device cpu --gpus 2 --agents tuner"
    )
