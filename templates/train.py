"""Train a small GPT for a fixed budget and print its bits per byte. This is the file that agents edit.

    python prepare.py && python train.py        SWARM_BUDGET=wall:300|cpu:20|flops:1e12|steps:200, SWARM_SEED=42

The same file runs on one CPU core and on a GPU.
"""

from __future__ import annotations

import gc
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import prepare
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STARTED = time.perf_counter()

# --- knobs: plain literals, nothing else in this block ---------------------------------------------------------------
# A name with a _GPU twin is read on a CPU core, the twin on a GPU; all the others are read on both.

# Size
DEPTH = 2  # layers
DEPTH_GPU = 8
ASPECT_RATIO = 32  # width = DEPTH * ASPECT_RATIO, rounded up to whole heads
ASPECT_RATIO_GPU = 64
HEAD_DIM = 32
HEAD_DIM_GPU = 128
MLP_RATIO = 4  # width of the MLP / width
VOCAB_SIZE = 1024  # one of those prepared
VOCAB_SIZE_GPU = 8192

# Batches, in tokens and rows
TOTAL_BATCH_SIZE = 512  # tokens per optimizer step
TOTAL_BATCH_SIZE_GPU = 524288
DEVICE_BATCH_SIZE = 64  # rows per pass, at most (memory)
DEVICE_BATCH_SIZE_GPU = 128
TRAIN_SEQ_LEN = 128  # tokens per row
TRAIN_SEQ_LEN_GPU = 2048

# Attention
WINDOW_PATTERN = "SSSL"  # S short, L long; repeated over the layers, the last one is always long
SHORT_WINDOW = 0.5  # of TRAIN_SEQ_LEN
ROPE_BASE = 10000.0
Q_SCALE = 1.0  # sharper attention above 1
QK_NORM_BEFORE_ROPE = False  # or after it
VALUE_EMBED_EVERY = 2  # every so many layers, counted from the last; 0: none
VE_GATE_CHANNELS = 32

# Start values
EMBEDDING_INIT = 1.0
UNEMBEDDING_INIT = 0.001
MATRIX_INIT = 1.0  # times 1/sqrt(width)
RESID_INIT = 1.0  # what a layer keeps of its input
X0_INIT = 0.1  # and adds of the embedding
SOFTCAP = 15.0  # of the logits

# Learning rates; those of AdamW are scaled by sqrt(768 / width)
MATRIX_LR = 0.04  # Muon
EMBEDDING_LR = 0.3
UNEMBEDDING_LR = 0.004
SCALAR_LR = 0.5
WARMUP_RATIO = 0.0  # of the budget
WARMDOWN_RATIO = 0.5
FINAL_LR_FRAC = 0.0

# AdamW
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95
X0_BETA1 = 0.96
ADAM_EPS = 1e-10

# Muon
MUON_STEPS = 5  # of Polar Express, at most 5
MUON_MOMENTUM_START = 0.85
MUON_MOMENTUM_END = 0.95
MUON_MOMENTUM_RATIO = 0.3  # of the budget from start to end
MUON_BETA2 = 0.95  # of the variance per row or column; 0: none

# Weight decay: from the first to the second value, linearly over the budget
WEIGHT_DECAY = 0.2  # of matrices, only where it and the update agree in sign
WEIGHT_DECAY_END = 0.0
EMBEDDING_WEIGHT_DECAY = 0.0
VALUE_EMBED_WEIGHT_DECAY = 0.0
UNEMBEDDING_WEIGHT_DECAY = 0.0
ADAM_WEIGHT_DECAY_FINAL_FRAC = 1.0

# --- the machine -----------------------------------------------------------------------------------------------------

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "B200": 2250e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
POLAR_EXPRESS = (  # Amsel et al. 2025, arXiv 2505.16932: degree 5, one triple per iteration
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


def sized(name: str) -> int:
    """The size that holds on this machine."""
    return int(globals()[f"{name}_GPU" if GPU else name])


# --- attention -------------------------------------------------------------------------------------------------------
# Each kernel takes q, k, v of (rows, tokens, heads, head dim) and a window in tokens, itself included (0: no limit).

Kernel = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def flash_kernel() -> Kernel:
    """flash-attn, version 3 before 2. Raises ImportError when it is not installed."""
    try:
        from flash_attn_interface import flash_attn_func
    except ImportError:
        from flash_attn import flash_attn_func

    def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        out = flash_attn_func(q, k, v, causal=True, window_size=(window - 1, 0) if window else (-1, -1))
        return out[0] if isinstance(out, tuple) else out

    return attend


def varlen_kernel() -> Kernel:
    """What torch itself ships. Raises ImportError when this torch has none."""
    from torch.nn.attention.varlen import varlen_attn

    def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        rows, tokens = q.shape[:2]
        at = torch.arange(0, (rows + 1) * tokens, tokens, dtype=torch.int32, device=q.device)
        q, k, v = (t.reshape(rows * tokens, *t.shape[2:]) for t in (q, k, v))
        out = varlen_attn(q, k, v, at, at, tokens, tokens, window_size=(window - 1 if window else -1, 0))
        return out.view(rows, tokens, *out.shape[1:])

    return attend


def flex_kernel() -> Kernel:
    """FlexAttention, compiled."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    compiled = torch.compile(flex_attention, dynamic=False)
    masks: dict[tuple[int, int], object] = {}

    def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        tokens = q.shape[1]
        if (tokens, window) not in masks:

            def seen(_row: Tensor, _head: Tensor, at: Tensor, other: Tensor) -> Tensor:
                near = at - other < (window or tokens)
                return (at >= other) & near

            masks[tokens, window] = create_block_mask(seen, None, None, tokens, tokens, device=q.device)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return compiled(q, k, v, block_mask=masks[tokens, window]).transpose(1, 2)

    return attend


def sdpa_kernel() -> Kernel:
    """scaled_dot_product_attention with a boolean mask made once; works everywhere."""
    masks: dict[tuple[int, int], Tensor] = {}

    def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        tokens = q.shape[1]
        limited = 0 < window < tokens
        if limited and (tokens, window) not in masks:
            at = torch.arange(tokens, device=q.device)
            apart = at[:, None] - at[None, :]
            masks[tokens, window] = (apart >= 0) & (apart < window)
        mask = masks[tokens, window] if limited else None
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=not limited).transpose(1, 2)

    return attend


def best_kernel(head_dim: int) -> tuple[str, Kernel]:
    """The fastest kernel that survives one small launch, forward and backward (FA3 loads on GPUs it dies on)."""
    if GPU:
        for name, make in (("flash-attn", flash_kernel), ("varlen", varlen_kernel), ("flex", flex_kernel)):
            try:
                kernel = make()
                q, k, v = torch.randn(3, 2, 256, 2, head_dim, device=DEVICE, dtype=torch.bfloat16, requires_grad=True)
                kernel(q, k, v, 64).sum().backward()
                torch.cuda.synchronize()
                return name, kernel
            except Exception as error:
                print(f"{name} does not work here: {str(error).splitlines()[0][:120] if str(error) else error!r}")
    return "sdpa", sdpa_kernel()


# --- the network -----------------------------------------------------------------------------------------------------


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding: the halves of a head are turned against each other by an angle that grows with the place."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), -1)


class Attention(nn.Module):
    def __init__(self, width: int, head_dim: int, window: int, has_value_embed: bool, kernel: Kernel) -> None:
        super().__init__()
        self.head_dim, self.window, self.kernel = head_dim, window, kernel
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        gates = width // head_dim if has_value_embed else 0
        self.gate = nn.Linear(min(VE_GATE_CHANNELS, width), gates, bias=False) if gates else None

    def forward(self, x: Tensor, value_embed: Tensor | None, cos: Tensor, sin: Tensor) -> Tensor:
        heads = (*x.shape[:2], -1, self.head_dim)
        q, k, v = self.query(x).view(heads), self.key(x).view(heads), self.value(x).view(heads)
        if self.gate is not None and value_embed is not None:
            amount = 2 * torch.sigmoid(self.gate(x[..., : self.gate.in_features]))
            v = v + amount[..., None] * value_embed.view(heads)
        if QK_NORM_BEFORE_ROPE:
            q, k = rotate(norm(q), cos, sin), rotate(norm(k), cos, sin)
        else:
            q, k = norm(rotate(q, cos, sin)), norm(rotate(k, cos, sin))
        y = self.kernel((q * Q_SCALE).to(v.dtype), k.to(v.dtype), v, self.window)
        return self.out(y.reshape(x.shape))


class MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, int(MLP_RATIO * width), bias=False)
        self.down = nn.Linear(int(MLP_RATIO * width), width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x)).square())


class GPT(nn.Module):
    def __init__(self, vocab_size: int, context: int, kernel: Kernel) -> None:
        super().__init__()
        self.depth, self.head_dim, self.length = sized("DEPTH"), sized("HEAD_DIM"), sized("TRAIN_SEQ_LEN")
        self.width = -(-self.depth * sized("ASPECT_RATIO") // self.head_dim) * self.head_dim
        short = max(1, round(SHORT_WINDOW * self.length))
        pattern = [WINDOW_PATTERN[i % len(WINDOW_PATTERN)] for i in range(self.depth - 1)] + ["L"]
        self.windows = [short if letter == "S" else 0 for letter in pattern]
        every = VALUE_EMBED_EVERY
        embeds = [bool(every) and (self.depth - 1 - i) % every == 0 for i in range(self.depth)]
        self.embed = nn.Embedding(vocab_size, self.width)
        self.value_embeds = nn.ModuleDict(
            {str(i): nn.Embedding(vocab_size, self.width) for i, has in enumerate(embeds) if has}
        )
        self.attention = nn.ModuleList(
            Attention(self.width, self.head_dim, window, has, kernel)
            for window, has in zip(self.windows, embeds, strict=True)
        )
        self.mlp = nn.ModuleList(MLP(self.width) for _ in range(self.depth))
        self.unembed = nn.Linear(self.width, vocab_size, bias=False)
        self.resid = nn.Parameter(torch.full((self.depth,), float(RESID_INIT)))
        self.x0 = nn.Parameter(torch.full((self.depth,), float(X0_INIT)))
        places = torch.arange(max(context, self.length))[:, None, None]
        angles = places * ROPE_BASE ** -(torch.arange(self.head_dim // 2) / (self.head_dim // 2))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self.start_values()

    @torch.no_grad()
    def start_values(self) -> None:
        """Outputs of every layer start at zero, so that the network starts as its embedding."""
        bound = 3**0.5 * MATRIX_INIT * self.width**-0.5  # uniform with the sd of a normal
        nn.init.normal_(self.embed.weight, std=EMBEDDING_INIT)
        nn.init.normal_(self.unembed.weight, std=UNEMBEDDING_INIT)
        for layer, mlp in zip(self.attention, self.mlp, strict=True):
            for matrix in (layer.query, layer.key, layer.value, mlp.up):
                nn.init.uniform_(matrix.weight, -bound, bound)
            for matrix in (layer.out, mlp.down, *([layer.gate] if layer.gate is not None else [])):
                nn.init.zeros_(matrix.weight)
        for table in self.value_embeds.values():
            nn.init.uniform_(table.weight, -bound, bound)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token, float32."""
        length = tokens.shape[1]
        x = x0 = norm(self.embed(tokens))
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        for i, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            x = self.resid[i] * x + self.x0[i] * x0
            value_embed = self.value_embeds[str(i)](tokens) if str(i) in self.value_embeds else None
            x = x + attention(norm(x), value_embed, cos, sin)
            x = x + mlp(norm(x))
        logits = self.unembed(norm(x)).float()
        return SOFTCAP * torch.tanh(logits / SOFTCAP)

    def flops_per_token(self) -> float:
        """Forward and backward: 6 per weight of a matrix and token, 12 per channel and token attended to."""
        matrices = sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Linear))
        seen = sum(min(window or self.length, self.length) for window in self.windows)
        return 6.0 * matrices + 12.0 * self.width * seen


# --- the optimizers (plain classes: making a torch.optim one imports a second of other code) -------------------------


class AdamW:
    """Kingma and Ba 2015, with the decay of Loshchilov and Hutter 2019."""

    def __init__(self, params: list[Tensor], lr: float, beta1: float, decay: float = 0.0) -> None:
        self.params, self.lr, self.beta1, self.decay = params, lr, beta1, decay
        self.mean = [torch.zeros_like(p) for p in params]
        self.square = [torch.zeros_like(p) for p in params]
        self.steps = 0

    @torch.no_grad()
    def step(self, times: float, progress: float) -> None:
        """`times` is the schedule's multiple of the learning rate."""
        self.steps += 1
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.params]
        lr, beta2 = self.lr * times, ADAM_BETA2
        decay = self.decay * (1 + progress * (ADAM_WEIGHT_DECAY_FINAL_FRAC - 1))
        if decay:
            torch._foreach_mul_(self.params, 1 - lr * decay)
        torch._foreach_lerp_(self.mean, grads, 1 - self.beta1)
        torch._foreach_mul_(self.square, beta2)
        torch._foreach_addcmul_(self.square, grads, grads, 1 - beta2)
        scale = torch._foreach_sqrt(self.square)
        torch._foreach_div_(scale, math.sqrt(1 - beta2**self.steps))
        torch._foreach_add_(scale, ADAM_EPS)
        torch._foreach_addcdiv_(self.params, self.mean, scale, -lr / (1 - self.beta1**self.steps))


def orthogonal(g: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrices of a stack, by Polar Express; bfloat16 on a GPU."""
    x = g.bfloat16() if GPU else g
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in POLAR_EXPRESS[:MUON_STEPS]:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(g.dtype)


class Muon:
    """Matrices of one shape, stepped as a stack: Nesterov momentum (Jordan 2024), orthogonalised, evened out by the
    variance of its rows or columns (NorMuon, Li et al. 2025), with cautious weight decay (Chen et al. 2025)."""

    def __init__(self, params: list[Tensor], lr: float) -> None:
        rows, columns = params[0].shape
        self.params, self.lr = params, lr * max(1.0, rows / columns) ** 0.5
        self.momentum = torch.zeros(len(params), rows, columns, device=params[0].device)
        self.over = -1 if rows >= columns else -2
        self.variance = torch.zeros_like(self.momentum.mean(self.over, keepdim=True))

    @torch.no_grad()
    def step(self, times: float, progress: float) -> None:
        """`times` is the schedule's multiple of the learning rate."""
        ramp = min(1.0, progress / MUON_MOMENTUM_RATIO) if MUON_MOMENTUM_RATIO else 1.0
        keep = MUON_MOMENTUM_START + ramp * (MUON_MOMENTUM_END - MUON_MOMENTUM_START)
        decay = WEIGHT_DECAY + progress * (WEIGHT_DECAY_END - WEIGHT_DECAY)
        grads = torch.stack([p.grad if p.grad is not None else torch.zeros_like(p) for p in self.params])
        self.momentum.lerp_(grads, 1 - keep)
        update = orthogonal(grads.lerp_(self.momentum, keep))
        if MUON_BETA2:
            size = update.norm(dim=(-2, -1), keepdim=True)
            self.variance.lerp_(update.square().mean(self.over, keepdim=True), 1 - MUON_BETA2)
            update = update * self.variance.clamp_min(1e-10).rsqrt()
            update = update * (size / update.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-10))
        lr = self.lr * times
        stack = torch.stack(list(self.params))
        if decay:
            update = update + decay * stack * (update * stack >= 0)
        torch._foreach_copy_(self.params, list((stack - lr * update).unbind()))


def optimizers(model: GPT) -> list[AdamW | Muon]:
    """Muon for the matrices inside the layers, AdamW for all else."""
    scale = (model.width / 768) ** -0.5
    shapes: dict[tuple[int, ...], list[Tensor]] = {}
    for matrix in (*model.attention.parameters(), *model.mlp.parameters()):
        shapes.setdefault(tuple(matrix.shape), []).append(matrix)
    made: list[AdamW | Muon] = [
        AdamW([model.embed.weight], EMBEDDING_LR * scale, ADAM_BETA1, EMBEDDING_WEIGHT_DECAY),
        AdamW([model.unembed.weight], UNEMBEDDING_LR * scale, ADAM_BETA1, UNEMBEDDING_WEIGHT_DECAY),
        AdamW([model.resid], SCALAR_LR * 0.01, ADAM_BETA1),
        AdamW([model.x0], SCALAR_LR, X0_BETA1),
        *(Muon(stack, MATRIX_LR) for stack in shapes.values()),
    ]
    if tables := list(model.value_embeds.parameters()):
        made.append(AdamW(tables, EMBEDDING_LR * scale, ADAM_BETA1, VALUE_EMBED_WEIGHT_DECAY))
    return made


def lr_times(progress: float) -> float:
    """The schedule of all learning rates: up, level, down to FINAL_LR_FRAC."""
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO
    if progress <= 1 - WARMDOWN_RATIO:
        return 1.0
    left = (1 - progress) / WARMDOWN_RATIO
    return left + (1 - left) * FINAL_LR_FRAC


# --- data, in an order of our own ------------------------------------------------------------------------------------


def batches(tokens: np.ndarray, rows: int, length: int, seed: int) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Endless (inputs, targets, epoch): the training stream cut into rows, shuffled, cut elsewhere in every epoch."""
    dice = np.random.default_rng(seed)
    if len(tokens) < (rows + 1) * (length + 1):
        raise SystemExit(f"{len(tokens)} training tokens are too few for {rows} rows of {length}")
    epoch = 0
    while True:
        epoch += 1
        first = int(dice.integers(length))
        order = dice.permutation((len(tokens) - first - 1) // length)
        for at in range(0, len(order) - rows + 1, rows):
            starts = first + order[at : at + rows] * length
            block = np.stack([tokens[s : s + length + 1] for s in starts]).astype(np.int64)
            piece = torch.from_numpy(block)
            if GPU:
                piece = piece.pin_memory().to(DEVICE, non_blocking=True)
            yield piece[:, :-1], piece[:, 1:], epoch


# --- the run ---------------------------------------------------------------------------------------------------------


class Run:
    """A model, its optimizers and its data, with one step of training."""

    def __init__(self, data: prepare.Data, kernel: Kernel, seed: int) -> None:
        torch.manual_seed(seed)
        self.length = sized("TRAIN_SEQ_LEN")
        all_rows = max(1, round(sized("TOTAL_BATCH_SIZE") / self.length))
        self.passes = -(-all_rows // sized("DEVICE_BATCH_SIZE"))
        self.rows = -(-all_rows // self.passes)
        self.tokens_per_step = self.passes * self.rows * self.length
        self.model = GPT(data.vocab_size, data.context, kernel).to(DEVICE)
        if GPU:
            for table in (self.model.embed, *self.model.value_embeds.values()):
                table.bfloat16()
        self.optimizers = optimizers(self.model)
        self.batches = batches(data.train, self.rows, self.length, seed)
        self.forward: Callable[[Tensor], Tensor] = self.model
        self.flops_per_step = self.model.flops_per_token() * self.tokens_per_step
        self.epoch = 1

    def logits(self, tokens: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=GPU):
            return self.forward(tokens)

    def learn(self, progress: float) -> float:
        """One optimizer step. Returns the loss (nats per token)."""
        total = torch.zeros((), device=DEVICE)
        for _ in range(self.passes):
            inputs, targets, self.epoch = next(self.batches)
            loss = F.cross_entropy(self.logits(inputs).flatten(0, 1), targets.flatten()) / self.passes
            loss.backward()
            total += loss.detach()
        for optimizer in self.optimizers:
            optimizer.step(lr_times(progress), progress)
        for parameter in self.model.parameters():
            parameter.grad = None
        return total.item()  # waits for the GPU

    def compile(self) -> None:
        """Compile and try it for two steps; what they learned is thrown away by the caller."""
        with torch.no_grad():
            self.logits(next(self.batches)[0][:1])  # masks are made here, outside of what is compiled
        try:
            self.forward = torch.compile(self.model, dynamic=False)
            self.learn(0.0)
        except Exception as error:
            print(f"torch.compile does not work here: {str(error).splitlines()[0][:120] if str(error) else error!r}")
            self.forward = self.model
            self.learn(0.0)
        self.learn(0.0)


def prepared_run(data: prepare.Data, kernel: Kernel, seed: int) -> Run:
    """A run ready to be timed. On a GPU the compiled code is kept and everything learned while compiling is not."""
    run = Run(data, kernel, seed)
    if GPU:
        start = {name: value.clone() for name, value in run.model.state_dict().items()}
        run.compile()
        run.model.load_state_dict(start)
        run.optimizers = optimizers(run.model)
        run.batches = batches(data.train, run.rows, run.length, seed)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    return run


def train(run: Run, budget: prepare.Budget, peak: float) -> float:
    """Steps until the budget is used up. Returns the seconds it took; ends the process on a loss that is none."""
    smooth, shown = 0.0, -math.inf
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection in the middle of a step is noise
    began = before = time.perf_counter()
    budget.start()
    while not budget.done:
        progress = budget.progress
        with budget.step(run.flops_per_step):
            loss = run.learn(progress)
        if not loss <= 100:  # NaN is not
            print("\nFAIL")
            sys.exit(1)
        now = time.perf_counter()
        smooth += (loss - smooth) * 0.1
        if now - shown > 0.25:
            even = smooth / (1 - 0.9**budget.steps)
            took, shown, done = now - before, now, budget.progress
            left = (now - began) * (1 - done) / done
            print(
                f"step {budget.steps:05d} ({100 * done:.1f}%) | loss: {even:.6f} | lrm: {lr_times(progress):.2f} | "
                f"dt: {1000 * took:.0f}ms | tok/sec: {int(run.tokens_per_step / took):,} | "
                f"mfu: {100 * run.flops_per_step / took / peak:.1f}% | epoch: {run.epoch} | remaining: {left:.0f}s   ",
                end="\r",
                flush=True,
            )
        before = now
    print()
    gc.enable()
    return time.perf_counter() - began


def main() -> None:
    prepare.steady()
    torch.set_float32_matmul_precision("high")
    seed, budget, data = prepare.seed(), prepare.Budget(), prepare.load(sized("VOCAB_SIZE"))
    name, kernel = best_kernel(sized("HEAD_DIM"))
    print(f"kernel: {name}")
    run = prepared_run(data, kernel, seed)
    gpu = torch.cuda.get_device_name() if GPU else ""
    peak = next((flops for part, flops in PEAK_FLOPS.items() if part in gpu), math.inf)
    print(f"seed: {seed} budget: {budget.kind}:{budget.limit:g} tokens/step: {run.tokens_per_step:,}", flush=True)
    seconds = train(run, budget, peak)
    run.model.eval()
    eval_rows = max(1, min(sized("DEVICE_BATCH_SIZE"), sized("DEVICE_BATCH_SIZE") * run.length // data.context))
    val_bpb = prepare.evaluate_bpb(run.logits, data, eval_rows, DEVICE)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory = torch.cuda.max_memory_allocated() / 2**20 if GPU else resident
    print("---")
    print(f"val_bpb:          {val_bpb:.6f}")
    print(f"training_seconds: {seconds:.1f}")
    print(f"total_seconds:    {time.perf_counter() - STARTED:.1f}")
    print(f"peak_vram_mb:     {memory:.1f}")
    print(f"mfu_percent:      {100 * run.flops_per_step * budget.steps / seconds / peak:.2f}")
    print(f"total_tokens_M:   {run.tokens_per_step * budget.steps / 1e6:.1f}")
    print(f"num_steps:        {budget.steps}")
    print(f"num_params_M:     {sum(p.numel() for p in run.model.parameters()) / 1e6:.1f}")
    print(f"depth:            {run.model.depth}")


if __name__ == "__main__":
    main()
