"""The configuration of MPM-CNER's pre-training."""

import pytest
from huggingface_hub.errors import StrictDataclassError

from hanziformers.modeling.configuration_mpm_pretraining import MpmPretrainingConfig


def test_defaults_are_the_papers():
    config = MpmPretrainingConfig()
    assert (config.modality, config.channels, config.width, config.pair_head) == ("glyph", 1, 144, "interaction")
    assert config.pair_loss_weight == 0.5
    assert MpmPretrainingConfig(modality="phonetic").channels == 3
    assert MpmPretrainingConfig(modality="phonetic", num_channels=1).channels == 1


def test_save_and_load(tmp_path):
    config = MpmPretrainingConfig(id2label={0: "橋", 1: "樹"}, image_mean=[0.2], image_std=[0.4], depths=[1, 1, 1, 1])
    config.save_pretrained(tmp_path)
    found = MpmPretrainingConfig.from_pretrained(tmp_path)
    assert found.to_dict() == config.to_dict()
    assert found.id2label == {0: "橋", 1: "樹"}
    assert found.num_labels == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"modality": "smell"}, "modality='smell' is not allowed in MpmPretrainingConfig; allowed is 'glyph' or 'phon"),
        ({"pair_head": "bilinear"}, "pair_head='bilinear' is not allowed.*'interaction' or 'linear'"),
        ({"pair_loss_weight": 1.5}, "pair_loss_weight=1.5 is not allowed.*a number in .0, 1."),
        ({"drop_path": 1.0}, "drop_path=1.0 is not allowed"),
        ({"num_channels": 0}, "num_channels=0 is not allowed"),
        ({"image_mean": [0.5]}, "image_mean, image_std=.*both or neither"),
        ({"image_mean": [0.5, 0.5], "image_std": [1.0, 1.0]}, "image_mean=.*a list of 1 numbers"),
        ({"image_mean": [0.5], "image_std": [0.0]}, "image_std=.*above 0"),
        ({"image_size": 40}, "image_size=40.*a multiple of 48"),
        ({"num_heads": [3, 6, 12, 25]}, "num_heads="),
        ({"depths": [2]}, "depths="),
    ],
)
def test_refusals(fields, message):
    with pytest.raises((StrictDataclassError, ValueError), match=message):
        MpmPretrainingConfig(**fields)
