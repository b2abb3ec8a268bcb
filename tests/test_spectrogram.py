"""Spectrograms: settings, limits, and deltas equal to librosa's."""

import sys

import numpy as np
import pytest
from sound_tools import RATE, voiced

from hanziformers.processors.spectrogram import log_mel, sound_library, with_deltas


def test_a_tone_is_a_line_in_its_band():
    pytest.importorskip("librosa")
    image = log_mel(voiced(1000), RATE)
    assert image.shape == (48, 48)
    assert image.dtype == np.uint8
    assert (image.min(), image.max()) == (0, 255)
    assert set(image[:, 4:-4].argmax(axis=0)) == {15}, "1,000 Hz, 15 mel of 60 Hz above 50 Hz"


def test_silence_volume_rate_and_offset_change_nothing():
    pytest.importorskip("librosa")
    plain = log_mel(voiced(300), RATE).astype(int)
    assert np.abs(plain - log_mel(voiced(300, silence=0.4), RATE)).mean() < 8
    assert np.array_equal(plain, log_mel(0.25 * voiced(300) + 0.1, RATE))
    assert np.abs(plain - log_mel(voiced(300, rate=44100), 44100)).mean() < 4


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(3000), "it is silent"),
        (np.full(3000, 0.5), "it is silent"),
        (np.zeros(0), "it is silent"),
        (voiced(seconds=0.02), "s of sound; a syllable needs 0.05 s"),
        (np.full(3000, np.nan), "no numbers"),
    ],
)
def test_what_is_no_syllable_is_refused(samples, said):
    pytest.importorskip("librosa")
    with pytest.raises(ValueError, match=said):
        log_mel(samples, RATE)


def test_deltas_are_those_of_librosa():
    delta = pytest.importorskip("librosa").feature.delta
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    channels = with_deltas(images)
    assert channels.shape == (3, 3, 48, 48)
    assert np.array_equal(channels[:, 0], images)
    for image, own in zip(images, channels, strict=True):
        for order in (1, 2):
            exact = delta(image.astype(float), width=9, order=order)
            scaled = 255 * (exact - exact.min()) / (exact.max() - exact.min())
            assert np.abs(scaled - own[order]).max() <= 0.5 + 1e-9


def test_an_even_image_has_no_deltas():
    assert not with_deltas(np.full((1, 48, 48), 7, np.uint8))[:, 1:].any()


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ImportError, match=r"pip install 'hanziformers\[sound\]'"):
        sound_library("librosa")


def test_a_library_without_its_own_library_is_not_installed(monkeypatch):
    """soundfile raises an OSError where libsndfile is missing, which would be taken for a damaged recording."""

    def broken(name):
        raise OSError("sndfile library not found")

    monkeypatch.setattr("hanziformers.processors.spectrogram.import_module", broken)
    with pytest.raises(ImportError, match=r"soundfile is needed .*sndfile library not found.*hanziformers\[sound\]"):
        sound_library("soundfile")
