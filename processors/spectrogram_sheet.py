"""A sheet of spectrograms for people: syllables in a grid, the voices of each side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .contact_sheet import contact_sheet
from .feature_extraction_syllable import HanziSyllableFeatureExtractor


def spectrogram_sheet(
    syllables: Sequence[str],
    path: str | Path,
    *,
    voices: Mapping[str, HanziSyllableFeatureExtractor] | None = None,
    deltas: bool = False,
    columns: int | None = None,
    zoom: int = 2,
) -> Path:
    """Writes a PNG of spectrograms, black on white: time goes to the right, frequency up.

    Args:
        syllables: toned syllables.
        path: where the PNG goes; folders that are missing are made.
        voices: name -> the feature extractor with its bank; by default the shipped bank alone.
        deltas: show delta and delta-delta beside the log-mel spectrogram.
        columns: syllables in a row (default: so many that the sheet is about 900 px wide).
        zoom: every value becomes zoom x zoom pixels.

    Returns:
        The path.

    Raises:
        ValueError: a syllable is not in a bank; there is nothing to show; columns or zoom below 1.

    Example:
        >>> recorded = HanziSyllableFeatureExtractor(recordings="recordings")
        >>> spectrogram_sheet(["ma1", "ma2", "ma3", "ma4"], "sheet.png", voices={"recorded": recorded})
    """
    voices = {"espeak-ng": HanziSyllableFeatureExtractor()} if voices is None else voices
    if isinstance(syllables, str) or not syllables or not voices:
        raise ValueError(
            f"syllables={syllables!r} of {len(voices)} voices; give a list of syllables, such as ['ma1', 'ma2'], and "
            "one voice or more"
        )
    shown = slice(None) if deltas else slice(1)
    parts = [extractor(list(syllables))["spectrograms"][:, shown] for extractor in voices.values()]
    images = np.concatenate(parts, axis=1)[:, :, ::-1]  # the lowest band at the bottom
    names = " | ".join(voices)
    labels = [f"{syllable} {names}" if row == 0 else syllable for row, syllable in enumerate(syllables)]
    return contact_sheet(np.ascontiguousarray(images), path, labels=labels, columns=columns, zoom=zoom)


__all__ = ["spectrogram_sheet"]
