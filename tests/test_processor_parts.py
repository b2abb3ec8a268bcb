"""What the parts of a processor have to be, and that they are joined in one way."""

import re

import numpy as np
import pytest
from glyph_tools import VOCABULARY
from mpm_cner_parts import SYLLABLES, make_feature_extractor, make_tokenizer

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer, HanziGlyphImageProcessor
from hanziformers.processors.processor_parts import check_sounds, check_syllables_agree, join


def test_joining_gives_the_tokenizer_what_it_needs():
    tokenizer, images, sounds = make_tokenizer(), HanziGlyphImageProcessor(size=24), make_feature_extractor()
    join(None, images, sounds)
    join(tokenizer, images)
    assert tokenizer.image_processor is images
    assert tokenizer.syllables is None
    join(tokenizer, None, sounds)
    assert tokenizer.syllables == SYLLABLES
    assert "syllable_ids" in tokenizer("银")
    join(tokenizer, images, make_feature_extractor())  # the same list once more


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["yin2", "xing2", *SYLLABLES[2:]], "row 2 of the sound bank is 'hang2' to the tokenizer and 'xing2'"),
        (SYLLABLES[:-1], f"row {len(SYLLABLES)} of the sound bank is {SYLLABLES[-1]!r} to the tokenizer and None"),
        ([*SYLLABLES, "xing2"], f"row {len(SYLLABLES) + 1} of the sound bank is None to the tokenizer and 'xing2'"),
    ],
)
def test_another_list_of_syllables_is_refused(others, said):
    tokenizer = make_tokenizer(syllables=SYLLABLES)
    images = HanziGlyphImageProcessor(size=24)
    with pytest.raises(ValueError, match=re.escape(said)):
        join(tokenizer, images, make_feature_extractor(others))
    assert tokenizer.image_processor is None  # nothing was joined
    tokenizer.syllables = None
    join(tokenizer, images, make_feature_extractor(others))
    assert tokenizer.syllables == others


def test_lists_agree():
    check_syllables_agree(SYLLABLES, SYLLABLES)
    with pytest.raises(ValueError, match="row 1 of the sound bank is None to the tokenizer and 'yin2'"):
        check_syllables_agree(None, SYLLABLES)


@pytest.mark.parametrize("tokenizer", [GlyphCrmTokenizer, ChineseBertTokenizer])
def test_a_tokenizer_that_hears_nothing_is_refused(tokenizer):
    with pytest.raises(TypeError, match=f"a {tokenizer.__name__} has no syllable_ids.*leave feature_extractor out"):
        join(tokenizer(VOCABULARY), None, make_feature_extractor())


@pytest.mark.parametrize("wrong", ["x", 3, np.zeros(3), HanziGlyphImageProcessor(size=24)])
def test_what_renders_no_sounds_is_refused(wrong):
    with pytest.raises(TypeError, match=f"a {type(wrong).__name__} is no feature extractor of syllables: it has no"):
        check_sounds(wrong)
