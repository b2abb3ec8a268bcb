"""PhnDB: spectrograms of toned syllables, spoken by one voice or several (section 2.3 of MPM-CNER).

The paper has 1,310 sounds, which are not released. Here any set of voices makes a PhnDB: the shipped bank (espeak-ng,
1,522 syllables), other voices of espeak-ng, and your own recordings. Synthesis proves that pre-training works; what is
learnt from it is about espeak-ng's voices, and generalises little to people.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers.utils import logging

from ..processors.pronunciation import synthesise
from ..processors.recordings import as_recordings
from ..processors.sound_bank import SoundBank, check_syllables, shipped_bank
from ..processors.spectrogram import with_deltas
from .image_table import image_dataset

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_NAMED = 20  # syllables that a warning names


def phonetic_dataset(
    recordings: Any = None,
    *,
    espeak_voices: Sequence[str] = (),
    shipped: bool = True,
    syllables: Sequence[str] | None = None,
) -> Dataset:
    """Makes PhnDB.

    Args:
        recordings: folders or zips of clips: voice -> path, a path, or a list of them (the voice is then named after
            the folder or zip). All clips are used, also several of one syllable.
        espeak_voices: voices of espeak-ng, such as "cmn+m3" (in the table "espeak-ng cmn+m3"); each speaks all
            syllables.
        shipped: use the shipped bank, whose voice is "espeak-ng cmn+f4".
        syllables: those that are used; None: those of the shipped bank. Clips of others are counted in a warning, and
            so are those without a clip.

    Returns:
        Rows `syllable` (str, "zhong1"), `source` ("recording" or "synthesis"), `voice` (str), `image` (uint8
        [3, 48, 48]: log-mel, delta, delta-delta): the recordings, the shipped bank, then espeak-ng's voices.

    Raises:
        ValueError: there is no voice; two have one name; the shipped bank lacks a syllable; a clip cannot be used, or a
            syllable cannot be spoken; see also `Recordings` and `espeak.speak`.
        TypeError: espeak_voices is no list; see also `as_recordings`.
        FileNotFoundError: see `as_recordings`.
        ImportError: a library of the extra [sound] is needed and not installed.
    """
    if isinstance(espeak_voices, str):
        raise TypeError(f"espeak_voices is {espeak_voices!r}; give a list of voices: [{espeak_voices!r}]")
    bank = shipped_bank()
    wanted = list(bank.syllables) if syllables is None else check_syllables(syllables)
    rows: list[tuple[str, str, str]] = []
    images: list[np.ndarray] = []
    for voice in as_recordings(recordings):
        clips = [(syllable, name) for syllable in wanted for name in voice.files.get(syllable, ())]
        others = sorted(voice.files.keys() - set(wanted))
        if others:
            logger.warning_once(
                f"{len(others):,} syllables of the recordings of {voice.voice!r} are not used, because they are none "
                f"of the {len(wanted):,} wanted ones: {_some(others)}"
            )
        rows += [(syllable, "recording", voice.voice) for syllable, _ in clips]
        images += [voice.log_mel(name) for _, name in clips]
    spoken = [_of_bank(bank, wanted)] if shipped else []
    spoken += [synthesise(wanted, voice) for voice in espeak_voices]
    for made, source in spoken:
        rows += [(syllable, "synthesis", source["voice"]) for syllable in wanted]
        images += list(made)
    _check(rows, [source["voice"] for _, source in spoken])
    lacking = sorted(set(wanted) - {syllable for syllable, _, _ in rows})
    if lacking:
        logger.warning_once(
            f"{len(lacking):,} of the {len(wanted):,} wanted syllables have no clip, and no rows: {_some(lacking)}"
        )
    syllable, source, voice = (list(column) for column in zip(*rows, strict=True))
    return image_dataset(with_deltas(np.stack(images)), syllable=syllable, source=source, voice=voice)


def _some(syllables: list[str]) -> str:
    return " ".join(syllables[:_NAMED]) + (" ..." if len(syllables) > _NAMED else "")


def _of_bank(bank: SoundBank, wanted: list[str]) -> tuple[np.ndarray, dict[str, str]]:
    """The rows of the shipped bank for some syllables, uint8 [n, 48, 48], and their source."""
    rows = bank.rows()
    lacking = [syllable for syllable in wanted if syllable not in rows]
    if lacking:
        raise ValueError(
            f"the shipped bank lacks {len(lacking)} of the syllables, such as {lacking[0]!r}; give shipped=False, and "
            f"espeak_voices=['cmn+f4'], which speaks all"
        )
    return bank.log_mels[[rows[syllable] for syllable in wanted]], bank.sources[0]


def _check(rows: list[tuple[str, str, str]], spoken: list[str]) -> None:
    """Refuses a PhnDB without rows, or in which two voices have one name."""
    if not rows:
        raise ValueError("there is no clip of the wanted syllables; give recordings, espeak_voices or shipped=True")
    recorded = {voice for _, source, voice in rows if source == "recording"}
    twice = [voice for row, voice in enumerate(spoken) if voice in recorded or voice in spoken[:row]]
    if twice:
        raise ValueError(
            f"the voice {twice[0]!r} is there twice; give each voice once (shipped=True is espeak-ng's cmn+f4), and "
            "recordings a name of their own"
        )


__all__ = ["phonetic_dataset"]
