"""PhnDB from any set of voices."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sound_tools import clips

from hanziformers.processors.recordings import Recordings
from hanziformers.processors.sound_bank import shipped_bank
from hanziformers.processors.spectrogram import with_deltas
from hanziformers.training.image_table import read_images
from hanziformers.training.sound_pairs import phonetic_dataset

DATA = os.environ.get("HANZIFORMERS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="HANZIFORMERS_DATA, the folder of the data sets, is not set")


def test_the_shipped_bank_alone():
    table = phonetic_dataset()
    assert table.column_names == ["syllable", "source", "voice", "image"]
    assert table["syllable"][:] == shipped_bank().syllables
    assert set(table["source"]) == {"synthesis"}
    assert set(table["voice"]) == {"espeak-ng cmn+f4"}
    assert np.array_equal(read_images(table), with_deltas(shipped_bank().log_mels))


def test_recordings_shipped_bank_and_other_voices(tmp_path, warnings):
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    pytest.importorskip("espeakng_loader")
    folder = clips(tmp_path / "x", ["ma1.wav", "出.wav", "初.wav", "lia5.wav"])
    table = phonetic_dataset({"me": folder}, espeak_voices=["cmn+m3"], syllables=["ma1", "chu1"])
    assert list(zip(table["syllable"], table["source"], table["voice"], strict=True)) == [
        ("ma1", "recording", "me"),
        ("chu1", "recording", "me"),
        ("chu1", "recording", "me"),
        ("ma1", "synthesis", "espeak-ng cmn+f4"),
        ("chu1", "synthesis", "espeak-ng cmn+f4"),
        ("ma1", "synthesis", "espeak-ng cmn+m3"),
        ("chu1", "synthesis", "espeak-ng cmn+m3"),
    ]
    assert len(np.unique(read_images(table), axis=0)) == 7
    assert any("1 syllables of the recordings of 'me' are not used" in said and "lia5" in said for said in warnings)


def test_syllables_without_a_clip_are_counted(tmp_path, warnings):
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    folder = clips(tmp_path / "x", ["ma1.wav"])
    table = phonetic_dataset({"me": folder}, shipped=False, syllables=["ma1", "chu1", "lv4"])
    assert table["syllable"][:] == ["ma1"]
    assert any("2 of the 3 wanted syllables have no clip, and no rows: chu1 lv4" in said for said in warnings)


def test_what_makes_no_table_is_refused(tmp_path):
    with pytest.raises(TypeError, match="espeak_voices is 'cmn'; give a list of voices"):
        phonetic_dataset(espeak_voices="cmn")
    with pytest.raises(ValueError, match="there is no clip"):
        phonetic_dataset(shipped=False)
    with pytest.raises(ValueError, match="the shipped bank lacks 1 of the syllables, such as 'wong4'"):
        phonetic_dataset(syllables=["ma1", "wong4"])
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    with pytest.raises(ValueError, match="is there twice"):
        phonetic_dataset({"espeak-ng cmn+f4": clips(tmp_path / "x", ["ma1.wav"])}, syllables=["ma1"])


@needs_data
def test_recorded_voices():
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    folder = Path(DATA) / "sound"
    chen = Recordings(folder / "syllables-chen-64k.zip", "chen")
    assert len(chen.files) == 1688
    wanted = shipped_bank().syllables
    missing = [syllable for syllable in wanted if syllable not in chen.files and not syllable.endswith("5")]
    assert missing == ["len4", "yo1", "ê1", "ê2", "ê3", "ê4"]
    assert {"ju4", "lv4", "nve4", "m2", "hng1"} <= set(chen.files)
    tan = Recordings(folder / "characters-tan-64k.zip", "tan")
    assert (sum(map(len, tan.files.values())), len(tan.files)) == (952, 617)
    voices = {one.voice: one.path for one in (chen, tan)}
    some = ["ma1", "ma2", "ma3", "ma4", "zhong1", "xiong2", "bi4"]
    table = phonetic_dataset(voices, syllables=some)
    assert Counter(table["voice"]) == {"chen": 7, "tan": 10, "espeak-ng cmn+f4": 7}
    assert len(np.unique(read_images(table), axis=0)) == len(table)
