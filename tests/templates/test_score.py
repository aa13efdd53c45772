"""Bits per byte: right for a model one can work out, the same bytes for everyone."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from .conftest import Template

CPU = torch.device("cpu")


def uniform(tokens: torch.Tensor) -> torch.Tensor:
    return torch.zeros(*tokens.shape, 300)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_a_uniform_model(template: Template, rows: int) -> None:
    data = template.prepare.load(300)
    tokens = np.fromfile(template.cache / "data" / "val-300.u16", np.uint16)
    scored = int((tokens != data.bos).sum())
    expected = scored * math.log2(300) / data.span
    assert template.prepare.evaluate_bpb(uniform, data, rows, CPU) == pytest.approx(expected, rel=1e-6)


def test_the_batch_does_not_matter(template: Template) -> None:
    table = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    data = template.prepare.load(300)
    scores = [template.prepare.evaluate_bpb(lambda x: table[x], data, rows, CPU) for rows in (3, 8)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_two_vocabularies_score_the_same_bytes(template: Template) -> None:
    for vocab in (300, 512):
        data = template.prepare.load(vocab)
        tokens = np.fromfile(template.cache / "data" / f"val-{vocab}.u16", np.uint16)
        assert int(data.token_bytes[tokens].sum()) == data.span
    assert template.prepare.load(300).span == json.loads((template.cache / "fingerprint.json").read_text())["span"]


def test_a_lone_high_byte_is_one_byte(template: Template) -> None:
    data, encoding = template.prepare.load(300), template.prepare.tokenizer(300)
    assert [len(encoding.decode_single_token_bytes(i)) for i in range(299)] == data.token_bytes[:299].tolist()
    assert data.token_bytes[data.bos] == 0
    lone = encoding.encode_single_token(b"\xf0")
    assert data.token_bytes[lone] == 1


def test_tokens_give_the_text_back(template: Template) -> None:
    texts = json.loads((template.cache / "data" / "validation.json").read_text())["texts"]
    encoding = template.prepare.tokenizer(512)
    tokens = np.fromfile(template.cache / "data" / "val-512.u16", np.uint16)
    pieces = [encoding.decode(part[1:].tolist()) for part in np.split(tokens, np.flatnonzero(tokens == 511))[1:]]
    assert pieces == texts
    assert any("😀" in text for text in texts)


def test_training_never_sees_a_validation_text(template: Template) -> None:
    data, encoding = template.prepare.load(300), template.prepare.tokenizer(300)
    training = encoding.decode_bytes([int(t) for t in data.train if t != data.bos])
    for text in json.loads((template.cache / "data" / "validation.json").read_text())["texts"]:
        assert text.encode() not in training
    rows = template.train.batches(data.train, 4, 16, seed=3)
    whole = np.asarray(data.train).astype(np.int64)
    windows = {row.tobytes() for row in np.lib.stride_tricks.sliding_window_view(whole, 17)}
    for _ in range(50):
        inputs, targets, _ = next(rows)
        for x, y in zip(inputs.numpy(), targets.numpy(), strict=True):
            assert np.append(x, y[-1]).tobytes() in windows
