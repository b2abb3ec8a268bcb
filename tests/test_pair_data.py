"""What the encoders are trained on, and what is held out."""

import numpy as np
import pytest

from hanziformers.training.image_table import image_dataset
from hanziformers.training.pair_data import glyph_pairs, sound_pairs

RNG = np.random.default_rng(0)
CHARACTERS = "橋樹林松柏語詩話認江河湖海"  # radicals wood, speech, water
GLYPHS = [(character, style) for style in ("song", "kai", "brush") for character in CHARACTERS]
SOUNDS = [(f"{base}{tone}", voice) for voice in ("a", "b") for base in ("ma", "shi", "lv") for tone in "1234"][:-2]
SOUNDS.append(("e4", "b"))


def table(rows, names, shape):
    columns = {name: [row[number] for row in rows] for number, name in enumerate(names)}
    return image_dataset(RNG.integers(0, 256, (len(rows), *shape), dtype=np.uint8), **columns)


GLYPH_TABLE = table(GLYPHS, ("character", "style"), (4, 4))
SOUND_TABLE = table(SOUNDS, ("syllable", "voice"), (3, 4, 4))


def rows_of(data, images):
    """The rows of a table whose images a set has."""
    known = {image.tobytes(): row for row, image in enumerate(images)}
    return [known[image.tobytes()] for image in data.images]


def test_glyphs():
    data = glyph_pairs(GLYPH_TABLE, ["brush"], 4, seed=1, shift=1, most=9)
    images = np.array(GLYPH_TABLE["image"][:], np.uint8)
    assert data.classes == sorted(CHARACTERS)
    assert list(data.sets) == ["training", "font", "characters"]
    sets = {name: [GLYPHS[row] for row in rows_of(one, images)] for name, one in data.sets.items()}
    unseen = {character for character, _ in sets["characters"]}
    assert len(unseen) == 4
    assert {style for _, style in sets["characters"]} == {style for _, style in sets["training"]} == {"song", "kai"}
    assert {style for _, style in sets["font"]} == {"brush"}
    assert {character for character, _ in sets["training"]} == {*CHARACTERS} - unseen
    assert data.rows == {name: len(rows) for name, rows in sets.items()} == {"training": 18, "font": 9, "characters": 8}
    for name, one in data.sets.items():
        expected = [-100 if name == "characters" else data.classes.index(character) for character, _ in sets[name]]
        assert one.labels.tolist() == expected
        assert len(one) == min(9, len(sets[name]))
        assert one.shift == 0
    assert (len(data.train), data.train.shift, data.train.pairs.flips) == (18, 1, False)
    other = glyph_pairs(GLYPH_TABLE, ["brush"], 4, seed=2)
    assert rows_of(other.sets["characters"], images) != rows_of(data.sets["characters"], images)


def test_nothing_held_out():
    assert list(glyph_pairs(GLYPH_TABLE).sets) == ["training"]
    assert list(sound_pairs(SOUND_TABLE).sets) == ["training"]


def test_sounds():
    data = sound_pairs(SOUND_TABLE, ["b"], flips=True, seed=1)
    assert data.classes == sorted({syllable for syllable, _ in SOUNDS})
    assert data.rows == {"training": 12, "voice": 11}
    assert len(data.train) == 24  # each flipped as well
    assert len(data.sets["training"]) == 12
    labels = dict(zip([row for row in SOUNDS if row[1] == "b"], data.sets["voice"].labels.tolist(), strict=True))
    assert labels["e4", "b"] == -100  # no training voice has it
    assert labels["shi3", "b"] == data.classes.index("shi3")
    pairs = data.train.pairs.epoch(0)
    bases = np.array([syllable[:-1] for syllable, voice in SOUNDS if voice == "a"])
    assert np.array_equal(bases[pairs.rows[:, 0]] == bases[pairs.rows[:, 1]], pairs.same)
    tones = np.array([syllable[-1] for syllable, voice in SOUNDS if voice == "a"])
    assert (tones[pairs.rows[pairs.same, 0]] != tones[pairs.rows[pairs.same, 1]]).all()


def test_two_voices_of_a_syllable_are_a_positive_pair():
    data = sound_pairs(SOUND_TABLE, flips=False)
    rows = np.concatenate([data.train.pairs.epoch(epoch).rows for epoch in range(50)])
    assert any(SOUNDS[first][0] == SOUNDS[second][0] and first != second for first, second in rows)


def test_statistics():
    data = sound_pairs(SOUND_TABLE, ["b"])
    images = np.array(SOUND_TABLE["image"][:])[:12] / 255
    mean, std = data.statistics()
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)))
    np.testing.assert_allclose(std, images.std((0, 2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: glyph_pairs(GLYPH_TABLE, ["cao"]), "the style 'cao' cannot be held out; there are brush, kai, song"),
        (lambda: sound_pairs(SOUND_TABLE, ["c"]), "the voice 'c' cannot be held out; there are a, b"),
        (lambda: glyph_pairs(GLYPH_TABLE, [], 13), "held_out_characters=13 is not allowed; allowed is 0 to 12"),
        (lambda: sound_pairs(SOUND_TABLE, ["a", "b"]), "everything is held out"),
        (lambda: glyph_pairs(GLYPH_TABLE, [], 1), "the set 'characters' has 3 images, of which no pairs can be made: "),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: glyph_pairs(GLYPH_TABLE, "kai"), r"held_out_styles is 'kai'; give a list: \['kai'\]"),
        (lambda: sound_pairs(SOUND_TABLE, "a"), r"held_out_voices is 'a'; give a list: \['a'\]"),
    ],
)
def test_one_name_is_no_list(make, message):
    with pytest.raises(TypeError, match=message):
        make()
