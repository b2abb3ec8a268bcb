"""Encoders in half precision: the shipped ones, and how they are written."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hanziformers.encoders import MODALITIES, encoder_file, save_encoder
from hanziformers.modeling.mpm_encoders import load_swin
from hanziformers.modeling.swin import SwinEncoder
from hanziformers.processors.sound_bank import shipped_bank
from hanziformers.processors.spectrogram import with_deltas
from hanziformers.training.glyph_pairs import glyph_dataset
from hanziformers.training.image_table import read_images

CHANNELS = {"glyph": 1, "phonetic": 3}


def test_half_precision_serves_as_well(tmp_path):
    encoder, found = SwinEncoder(3).eval(), SwinEncoder(3).eval()
    save_encoder(encoder, tmp_path / "encoder.safetensors")
    load_swin(found, str(tmp_path / "encoder.safetensors"))
    assert all(weight.dtype == torch.float32 for weight in found.parameters())
    images = torch.rand(8, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(found(images), encoder(images), rtol=0, atol=0.02)


def test_a_weight_that_half_precision_cannot_hold_is_refused(tmp_path):
    encoder = SwinEncoder(1, 12, 3, 6, (1, 1), (1, 2), 2)
    with torch.no_grad():
        encoder.layernorm.bias[0] = 1e5
    with pytest.raises(ValueError, match="layernorm.bias holds values beyond 65504"):
        save_encoder(encoder, tmp_path / "encoder.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_shipped_encoders(modality):
    file = Path(encoder_file(modality))
    assert file.stat().st_size <= 2_000_000
    assert {weight.dtype for weight in load_file(file).values()} == {torch.float16}
    encoder = SwinEncoder(CHANNELS[modality]).eval()
    load_swin(encoder, str(file))
    if modality == "glyph":
        images = read_images(glyph_dataset([*"林江打人"], ["kai", "brush"]))
        kinds, other = [0, 1, 2, 3] * 2, 4  # two fonts of each
    else:
        bank = shipped_bank()
        images = with_deltas(bank.log_mels[[bank.rows()[one] for one in ("ma1", "shi4", "quan2", "gei3")]])
        kinds, other = [0, 1, 2, 3], None
    with torch.no_grad():
        vectors = encoder(torch.from_numpy(images) / 255)
    distances = torch.cdist(vectors, vectors) + 1e9 * torch.eye(len(vectors))
    assert vectors.shape == (len(kinds), 144)
    assert distances.min() > 0.1  # no two images have one vector
    if other:  # the nearest image of most is the same character in the other font
        assert (distances.argmin(1) % other == torch.tensor(kinds)).float().mean() >= 0.5


def test_other_modalities_are_refused():
    with pytest.raises(ValueError, match="there is no encoder 'smell'; shipped are glyph and phonetic"):
        encoder_file("smell")
