"""How alike syllables and characters sound."""

import numpy as np
import pytest

from hanziformers.similar_sounds import commonness, sounds_like, syllable_similarity, usual_readings


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("zai4", "zai4", 1),
        ("de", "de", 1),
        ("de", "de2", 0.9),  # tone
        ("ma1", "ma", 0.9),
        ("zai4", "zhai4", 0.8),  # initial
        ("shi4", "si4", 0.8),
        ("chi1", "ci1", 0.8),
        ("nan2", "lan2", 0.8),
        ("hu2", "fu2", 0.8),
        ("re4", "le4", 0.8),
        ("lan2", "lang2", 0.8),  # final
        ("yin1", "ying1", 0.8),
        ("guan1", "guang1", 0.8),
        ("zhong1", "zong3", 0.72),  # initial and tone
        ("zhang1", "zan1", 0.64),  # initial and final
        ("zhang1", "zan4", 0.576),
        ("an1", "ang1", 0.8),
        ("ma1", "na1", 0),
        ("ma1", "mao1", 0),
        ("lü4", "lu4", 0),
        ("xi1", "xian1", 0),
        ("", "", 0),  # no reading
        ("", "a1", 0),
    ],
)
def test_syllables(one, other, score):
    assert syllable_similarity([one], [other])[0, 0] == pytest.approx(score)
    assert syllable_similarity([other], [one])[0, 0] == pytest.approx(score)


def test_a_table_is_its_pairs():
    syllables = ["zai4", "zhai2", "de", "lang3", "", "nan3", "ê1"]
    table = syllable_similarity(syllables, syllables)
    alone = [[syllable_similarity([one], [other])[0, 0] for other in syllables] for one in syllables]
    assert (table == np.array(alone)).all()
    assert syllable_similarity([], syllables).shape == (0, 7)
    assert syllable_similarity(syllables, []).shape == (7, 0)


def test_usual_readings_leave_out_what_no_phrase_has():
    assert usual_readings("在") == ["zai4"]
    assert usual_readings("地") == ["di4", "de"]
    assert usual_readings("行")[:2] == ["xing2", "hang2"]
    assert "fou1" not in usual_readings("不")  # in the dictionary
    assert usual_readings("a") == []


def test_characters_sound_by_their_nearest_reading():
    score = sounds_like(["de", "zai4"], list("的地再债a"))
    assert np.allclose(score, [[1, 0.98, 0, 0, 0], [0, 0, 1, 0.8, 0]])
    assert sounds_like(["de"], []).shape == (1, 0)


def test_common_characters_are_in_more_phrases():
    assert commonness()["不"] > commonness()["的"] > commonness()["蜘"]
