"""Data, tokenizers, budget and the score. Nobody edits this file; train.py imports it.

    python prepare.py                         the interpreter's own library on a CPU (offline), climbmix on a GPU
    python prepare.py --source tinystories    or climbmix, or a folder of text or parquet files
    python prepare.py --vocab 1024 4096       the vocabularies that train.py may choose from

Everything lies under SWARM_CACHE, else ~/.cache/swarm: data/, tokenizer/, fingerprint.json. A second call says ready;
one that was stopped goes on where it was. Scores compare only where fingerprint.json is the same.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import os
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

BOS = "<|bos|>"
FORMAT = 1
CPU = {"source": "stdlib", "vocabs": [512, 1024, 2048], "context": 128, "span": 200_000}
GPU = {"source": "climbmix", "vocabs": [4096, 8192, 16384], "context": 2048, "span": 80_000_000}
LIBRARY_LEFT_OUT = {"test", "tests", "encodings", "idlelib", "tkinter", "distutils", "lib2to3", "ensurepip"}
LIBRARY_LEFT_OUT |= {"site-packages", "dist-packages", "__pycache__"}
SHARDS = 6543  # of climbmix; the last one is for validation, as upstream has it
TOKENIZER_CHARS = 200_000_000  # what the tokenizer is learned from, at most


def root() -> Path:
    """The folder of everything prepared: SWARM_CACHE, else ~/.cache/swarm."""
    return Path(os.environ.get("SWARM_CACHE") or "~/.cache/swarm").expanduser()


def seed() -> int:
    """The seed of this run, from SWARM_SEED."""
    return int(os.environ.get("SWARM_SEED") or 42)


# --- the budget ----------------------------------------------------------------------------------------------------


class Budget:
    """How long a run may train: SWARM_BUDGET, one of `wall:300` (s), `cpu:20` (s), `flops:1e12`, `steps:200`.

    >>> budget.start()
    >>> while not budget.done:
    ...     with budget.step(flops):
    ...         learn(budget.progress)

    `flops:` on a CPU is counted here, not by train.py: see `meter`. So it is the same in every run of one seed, however
    busy the machine, and costs what it costs on a core within a few percent, small batches and many layers too.
    """

    def __init__(self, text: str | None = None) -> None:
        """Without a text: SWARM_BUDGET, else five minutes on a GPU and some seconds of work on a CPU core.

        Raises SystemExit when the text is no budget.
        """
        text = text or os.environ.get("SWARM_BUDGET") or ("wall:300" if on_gpu() else "flops:8e11")
        kind, _, limit = text.partition(":")
        try:
            self.limit = float(limit)
        except ValueError:
            self.limit = math.nan
        if kind not in ("wall", "cpu", "flops", "steps") or not 0 < self.limit < math.inf:
            raise SystemExit(f"SWARM_BUDGET={text}: a budget is wall:300, cpu:20, flops:1e12 or steps:200")
        self.kind = kind
        self.steps = 0
        self._flops = 0.0
        self._price: float | None = None
        self._started: float | None = None

    def start(self) -> None:
        """Begin to count time. Before it a budget of time stands at 0."""
        self._started = self._clock()

    @contextmanager
    def step(self, flops: float = 0.0) -> Iterator[None]:
        """Around one optimizer step. `flops`: train.py's own estimate, which counts only on a GPU."""
        if self.kind != "flops":
            yield
        elif on_gpu():
            yield
            self._flops += flops
        elif self.steps % METER_EVERY:
            yield
            self._flops += self._price or 0.0
        else:
            with meter() as price:
                yield
            self._price = price[0]
            self._flops += price[0]
        self.steps += 1

    def _clock(self) -> float:
        return time.process_time() if self.kind == "cpu" else time.perf_counter()

    @property
    def used(self) -> float:
        """In the unit of the budget."""
        if self.kind == "steps":
            return float(self.steps)
        if self.kind == "flops":
            return self._flops
        return 0.0 if self._started is None else self._clock() - self._started

    @property
    def progress(self) -> float:
        """From 0 to 1; what schedules follow."""
        return min(1.0, self.used / self.limit)

    @property
    def done(self) -> bool:
        return self.used >= self.limit


METER_EVERY = 25  # steps; metering a step makes it half as long again
CALL, ELEMENT = 3e5, 95.0  # what a call and an element cost on a core, in operations of a matrix product (fitted)


@contextmanager
def meter() -> Iterator[list[float]]:
    """Price everything torch does inside, on a CPU core: yields a list that ends up with one number.

    Multiplications and additions of matrix products and attention, and for what else there is (softmax, optimizer,
    normalisation, the dispatch of each call) the operations that a core could have made in its place.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    def size(value: Any) -> int:
        if isinstance(value, torch.Tensor):
            return value.numel()
        return sum(map(size, value)) if isinstance(value, (list, tuple)) else 0

    def price_of(name: str, views: bool, args: Any, out: Any) -> float:
        if name in ("mm", "bmm", "addmm", "baddbmm"):
            a, b = args[-2:]
            return 2.0 * float(a.numel() * b.shape[-1])
        if "scaled_dot_product" in name:
            query = args[1] if "backward" in name else args[0]
            return (10.0 if "backward" in name else 4.0) * float(query.numel() * query.shape[-2])
        return 0.0 if views else ELEMENT * max([size(out), *map(size, args)])

    total = [0.0]

    class Meter(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            views = func.is_view or func.overloadpacket.__name__ == "_unsafe_view"
            total[0] += CALL + price_of(func.overloadpacket.__name__, views, args, out)
            return out

    with Meter():
        yield total


def on_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return bool(torch.cuda.is_available())


def steady() -> None:
    """Make a CPU run depend less on its neighbours: one thread, and freed memory kept instead of given back.

    glibc gives every large buffer back to the kernel and faults it in again at the next step: a quarter of the time,
    and the part of it that varies most.
    """
    import ctypes

    import torch

    if not on_gpu():
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # not glibc
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 1 << 28)
    mallopt(trim_threshold, 1 << 30)


# --- what train.py reads -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """One prepared vocabulary. `train` is the stream of training tokens (uint16), BOS before each document."""

    vocab_size: int
    bos: int
    token_bytes: np.ndarray[Any, np.dtype[np.int32]]  # bytes each token stands for, 0 for BOS
    train: np.ndarray[Any, np.dtype[np.uint16]]
    context: int  # tokens the model sees at evaluation
    span: int  # bytes scored


def load(vocab_size: int) -> Data:
    """The training data in a prepared vocabulary.

    Raises SystemExit saying what to do when it was not prepared.
    """
    meta = _meta()
    if meta is None:
        raise SystemExit(f"nothing is prepared in {root()}: run python prepare.py")
    if str(vocab_size) not in meta["vocabs"]:
        have = ", ".join(sorted(meta["vocabs"], key=int))
        raise SystemExit(f"VOCAB_SIZE {vocab_size} is not prepared; prepared: {have} (prepare.py --vocab adds others)")
    ranks = _read_tokenizer(vocab_size)["ranks"]
    sizes = [len(base64.b64decode(token)) for token in ranks]
    train = np.memmap(_tokens("train", vocab_size), dtype=np.uint16, mode="r")
    return Data(vocab_size, len(ranks), np.array([*sizes, 0], np.int32), train, meta["context"], meta["span"])


def tokenizer(vocab_size: int) -> Any:
    """The tiktoken Encoding of a prepared vocabulary (training does not need it)."""
    import tiktoken

    saved = _read_tokenizer(vocab_size)
    ranks = {base64.b64decode(token): rank for rank, token in enumerate(saved["ranks"])}
    return tiktoken.Encoding(
        f"swarm-{vocab_size}", pat_str=saved["pattern"], mergeable_ranks=ranks, special_tokens={BOS: len(ranks)}
    )


def evaluate_bpb(
    logits_of: Callable[[torch.Tensor], torch.Tensor], data: Data, rows: int, device: torch.device
) -> float:
    """Bits per byte over the fixed span of validation bytes; lower is better.

    `logits_of` maps (rows, context) token ids to (rows, context, vocabulary) logits and is never shown a target. Every
    byte of the span is scored once, whatever the batch and the vocabulary; BOS is not scored.
    """
    import torch

    tokens = torch.from_numpy(np.fromfile(_tokens("val", data.vocab_size), np.uint16).astype(np.int64))
    token_bytes = torch.from_numpy(data.token_bytes).to(device)
    width = rows * data.context
    nats, counted = 0.0, 0
    with torch.no_grad():
        for at in range(0, len(tokens) - 1, width):
            piece = torch.full((width + 1,), data.bos, dtype=torch.int64)  # BOS after the end: not scored
            part = tokens[at : at + width + 1]
            piece[: len(part)] = part
            piece = piece.to(device)
            inputs, targets = piece[:-1].view(rows, -1), piece[1:].view(rows, -1)
            logits = logits_of(inputs)
            for row, target in zip(logits, targets, strict=True):  # row by row: the float32 copy stays small
                row = row.float()
                size = token_bytes[target]
                loss = row.logsumexp(-1) - row.gather(-1, target[:, None])[:, 0]
                nats += float((loss * (size > 0)).double().sum())
                counted += int(size.sum())
    if counted != data.span:
        raise SystemExit(f"{counted} validation bytes were scored, not {data.span}: run python prepare.py --again")
    return nats / math.log(2) / counted


# --- sources of text -----------------------------------------------------------------------------------------------


def library(split: str) -> Iterator[str]:
    """The interpreter's own `.py` files, one in ten (by hash of its path) for validation."""
    top = Path(sysconfig.get_path("stdlib"))
    files = sorted(p for p in top.rglob("*.py") if not LIBRARY_LEFT_OUT & set(p.relative_to(top).parts))
    return _files([(p.relative_to(top).as_posix(), p) for p in files], split)


def folder(path: Path, split: str) -> Iterator[str]:
    """Any folder: parquet files (column `text`; the last one is for validation), else its text files."""
    parquet = sorted(path.rglob("*.parquet"))
    if parquet:
        if len(parquet) < 2:
            raise SystemExit(f"{path} holds one parquet file; a second one is needed for validation")
        return _parquet(parquet[-1:] if split == "val" else parquet[:-1])
    files = sorted(p for p in path.rglob("*") if p.is_file() and not any(q.startswith(".") for q in p.parts[-2:]))
    return _files([(p.relative_to(path).as_posix(), p) for p in files], split)


def _files(named: list[tuple[str, Path]], split: str) -> Iterator[str]:
    seen: set[str] = set()
    by_hash = sorted((hashlib.sha256(name.encode()).digest(), path) for name, path in named)
    for digest, path in by_hash:  # in this order the validation span holds a bit of everything
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        if not text.strip() or text in seen:  # a copy of a training file must not be scored
            continue
        seen.add(text)
        if (digest[-1] % 10 == 0) == (split == "val"):
            yield text


def _parquet(paths: Iterable[Path], first: int = 0, last: int | None = None) -> Iterator[str]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise SystemExit("parquet files need pyarrow: pip install pyarrow") from None
    row = 0
    for path in paths:
        with pyarrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                for text in file.read_row_group(group, columns=["text"]).column("text").to_pylist():
                    if row >= first and (last is None or row < last) and text:
                        yield text
                    row += 1


def _hub() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/") + "/datasets"


def climbmix(split: str, shards: int) -> Iterator[str]:
    """Upstream's data and layout: data/shard_%05d.parquet, the last shard for validation."""
    wanted = [SHARDS - 1] if split == "val" else list(range(min(shards, SHARDS - 1)))
    names = [f"shard_{i:05d}.parquet" for i in wanted]
    return _parquet(fetch_all(f"{_hub()}/karpathy/climbmix-400b-shuffle/resolve/main", names))


def tinystories(split: str) -> Iterator[str]:
    """One parquet file; rows 10,000 to 20,000 are for validation, as its users have it."""
    paths = fetch_all(f"{_hub()}/karpathy/tinystories-gpt4-clean/resolve/main", ["tinystories_gpt4_clean.parquet"])
    return _parquet(paths, 10_000, 20_000) if split == "val" else _parquet(paths, 20_000)


def documents(source: str, split: str, shards: int) -> Iterator[str]:
    """The texts of a source; split is `train` or `val`."""
    if source == "stdlib":
        return library(split)
    if source == "climbmix":
        return climbmix(split, shards)
    if source == "tinystories":
        return tinystories(split)
    path = Path(source).expanduser()
    if not path.is_dir():
        raise SystemExit(f"--source {source}: neither stdlib, climbmix, tinystories nor a folder")
    return folder(path, split)


def fetch_all(base: str, names: Sequence[str], tries: int = 4) -> list[Path]:
    """Download what is not there yet into data/.

    Raises SystemExit naming what is missing; what came stays and the next call goes on from there.
    """
    data = root() / "data"
    missing = []
    for name in names:
        path = data / name
        if path.exists():
            continue
        data.mkdir(parents=True, exist_ok=True)
        why = ""
        for attempt in range(tries):
            try:
                fetch(f"{base}/{name}", path)
                print(f"downloaded {name}", flush=True)
                break
            except OSError as error:  # URLError and HTTPError are OSErrors
                why = str(error)
                if attempt + 1 < tries:
                    time.sleep(2.0**attempt)
        else:
            missing.append(f"{name} ({why})")
    if missing:
        raise SystemExit(
            f"{len(names) - len(missing)} of {len(names)} files are there; missing: {'; '.join(missing[:3])}\n"
            "run it again when the connection is back: it goes on where it stopped. Offline: --source stdlib"
        )
    return [data / name for name in names]


def fetch(url: str, path: Path) -> None:
    """Download a file, going on from a `.part` file if there is one. Raises OSError when it came incomplete."""
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        reply = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is as long as the file or longer: begin anew
            part.unlink()
        raise
    with reply:
        resumed = reply.status == 206
        length = reply.headers.get("Content-Length")
        expected = None if length is None else int(length) + (have if resumed else 0)
        with part.open("ab" if resumed else "wb") as out:
            while block := reply.read(1 << 20):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
    size = part.stat().st_size
    if expected is not None and size != expected:
        raise OSError(f"{size} of {expected} bytes came")
    os.replace(part, path)


# --- preparing -----------------------------------------------------------------------------------------------------


def _tokens(split: str, vocab_size: int) -> Path:
    return root() / "data" / f"{split}-{vocab_size}.u16"


def _tokenizer_path(vocab_size: int) -> Path:
    return root() / "tokenizer" / f"{vocab_size}.json"


def _read_tokenizer(vocab_size: int) -> dict[str, Any]:
    return dict(json.loads(_tokenizer_path(vocab_size).read_text()))


def _meta() -> dict[str, Any] | None:
    """What is prepared; None when nothing or not all of it."""
    try:
        meta = dict(json.loads((root() / "meta.json").read_text()))
        files = meta["files"]
        whole = meta["format"] == FORMAT and all((root() / n).stat().st_size == size for n, size in files.items())
    except (OSError, ValueError, KeyError):
        return None
    return meta if whole and (root() / "fingerprint.json").exists() else None


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    part.write_bytes(content)
    os.replace(part, path)


def validation(source: str, shards: int, span: int) -> list[str]:
    """The validation documents: `span` bytes, none longer than a 25th of it so that no single file decides."""
    texts, left = [], span
    for text in documents(source, "val", shards):
        cut = text.encode()[: min(left, max(1000, span // 25))].decode(errors="ignore")  # never half a character
        texts.append(cut)
        left -= len(cut.encode())
        if left < 4:
            break
    if not texts:
        raise SystemExit(f"--source {source}: no validation text; a few more files are needed")
    return texts


def learn_tokenizer(texts: Iterable[str], vocab_size: int) -> None:
    """Learn a byte-pair vocabulary (its last id is BOS) and save it as JSON."""
    import rustbpe

    learner = rustbpe.Tokenizer()
    learner.train_from_iterator(_first(texts, TOKENIZER_CHARS), vocab_size - 1)
    ranks = sorted((rank, bytes(token)) for token, rank in learner.get_mergeable_ranks())
    if len(ranks) != vocab_size - 1:
        raise SystemExit(f"the text gives only {len(ranks) + 1} tokens, not {vocab_size}: choose a smaller --vocab")
    saved = {"pattern": learner.get_pattern(), "ranks": [base64.b64encode(t).decode() for _, t in ranks]}
    _put(_tokenizer_path(vocab_size), json.dumps(saved).encode())


def _first(texts: Iterable[str], chars: int) -> Iterator[str]:
    for text in texts:
        yield text
        chars -= len(text)
        if chars <= 0:
            return


def write_tokens(path: Path, texts: Iterable[str], encoding: Any) -> int:
    """Tokenise documents into a file of uint16, BOS before each. Returns the number of tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    bos, count = encoding.n_vocab - 1, 0
    with part.open("wb") as out:
        for batch in _batches(texts, 256):
            for ids in encoding.encode_ordinary_batch(batch, num_threads=os.cpu_count() or 1):
                np.array([bos, *ids], np.uint16).tofile(out)
                count += 1 + len(ids)
    os.replace(part, path)
    return count


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def prepare(source: str, vocabs: Sequence[int], context: int, span: int, shards: int) -> None:
    """Make everything that is not there yet; meta.json is written last.

    Raises SystemExit with what to do when a source cannot be had.
    """
    held = root() / "data" / "validation.json"
    wanted = {"source": source, "span": span}
    state = json.loads(held.read_text()) if held.exists() else {}
    if {k: state.get(k) for k in wanted} != wanted:
        print(f"reading {source}", flush=True)
        _put(held, json.dumps({**wanted, "texts": validation(source, shards, span)}).encode())
        state = json.loads(held.read_text())
    raw = "".join(state["texts"]).encode()
    names = [held]
    for vocab in sorted(vocabs):
        names += _prepare_vocab(source, vocab, shards, state["texts"], hashlib.sha256(raw).hexdigest())
    fingerprint = {"validation": hashlib.sha256(raw).hexdigest(), "span": len(raw), "context": context}
    _put(root() / "fingerprint.json", json.dumps(fingerprint).encode())
    files = {p.relative_to(root()).as_posix(): p.stat().st_size for p in names}
    meta = {"format": FORMAT, "source": source, "asked_span": span, "shards": shards, **fingerprint, "files": files}
    meta["vocabs"] = {str(v): _tokens("train", v).stat().st_size // 2 for v in sorted(vocabs)}
    _put(root() / "meta.json", json.dumps(meta, indent=1).encode())


def _prepare_vocab(source: str, vocab: int, shards: int, held: list[str], key: str) -> list[Path]:
    """One vocabulary: tokenizer, training and validation tokens. `key` says what a finished one was made from."""
    saved, train, val = _tokenizer_path(vocab), _tokens("train", vocab), _tokens("val", vocab)
    stamp = root() / "data" / f"made-{vocab}.json"
    made = {"source": source, "shards": shards, "validation": key}
    if not (stamp.exists() and json.loads(stamp.read_text()) == made and train.exists() and val.exists()):
        print(f"vocabulary {vocab}: learning", end="", flush=True)
        learn_tokenizer(documents(source, "train", shards), vocab)
        encoding = tokenizer(vocab)
        print(", tokenising", end="", flush=True)
        count = write_tokens(train, documents(source, "train", shards), encoding)
        write_tokens(val, held, encoding)
        _put(stamp, json.dumps(made).encode())
        print(f": {count / 1e6:.1f}M tokens", flush=True)
    return [saved, train, val]


def main() -> None:
    parser = argparse.ArgumentParser(description="Prepare data and tokenizers for train.py.")
    parser.add_argument("--source", help="stdlib, climbmix, tinystories or a folder of text or parquet")
    parser.add_argument("--vocab", type=int, nargs="+", help="vocabularies to prepare beside those there are")
    parser.add_argument("--context", type=int, help="tokens the model sees at evaluation")
    parser.add_argument("--span", type=int, help="validation bytes to score")
    parser.add_argument("--shards", type=int, default=10, help="climbmix: training files to download")
    parser.add_argument("--again", action="store_true", help="make everything anew, also from another source")
    asked = parser.parse_args()
    meta = None if asked.again else _meta()
    if meta:
        plan = {"source": meta["source"], "vocabs": [int(v) for v in meta["vocabs"]]}
        plan |= {"context": meta["context"], "span": meta["asked_span"]}
    else:
        plan = dict(GPU if (asked.source is None and on_gpu()) or asked.source == "climbmix" else CPU)
    given = {"source": asked.source, "context": asked.context, "span": asked.span}
    given = {k: v for k, v in given.items() if v is not None}
    changed = [k for k, v in given.items() if v != plan[k]]
    if meta and changed:
        raise SystemExit(
            f"{root()} holds {meta['source']} (context {meta['context']}, span {meta['asked_span']}), and old scores "
            f"would not compare with new ones.\nKeep both: SWARM_CACHE=FOLDER python prepare.py …  Replace it: --again"
        )
    wanted = sorted(set(asked.vocab or []) | set(plan["vocabs"] if meta or not asked.vocab else []))
    if meta and wanted == sorted(plan["vocabs"]):
        print(f"ready: {meta['source']} in {root()}, vocabularies {', '.join(map(str, wanted))}")
        return
    if wanted[0] < 258 or wanted[-1] > 65536:
        raise SystemExit("--vocab: from 258 to 65536")
    if asked.again:
        for name in ("meta.json", "data/validation.json", *(f"data/made-{v}.json" for v in wanted)):
            (root() / name).unlink(missing_ok=True)
    started = time.time()
    plan |= given
    try:
        prepare(plan["source"], wanted, plan["context"], plan["span"], asked.shards)
    except OSError as error:
        raise SystemExit(
            f"cannot prepare {root()}: {error}\nmend that and run it again: it goes on from there"
        ) from None
    took = time.time() - started
    print(f"ready: {plan['source']} in {root()}, vocabularies {', '.join(map(str, wanted))} ({took:.1f} s)")


if __name__ == "__main__":
    main()
