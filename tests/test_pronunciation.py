"""Who speaks a syllable: recordings, then a bank, then espeak-ng."""

import numpy as np
import pytest
from sound_tools import clips

from hanziformers.processors.pronunciation import make_bank, synthesise
from hanziformers.processors.recordings import as_recordings
from hanziformers.processors.sound_bank import shipped_bank


def test_recordings_go_before_the_bank_and_the_rest_is_counted(tmp_path, warnings):
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    one = clips(tmp_path / "one", ["ma1.wav", "lia5.wav", "出.wav", "初.wav"])
    two = clips(tmp_path / "two", ["ma1.wav", "ma2.wav"])
    shipped = shipped_bank()
    voices = as_recordings([one, two])
    bank = make_bank(["ma1", "ma2", "ma3", "chu1"], voices, shipped)
    assert np.array_equal(bank.log_mels[0], voices[0].log_mel("ma1.wav"))
    assert np.array_equal(bank.log_mels[1], voices[1].log_mel("ma2.wav"))
    assert np.array_equal(bank.log_mels[2], shipped.log_mels[shipped.rows()["ma3"]])
    assert [(one["source"], one["voice"], one["file"], one["syllables"]) for one in bank.sources] == [
        ("recording", "one", "one", "ma1 chu1"),
        ("recording", "two", "two", "ma2"),
        ("synthesis", "espeak-ng cmn+f4", "", "ma3"),
    ]
    assert bank.sources[0]["sha256"] == voices[0].sha256()
    [said] = warnings
    assert "1 of 4 syllables have no recording (ma3)" in said
    assert "1 recorded syllables are none of the bank's (lia5)" in said
    assert "1 further clips" in said


def test_what_no_bank_has_is_spoken():
    pytest.importorskip("espeakng_loader")
    pytest.importorskip("librosa")
    bank = make_bank(["ma1", "wong4"], (), shipped_bank())
    assert [one["syllables"] for one in bank.sources] == ["ma1", "wong4"]
    assert np.array_equal(bank.log_mels[1:], synthesise(["wong4"])[0])
    with pytest.raises(ValueError, match="cannot speak the syllable 'hello1'"):
        make_bank(["hello1"])


def test_rows_of_a_bank_need_no_library(monkeypatch):
    for name in ("librosa", "soundfile", "espeakng_loader"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    assert make_bank(["ma2", "ma1"], (), shipped_bank()).syllables == ["ma2", "ma1"]
    with pytest.raises(ImportError, match="'wong4' first"):
        make_bank(["ma1", "wong4"], (), shipped_bank())
