"""train.py: the block it prints, the same result for the same seed, and a network that cannot look ahead."""

from __future__ import annotations

import ast
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .conftest import TEMPLATES, Template, edited, run_python

BLOCK = re.compile(
    r"\n---\n"
    r"val_bpb:          \d+\.\d{6}\n"
    r"training_seconds: \d+\.\d\n"
    r"total_seconds:    \d+\.\d\n"
    r"peak_vram_mb:     \d+\.\d\n"
    r"mfu_percent:      \d+\.\d\d\n"
    r"total_tokens_M:   \d+\.\d\n"
    r"num_steps:        \d+\n"
    r"num_params_M:     \d+\.\d\n"
    r"depth:            \d+\n\Z"
)
KNOBS = [
    "DEPTH",
    "ASPECT_RATIO",
    "HEAD_DIM",
    "WINDOW_PATTERN",
    "SHORT_WINDOW",
    "ROPE_BASE",
    "Q_SCALE",
    "QK_NORM_BEFORE_ROPE",
    "X0_INIT",
    "RESID_INIT",
    "MATRIX_LR",
    "EMBEDDING_LR",
    "UNEMBEDDING_LR",
    "SCALAR_LR",
    "ADAM_BETA1",
    "ADAM_BETA2",
    "MUON_MOMENTUM_START",
    "MUON_MOMENTUM_END",
    "MUON_BETA2",
    "WEIGHT_DECAY",
    "WEIGHT_DECAY_END",
    "EMBEDDING_WEIGHT_DECAY",
    "WARMUP_RATIO",
    "WARMDOWN_RATIO",
    "FINAL_LR_FRAC",
    "TOTAL_BATCH_SIZE",
    "DEVICE_BATCH_SIZE",
    "TRAIN_SEQ_LEN",
    "VOCAB_SIZE",
    "SOFTCAP",
]


def constants() -> dict[str, object]:
    found: dict[str, object] = {}
    for node in ast.parse((TEMPLATES / "train.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            name = node.targets[0].id
            assert name not in found, f"{name} is assigned twice"
            try:
                found[name] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def test_every_knob_is_a_literal() -> None:
    found = constants()
    assert set(KNOBS) <= set(found)
    for name in found:
        if name.endswith("_GPU"):
            assert name.removesuffix("_GPU") in found


def small(folder: Path, **values: object) -> Path:
    return edited(folder, **{"VOCAB_SIZE": 300, "ASPECT_RATIO": 16, "HEAD_DIM": 16, **values})


def test_the_block(cache: Path, tmp_path: Path) -> None:
    ran = run_python("train.py", cache=cache, cwd=small(tmp_path), SWARM_BUDGET="steps:4", CUDA_VISIBLE_DEVICES="")
    assert ran.returncode == 0, ran.stderr
    assert BLOCK.search(ran.stdout), ran.stdout
    assert ran.stdout.count("val_bpb:") == 1
    assert "num_steps:        4\n" in ran.stdout
    assert "\nkernel: sdpa\n" in "\n" + ran.stdout
    assert re.search(r"\nstep 00001 \(25\.0%\) \| loss: \d+\.\d{6} \|[^\n]*\r", ran.stdout)


def test_no_number_is_a_fail(cache: Path, tmp_path: Path) -> None:
    ran = run_python("train.py", cache=cache, cwd=small(tmp_path, SOFTCAP="0.0"), SWARM_BUDGET="steps:4")
    assert ran.returncode == 1
    assert ran.stdout.rstrip().endswith("FAIL")
    assert "val_bpb" not in ran.stdout
    assert "Traceback" not in ran.stderr


def scored(template: Template, seed: int, budget: str = "steps:6") -> float:
    data = template.prepare.load(300)
    run = template.train.Run(data, template.train.sdpa_kernel(), seed)
    template.train.train(run, template.prepare.Budget(budget), math.inf)
    return float(template.prepare.evaluate_bpb(run.logits, data, 16, template.train.DEVICE))


def test_the_seed_decides(template: Template) -> None:
    first = scored(template, 1)
    assert first == scored(template, 1)
    assert first != scored(template, 2)


def test_the_seed_comes_from_outside(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_SEED", "7")
    assert template.prepare.seed() == 7


def test_it_learns(template: Template) -> None:
    assert scored(template, 1, "steps:60") < scored(template, 1, "steps:1") - 0.3


def test_every_budget_ends(template: Template) -> None:
    for budget in ("wall:0.05", "cpu:0.05", "flops:1e9", "steps:2"):
        assert scored(template, 1, budget) > 0


def awake(template: Template, **values: object) -> torch.nn.Module:
    """A model whose layers all say something."""
    for name, value in values.items():
        setattr(template.train, name, value)
    torch.manual_seed(0)
    model = template.train.GPT(300, 32, template.train.sdpa_kernel())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return model.eval()


@pytest.mark.parametrize("before", [False, True])
def test_the_future_is_not_seen(template: Template, before: bool) -> None:
    model = awake(template, DEPTH=4, QK_NORM_BEFORE_ROPE=before)
    tokens = torch.randint(0, 300, (2, 32))
    other = tokens.clone()
    other[:, 20:] = (other[:, 20:] + 1) % 300
    a, b = model(tokens), model(other)
    assert torch.allclose(a[:, :20], b[:, :20], atol=1e-4)
    assert not torch.allclose(a[:, 20:], b[:, 20:], atol=1e-2)


def test_a_short_window_ends(template: Template) -> None:
    model = awake(template, DEPTH=1)
    model.attention[0].window = 4  # the last layer is long otherwise
    tokens = torch.randint(0, 300, (1, 32))
    other = tokens.clone()
    other[:, 10] = (other[:, 10] + 1) % 300
    same = torch.isclose(model(tokens), model(other), atol=1e-4).all(-1)[0]
    assert same[:10].all()
    assert not same[10:14].any()
    assert same[14:].all()


def test_the_pattern_of_windows(template: Template) -> None:
    template.train.WINDOW_PATTERN = "SL"
    template.train.SHORT_WINDOW = 0.25
    assert awake(template, DEPTH=5).windows == [4, 0, 4, 0, 0]


def test_sdpa_against_the_definition(template: Template) -> None:
    q, k, v = torch.randn(3, 2, 12, 2, 4)
    for window in (0, 1, 5):
        apart = torch.arange(12)[:, None] - torch.arange(12)[None, :]
        hidden = (apart < 0) | (apart >= (window or 12))
        weights = (torch.einsum("bihd,bjhd->bhij", q, k) / 2).masked_fill(hidden, -math.inf).softmax(-1)
        expected = torch.einsum("bhij,bjhd->bihd", weights, v)
        assert torch.allclose(template.train.sdpa_kernel()(q, k, v, window), expected, atol=1e-5)


def test_polar_express_makes_singular_values_one(template: Template) -> None:
    for shape in ((3, 16, 8), (2, 8, 32)):
        values = torch.linalg.svdvals(template.train.orthogonal(torch.randn(shape)))
        assert values.min() > 0.7
        assert values.max() < 1.3


def test_adamw_is_adamw(template: Template) -> None:
    mine = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    theirs = torch.nn.Parameter(mine.detach().clone())
    ours = template.train.AdamW([mine], 0.01, 0.8, 0.1)
    other = torch.optim.AdamW([theirs], 0.01, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.1)
    for i in range(4):
        mine.grad = theirs.grad = torch.linspace(0.5, -0.25 * i, 5)
        ours.step(1.0, 0.0)
        other.step()
    assert torch.allclose(mine, theirs, atol=1e-6)


def test_the_schedule(template: Template) -> None:
    train = template.train
    train.WARMUP_RATIO, train.WARMDOWN_RATIO, train.FINAL_LR_FRAC = 0.1, 0.5, 0.2
    assert [round(train.lr_times(p), 6) for p in (0.0, 0.05, 0.1, 0.5, 0.75, 1.0)] == [0.0, 0.5, 1.0, 1.0, 0.6, 0.2]


@pytest.mark.parametrize(
    "values",
    [
        {"TOTAL_BATCH_SIZE": 100, "DEVICE_BATCH_SIZE": 3},
        {"TRAIN_SEQ_LEN": 24, "HEAD_DIM": 12},
        {"DEPTH": 1, "VALUE_EMBED_EVERY": 0, "MUON_BETA2": 0.0},
        {"DEPTH": 3, "WINDOW_PATTERN": "L", "WARMDOWN_RATIO": 1.0, "MUON_STEPS": 2},
        {"WARMDOWN_RATIO": 0.0, "MUON_MOMENTUM_RATIO": 0.0, "EMBEDDING_WEIGHT_DECAY": 0.1, "MLP_RATIO": 2.5},
    ],
)
def test_knobs_need_not_divide_each_other(template: Template, values: dict[str, object]) -> None:
    for name, value in values.items():
        setattr(template.train, name, value)
    assert math.isfinite(scored(template, 1, "steps:2"))


def test_accumulating_is_the_same_step(template: Template) -> None:
    data = template.prepare.load(300)

    def after(rows: int) -> torch.Tensor:
        template.train.DEVICE_BATCH_SIZE = rows
        run = template.train.Run(data, template.train.sdpa_kernel(), 1)
        run.learn(0.1)
        weight: torch.Tensor = run.model.unembed.weight.detach()
        return weight

    assert torch.allclose(after(4), after(2), atol=1e-5)


@pytest.mark.e2e
def test_in_a_sandbox_with_a_fresh_home(cache: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    work = small(tmp_path)
    held = str(home / ".cache" / "swarm")
    box = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all"]
    for prefix in (sys.base_prefix, sys.prefix):  # a checkout below /tmp would be hidden
        box += ["--ro-bind", prefix, prefix]
    box += ["--bind", str(work), str(work), "--dir", str(home / ".cache"), "--ro-bind", str(cache), held]
    assert shutil.which("bwrap"), "apt-get install bubblewrap"
    box += ["--chdir", str(work), "--setenv", "HOME", str(home), "--unsetenv", "SWARM_CACHE"]
    box += ["--setenv", "SWARM_BUDGET", "steps:3", sys.executable, "train.py"]
    ran = subprocess.run(box, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stderr
    assert BLOCK.search(ran.stdout), ran.stdout
