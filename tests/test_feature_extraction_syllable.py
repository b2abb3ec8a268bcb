"""The feature extractor of syllables: spectrograms, saving and loading, hostile settings."""

import copy
import json
import pickle
import re
import sys

import numpy as np
import pytest
import torch
from remote_tools import run_without_package
from sound_tools import clips
from transformers import AutoFeatureExtractor, PreTrainedConfig

from hanziformers.processors.feature_extraction_syllable import HanziSyllableFeatureExtractor
from hanziformers.processors.sound_bank import SOUND_FILE, shipped_bank


@pytest.fixture
def small():
    return HanziSyllableFeatureExtractor(syllables=["ma3", "ma1", "ma2"])


@pytest.fixture
def recorded(tmp_path):
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    folder = clips(tmp_path / "voice", ["ma1.wav", "ma2.wav"])
    return HanziSyllableFeatureExtractor(recordings=folder, syllables=["ma3", "ma1", "ma2"])


def same(one, two):
    return (
        one.syllables == two.syllables
        and np.array_equal(one.render_bank(), two.render_bank())
        and one.make_sound_manifest() == two.make_sound_manifest()
    )


def test_the_shipped_bank_needs_no_library(monkeypatch):
    for name in ("librosa", "soundfile", "espeakng_loader"):
        monkeypatch.setitem(sys.modules, name, None)
    extractor = HanziSyllableFeatureExtractor()
    images = extractor(["zhong1", None, "guo2"])["spectrograms"]
    assert images.shape == (3, 3, 48, 48)
    assert images.dtype == np.uint8
    assert not images[1].any()
    bank = extractor.render_bank()
    assert bank.shape == (1523, 3, 48, 48)
    assert not bank[0].any()
    assert np.array_equal(bank[1 + extractor.syllables.index("guo2")], images[2])
    assert np.array_equal(images[0, 0], shipped_bank().log_mels[extractor.syllables.index("zhong1")])


def test_one_syllable_and_tensors():
    extractor = HanziSyllableFeatureExtractor(syllables=["ma1", "ma2"])
    assert extractor.syllables == ["ma1", "ma2"]
    images = extractor("ma1", return_tensors="pt")["spectrograms"]
    assert images.shape == (1, 3, 48, 48)
    assert images.dtype == torch.uint8
    assert extractor([])["spectrograms"].shape == (0, 3, 48, 48)
    assert extractor(None)["spectrograms"].shape == (1, 3, 48, 48)


def test_a_syllable_that_is_not_in_the_bank_is_refused_by_name():
    extractor = HanziSyllableFeatureExtractor()
    with pytest.raises(ValueError, match=r"'zhong' is none of the 1,522 syllables .*near it are zhong"):
        extractor(["ma1", "zhong"])
    for wrong in (3, ["ma1"]):
        with pytest.raises(ValueError, match=f"{re.escape(repr(wrong))} is none of"):
            extractor([wrong])


def test_recordings_are_used_saved_as_rows_and_loaded(recorded, tmp_path):
    manifest = recorded.make_sound_manifest()
    assert [one["syllables"] for one in manifest["sources"]] == ["ma1 ma2", "ma3"]
    files = recorded.save_pretrained(tmp_path / "checkpoint")
    assert {file.rsplit("/", 1)[1] for file in files} >= {SOUND_FILE, "processor_config.json"}
    text = (tmp_path / "checkpoint" / "processor_config.json").read_text()
    assert str(tmp_path) not in text, "no folder of this machine is published"
    assert not list((tmp_path / "checkpoint").glob("*.wav"))
    loaded = HanziSyllableFeatureExtractor.from_pretrained(tmp_path / "checkpoint")
    assert same(loaded, recorded)
    loaded.save_pretrained(tmp_path / "again")
    assert same(HanziSyllableFeatureExtractor.from_pretrained(tmp_path / "again"), recorded)
    assert (tmp_path / "again" / SOUND_FILE).read_bytes() == (tmp_path / "checkpoint" / SOUND_FILE).read_bytes()


def test_loading_with_other_recordings_or_syllables(recorded, tmp_path):
    recorded.save_pretrained(tmp_path / "checkpoint")
    other = clips(tmp_path / "other", ["lv4.wav", "ma1.wav"])
    loaded = HanziSyllableFeatureExtractor.from_pretrained(tmp_path / "checkpoint", recordings={"other": other})
    assert [(one["voice"], one["syllables"]) for one in loaded.make_sound_manifest()["sources"]] == [
        ("other", "ma1"),
        ("voice", "ma2"),
        ("espeak-ng cmn+f4", "ma3"),
    ]
    fewer = HanziSyllableFeatureExtractor.from_pretrained(tmp_path / "checkpoint", syllables=["ma2"])
    assert np.array_equal(fewer(["ma2"])["spectrograms"], recorded(["ma2"])["spectrograms"])


def test_auto_class_finds_it_and_leaves_settings_of_other_parts(small, tmp_path):
    class SyllableTestConfig(PreTrainedConfig):
        model_type = "syllable_test"

    AutoFeatureExtractor.register(SyllableTestConfig, HanziSyllableFeatureExtractor)
    small.save_pretrained(tmp_path / "x")
    assert same(AutoFeatureExtractor.from_pretrained(tmp_path / "x", binary=True), small)
    with pytest.raises(TypeError, match="is 'recordings' meant"):
        AutoFeatureExtractor.from_pretrained(tmp_path / "x", recording="x")


def test_a_checkpoint_sounds_the_same_where_the_package_is_not_installed(small, tmp_path):
    small.save_pretrained(tmp_path / "x")
    np.save(tmp_path / "bank.npy", small.render_bank())
    program = """
import numpy as np
from transformers import AutoFeatureExtractor
extractor = AutoFeatureExtractor.from_pretrained(sys.argv[1], trust_remote_code=True)
assert np.array_equal(extractor.render_bank(), np.load(sys.argv[2]))
extractor.save_pretrained("again")
assert AutoFeatureExtractor.from_pretrained("again", trust_remote_code=True).syllables == ["ma3", "ma1", "ma2"]
"""
    run_without_package(program, tmp_path / "x", tmp_path / "bank.npy", folder=tmp_path / "empty")


def test_settings_of_a_file_open_nothing(recorded, tmp_path, warnings):
    recorded.save_pretrained(tmp_path / "x")
    path = tmp_path / "x" / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["feature_extractor"]["recordings"] = str(tmp_path / "voice")
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="paths of a file of settings are not opened"):
        HanziSyllableFeatureExtractor.from_pretrained(tmp_path / "x")
    with pytest.raises(TypeError, match="from_pretrained alone sets it"):
        HanziSyllableFeatureExtractor(saved_sounds={"syllables": ["ma1"]})
    with pytest.raises(TypeError, match="is 'syllables' meant"):
        HanziSyllableFeatureExtractor(syllable=["ma1"])
    warnings.clear()
    lone = HanziSyllableFeatureExtractor.from_dict(recorded.to_dict())
    assert lone.syllables == recorded.syllables
    assert "the settings are those of a sound bank of voice, espeak-ng" in warnings[0]
    assert HanziSyllableFeatureExtractor.from_dict(HanziSyllableFeatureExtractor().to_dict()) is not None
    assert len(warnings) == 1, "the shipped bank is the same here"


def test_a_damaged_bank_of_a_checkpoint_is_refused(small, tmp_path):
    small.save_pretrained(tmp_path / "x")
    (tmp_path / "x" / SOUND_FILE).write_bytes(b"x")
    with pytest.raises(ValueError, match="is no sound bank"):
        HanziSyllableFeatureExtractor.from_pretrained(tmp_path / "x")


def test_copies_and_pickles(small):
    assert same(pickle.loads(pickle.dumps(small)), small)
    assert same(copy.deepcopy(small), small)
    assert json.loads(small.to_json_string())["syllables"] == ["ma3", "ma1", "ma2"]
