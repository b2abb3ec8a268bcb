"""espeak-ng speaks toned syllables: the same each time, and only Mandarin."""

import sys

import numpy as np
import pytest

from hanziformers.processors.espeak import speak

BY_PHONEMES = ["xiong2", "qiong2", "jiong3", "ê1", "m2", "n3", "ng4", "hm5", "hng5", "wong4"]


def test_the_same_syllables_sound_the_same_each_time():
    pytest.importorskip("espeakng_loader")
    syllables = ["ma1", "ma2", "ma3", "ma4", "ma5", "zhong1", "lv4", *BY_PHONEMES]
    first, version = speak(syllables)
    again, _ = speak(syllables)
    assert version
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert len({clip.tobytes() for clip in first}) == len(syllables)
    assert all(np.abs(clip).max() > 3000 for clip in first)
    assert all(0.1 < len(clip) / 22050 < 1.2 for clip in first)


@pytest.mark.parametrize(
    ("syllables", "voice", "said"),
    [
        (["ma1", "hello1"], "cmn", "cannot speak the syllable 'hello1' as Mandarin"),
        (["ma"], "cmn", "'ma' is no toned syllable"),
        (["[[a]]1"], "cmn", "is no toned syllable"),
        (["ma1"], "en", "no Mandarin voice 'en'"),
        (["ma1"], "cmn+nobody", "no Mandarin voice 'cmn.nobody'"),
        (["ma1"], "cmn+../../lang/sit/cmn", "no Mandarin voice"),
    ],
)
def test_what_is_not_mandarin_is_refused_by_name(syllables, voice, said):
    pytest.importorskip("espeakng_loader")
    with pytest.raises(ValueError, match=said):
        speak(syllables, voice)


def test_a_missing_loader_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError, match=r"speak 1 syllables .*'ma1' first .*pip install 'hanziformers\[sound\]'"):
        speak(["ma1"])
