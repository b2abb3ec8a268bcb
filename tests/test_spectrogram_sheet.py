"""The sheet of spectrograms."""

import numpy as np
import pytest
from PIL import Image

from hanziformers.processors.feature_extraction_syllable import HanziSyllableFeatureExtractor
from hanziformers.processors.spectrogram_sheet import spectrogram_sheet


def test_low_frequencies_are_at_the_bottom_and_voices_side_by_side(tmp_path):
    extractor = HanziSyllableFeatureExtractor()
    path = spectrogram_sheet(["ma1", "shi4"], tmp_path / "a" / "sheet.png", columns=2, zoom=1)
    sheet = 255 - np.asarray(Image.open(path)).astype(int)
    image = extractor(["ma1"])["spectrograms"][0, 0, ::-1]
    rows, columns = (length - 48 + 1 for length in sheet.shape)
    places = [(y, x) for y in range(rows) for x in range(columns) if (sheet[y : y + 48, x : x + 48] == image).all()]
    assert len(places) == 1
    wide = spectrogram_sheet(["ma1"], tmp_path / "b.png", voices={"a": extractor, "b": extractor}, deltas=True, zoom=1)
    assert Image.open(wide).width >= 6 * 48
    with pytest.raises(ValueError, match="'x' is none of"):
        spectrogram_sheet(["x"], tmp_path / "c.png")


@pytest.mark.parametrize(("syllables", "voices"), [([], None), ("ma1", None), (["ma1"], {})])
def test_nothing_to_show(tmp_path, syllables, voices):
    with pytest.raises(ValueError, match="give a list of syllables, such as .*, and one voice or more"):
        spectrogram_sheet(syllables, tmp_path / "a.png", voices=voices)
    assert not (tmp_path / "a.png").exists()
