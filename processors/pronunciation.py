"""How syllables sound: a user's recordings first, then a bank (a checkpoint's, or the shipped one), then espeak-ng."""

from collections.abc import Sequence

import numpy as np
from transformers.utils import logging

from .espeak import RATE, VOICE, speak
from .recordings import Recordings
from .sound_bank import SoundBank, sound_sha256
from .spectrogram import log_mel, sound_library

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_NAMED = 20  # of the syllables that a warning is about, so many are named


def make_bank(
    syllables: Sequence[str], recordings: Sequence[Recordings] = (), base: SoundBank | None = None
) -> SoundBank:
    """Makes a bank. A warning says how many syllables have no recording, and how many recordings are not used.

    Args:
        syllables: S toned syllables, the rows of the bank.
        recordings: voices, tried in this order.
        base: a bank whose rows are taken for what nobody has recorded; the rest is spoken by espeak-ng.

    Raises:
        ValueError: a recording cannot be used; a syllable cannot be spoken; names it.
        ImportError: librosa, soundfile or espeakng-loader is needed and not installed.
    """
    images: dict[str, np.ndarray] = {}
    sources = []
    for voice in recordings:
        taken = [one for one in syllables if one in voice.files and one not in images]
        images |= {one: voice.log_mel(voice.files[one][0]) for one in taken}
        if taken:
            sources.append(_entry("recording", voice.voice, voice.file, _librosa(), voice.sha256(), taken))
    left = [one for one in syllables if one not in images]
    if recordings:
        _warn(syllables, recordings, left)
    if base:
        rows = base.rows()
        images |= {one: base.log_mels[rows[one]] for one in left if one in rows}
        sources += _restricted(base.sources, set(left))
    left = [one for one in left if one not in images]
    if left:
        spoken, source = synthesise(left)
        images |= dict(zip(left, spoken, strict=True))
        sources.append(source)
    return SoundBank(list(syllables), np.stack([images[one] for one in syllables]), sources)


def synthesise(syllables: Sequence[str], voice: str = VOICE) -> tuple[np.ndarray, dict[str, str]]:
    """Spectrograms of syllables that espeak-ng speaks, uint8 [n, 48, 48], and their entry in a sound manifest.

    Raises:
        ValueError, ImportError, RuntimeError: see `espeak.speak`.
    """
    clips, version = speak(syllables, voice)
    images = [log_mel(clip / 32768, RATE) for clip in clips]
    made_with = f"espeak-ng {version}, {_librosa()}"
    return np.stack(images), _entry("synthesis", f"espeak-ng {voice}", "", made_with, sound_sha256(clips), syllables)


def _entry(source: str, voice: str, file: str, made_with: str, sha256: str, syllables: Sequence[str]) -> dict[str, str]:
    """One source of a sound manifest. The folder of the file is not named."""
    return {
        "source": source,
        "voice": voice,
        "file": file,
        "made_with": made_with,
        "sha256": sha256,
        "syllables": " ".join(syllables),
    }


def _librosa() -> str:
    return f"librosa {sound_library('librosa').__version__}"


def _restricted(sources: list[dict[str, str]], wanted: set[str]) -> list[dict[str, str]]:
    """Sources of a bank, with those of their syllables that are wanted."""
    kept = [
        {**one, "syllables": " ".join(name for name in one["syllables"].split() if name in wanted)} for one in sources
    ]
    return [one for one in kept if one["syllables"]]


def _warn(syllables: Sequence[str], recordings: Sequence[Recordings], left: list[str]) -> None:
    """Says what has no recording, and which recordings are not used."""
    known, voices = set(syllables), ", ".join(repr(voice.voice) for voice in recordings)
    others = sorted({one for voice in recordings for one in voice.files} - known)
    clips = sum(len(names) - 1 for voice in recordings for one, names in voice.files.items() if one in known)
    notes = []
    if left:
        notes.append(f"{len(left):,} of {len(syllables):,} syllables have no recording ({_some(left)})")
    if others:
        notes.append(f"{len(others):,} recorded syllables are none of the bank's ({_some(others)})")
    if clips:
        notes.append(f"{clips:,} further clips of the same syllables are not used")
    if notes:
        logger.warning_once(f"recordings of {voices}: {'; '.join(notes)}. The sound_manifest says more")


def _some(names: list[str]) -> str:
    return " ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")


__all__ = ["make_bank", "synthesise"]
