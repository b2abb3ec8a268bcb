"""Spectrograms of spoken syllables: 48 mel bands x 48 frames, and how both change along time.

A clip becomes a log-mel spectrogram in these steps: resampled to 22,050 Hz; its mean is removed; silence at both ends
is trimmed (30 dB below the loudest part); power of the short-time Fourier transform (Hann window of 1,024 samples, 46
ms, which tells the harmonics of a voice apart, so that tones are seen; every 110 samples, 5 ms); 48 mel bands between
50 and 8,000 Hz (Slaney's scale, as in librosa); decibels, nothing below -60 dB of the loudest; the frames are resampled
to 48, by linear interpolation; and the whole is scaled to 0..255, by its own smallest and largest value. Row 0 is the
lowest band, column 0 the first frame. All is computed in float64, so that rounding does not depend on the machine.

A model sees three channels: the log-mel spectrogram, its delta and its delta-delta, each scaled by itself. The deltas
are those of `librosa.feature.delta` (width 9, order 1 and 2): the slope and the curvature of the line and the parabola
that fit nine frames best. For nine frames both are sums with whole weights, and in the first and last four frames they
are those of the first and last nine, so that whole numbers give the same bytes everywhere, without librosa.
"""

from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

SIZE = 48  # mel bands, and frames
RATE = 22050  # Hz
LOWEST, HIGHEST = 50, 8000  # Hz
WINDOW, HOP = 1024, 110  # samples
FLOOR, TRIM = 60, 30  # dB below the loudest
SETTINGS = {
    "sample_rate": RATE,
    "mel_bands": SIZE,
    "frames": SIZE,
    "fmin": LOWEST,
    "fmax": HIGHEST,
    "window": WINDOW,
    "hop": HOP,
    "floor_db": FLOOR,
    "trim_db": TRIM,
}  # what a sound manifest says about them

_SILENT = 0.001  # a clip whose largest sample is below is silent; 1 is the loudest that there is
_SHORTEST = 0.05  # seconds
_SLOPE = np.arange(-4, 5)  # of the line that fits nine frames best, times 60
_CURVATURE = np.array([28, 7, -8, -17, -20, -17, -8, 7, 28])  # of the parabola, times 462


def log_mel(samples: np.ndarray, rate: int) -> np.ndarray:
    """The log-mel spectrogram of one syllable (see the top of this file). Needs librosa.

    Args:
        samples: float [n] in -1..1, one channel.
        rate: samples in a second.

    Returns:
        uint8 [48, 48], bands x frames; the smallest value is 0, the largest 255.

    Raises:
        ValueError: the clip is silent, too short, or holds what is no number; says which.
        ImportError: librosa is not installed; names the command.
    """
    librosa = sound_library("librosa")
    samples = np.asarray(samples, np.float64)
    if not np.isfinite(samples).all():
        raise ValueError("it holds samples that are no numbers")
    samples = samples - samples.mean() if len(samples) else samples
    if not len(samples) or np.abs(samples).max() < _SILENT:
        raise ValueError("it is silent")
    if rate != RATE:
        samples = librosa.resample(samples, orig_sr=rate, target_sr=RATE)
    samples, _ = librosa.effects.trim(samples, top_db=TRIM, frame_length=WINDOW // 2, hop_length=HOP)
    if len(samples) < _SHORTEST * RATE:
        raise ValueError(f"it has {len(samples) / RATE:.3f} s of sound; a syllable needs {_SHORTEST} s")
    spectrum = librosa.stft(np.pad(samples, WINDOW // 2), n_fft=WINDOW, hop_length=HOP, center=False)
    power = _mel_filters() @ np.abs(spectrum) ** 2  # [48, T]
    decibels = 10 * np.log10(np.maximum(power, power.max() * 10 ** (-FLOOR / 10)))
    return _to_bytes(_resample_frames(decibels))


def with_deltas(log_mels: np.ndarray) -> np.ndarray:
    """Adds delta and delta-delta to log-mel spectrograms.

    Args:
        log_mels: uint8 [n, 48, 48].

    Returns:
        uint8 [n, 3, 48, 48]: log-mel, delta, delta-delta, the last two scaled to 0..255 (zeros where all are equal).
    """
    channels = [log_mels]
    for weights in (_SLOPE, _CURVATURE):
        last = log_mels.shape[-1] - len(weights) + 1
        whole = sum(weight * log_mels[..., at : at + last].astype(np.int32) for at, weight in enumerate(weights))
        whole = np.pad(whole, [(0, 0), (0, 0), (4, 4)], mode="edge")
        low, high = (bound(whole, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
        span = np.maximum(high - low, 1)
        channels.append(((510 * (whole - low) + span) // (2 * span)).astype(np.uint8))  # rounded to the nearest
    return np.stack(channels, axis=1)


def sound_library(name: str) -> Any:
    """Imports a library of the extra [sound].

    Raises:
        ImportError: it is not installed; names the command.
    """
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # an OSError where soundfile finds no libsndfile
        raise ImportError(
            f"{name} is needed to make new spectrograms ({error}): pip install 'hanziformers[sound]'. The syllables of "
            "the shipped bank, and those saved with a checkpoint, do not need it"
        ) from error


@lru_cache(maxsize=1)
def _mel_filters() -> np.ndarray:
    """The weights of the mel bands, float64 [48, 513]."""
    return sound_library("librosa").filters.mel(
        sr=RATE, n_fft=WINDOW, n_mels=SIZE, fmin=LOWEST, fmax=HIGHEST, dtype=np.float64
    )


def _resample_frames(values: np.ndarray) -> np.ndarray:
    """[48, T] -> [48, 48], by linear interpolation along time."""
    at = np.linspace(0, values.shape[1] - 1, SIZE)
    left = at.astype(np.int64)
    right = np.minimum(left + 1, values.shape[1] - 1)
    return values[:, left] * (1 - (at - left)) + values[:, right] * (at - left)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Scales to 0..255."""
    low, high = values.min(), values.max()
    return np.round(255 * (values - low) / max(high - low, 1e-9)).astype(np.uint8)


__all__ = ["RATE", "SETTINGS", "SIZE", "log_mel", "sound_library", "with_deltas"]
