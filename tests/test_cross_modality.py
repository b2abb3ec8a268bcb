"""Cross-modality attention against reference vectors in float64, written from Eq. 11-13."""

from pathlib import Path

import numpy as np
import pytest
import torch
from chinese_bert_tools import FOLDER, oracle

from hanziformers.modeling.cross_modality import CrossModalityAttention


def slow(semantic, modality, mask, weight):
    """Eq. 11 and 12, a character at a time."""
    out = torch.zeros_like(semantic)
    for row, known in enumerate(mask):
        places = known.nonzero()[:, 0].tolist()
        for i in places:
            query = weight @ modality[row, i]
            scores = torch.stack([semantic[row, j] @ query / semantic.shape[-1] ** 0.5 for j in places])
            shares = scores.exp() / scores.exp().sum()
            out[row, i] = semantic[row, i] + sum(a * semantic[row, j] for a, j in zip(shares, places, strict=True))
    return out


def batch():
    semantic, modality = torch.randn(3, 6, 8, dtype=torch.float64), torch.randn(3, 6, 5, dtype=torch.float64)
    mask = torch.tensor([[0, 1, 1, 1, 1, 0], [1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0]]).bool()
    return semantic, modality, mask


@oracle
@pytest.mark.parametrize("width", [24, 96])
def test_equal_to_the_reference(width):
    file = np.load(Path(FOLDER) / "mpm_cner" / f"cross_modality_{width}.npz")
    values = {name: torch.from_numpy(file[name]) for name in file.files}
    mask = values["mask"].bool()

    def fuse(semantic, name):
        attention = CrossModalityAttention(width, values[name].shape[-1]).double()
        assert [key for key, _ in attention.named_parameters()] == ["query.weight"]
        attention.load_state_dict({"query.weight": values[f"W_{name}"]})
        return attention(semantic, values[name], mask)

    seen = fuse(values["semantic"], "glyph")
    for found, wanted in (
        (seen, "fused_glyph"),
        (fuse(seen, "phonetic"), "fused_both"),
        (fuse(values["semantic"], "phonetic"), "fused_phonetic_only"),
    ):
        torch.testing.assert_close(found, values[wanted], atol=1e-12, rtol=1e-12)


def test_equal_to_the_equations():
    semantic, modality, mask = batch()
    attention = CrossModalityAttention(8, 5).double()
    found = attention(semantic, modality, mask)
    torch.testing.assert_close(found, slow(semantic, modality, mask, attention.query.weight))
    assert not found[~mask].any()
    torch.testing.assert_close(found[2, 2], 2 * semantic[2, 2])  # a text of one character sees itself


@pytest.mark.parametrize("filling", [float("nan"), float("inf"), 1e30])
def test_padding_neither_asks_nor_answers(filling):
    semantic, modality, mask = batch()
    attention = CrossModalityAttention(8, 5).double()
    wanted = attention(semantic, modality, mask)
    found = attention(
        semantic.masked_fill(~mask[..., None], filling).requires_grad_(),
        modality.masked_fill(~mask[..., None], filling),
        mask,
    )
    torch.testing.assert_close(found, wanted)
    found.sum().backward()
    assert attention.query.weight.grad.isfinite().all()


def test_texts_without_characters_are_zeros():
    semantic, modality, mask = batch()
    attention = CrossModalityAttention(8, 5).double()
    wanted = attention(semantic, modality, mask)
    mask[1] = False
    found = attention(semantic, modality, mask)
    assert not found[1].any()
    torch.testing.assert_close(found[[0, 2]], wanted[[0, 2]])
    found.sum().backward()
    assert attention.query.weight.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    """Scores of 10 ** 6 before they are scaled, more than float16 holds."""
    torch.manual_seed(0)
    semantic = torch.randn(2, 5, 256) + 40
    attention = CrossModalityAttention(256, 16)
    torch.nn.init.constant_(attention.query.weight, 3.0)
    modality, mask = torch.full((2, 5, 16), 1.5), torch.ones(2, 5, dtype=torch.bool)
    found = attention.to(dtype)(semantic.to(dtype), modality.to(dtype), mask)
    assert found.dtype == dtype
    assert found.isfinite().all()
    assert (found.float() - semantic).min() > 30
