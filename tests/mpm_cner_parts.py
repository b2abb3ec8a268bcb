"""A small tokenizer, image processor and feature extractor of MPM-CNER; the sounds are noise."""

import numpy as np
from glyph_tools import SPECIAL

from hanziformers import HanziGlyphImageProcessor, HanziProcessor, HanziSyllableFeatureExtractor, MpmCnerTokenizer
from hanziformers.processors.sound_bank import SoundBank

CHARACTERS = "银行长很忙，今天气好。重庆的人去来上下中国大小头发展北京海我在一ab1"
SYLLABLES = ["yin2", "hang2", "zhang3", "chang2", "hen3", "mang2", "jin1", "tian1", "qi4", "hao3", "chong2", "qing4"]
SYLLABLES += ["de5", "ren2", "qu4", "lai2", "fa1", "fa4", "tou2", "tou5", "zhan3", "bei3", "jing1", "shang4", "hai3"]


def make_feature_extractor(syllables=SYLLABLES):
    log_mels = np.random.RandomState(0).randint(0, 256, (len(syllables), 48, 48)).astype(np.uint8)
    source = {"source": "recording", "voice": "noise", "file": "", "made_with": "numpy", "sha256": "0" * 64}
    bank = SoundBank(list(syllables), log_mels, [{**source, "syllables": " ".join(syllables)}])
    return HanziSyllableFeatureExtractor(saved_sounds=bank)


def make_tokenizer(extra="頭髮發", **options):
    vocabulary = {token: row for row, token in enumerate([*SPECIAL, *CHARACTERS])}
    return MpmCnerTokenizer(vocabulary, extra, **options)


def make_processor(size=48, fonts=None, sounds=True, **options):
    """All three parts, joined; without sounds two."""
    image_processor = HanziGlyphImageProcessor(
        styles=["song"], size=size, binary=False, fonts=fonts, save_fonts=fonts is not None
    )
    return HanziProcessor(image_processor, make_tokenizer(**options), make_feature_extractor() if sounds else None)
