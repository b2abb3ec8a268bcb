"""The table of radicals."""

from collections import Counter

import numpy as np
import pytest

from hanziformers.processors.radicals import BLOCKS, NUMBER, radicals


@pytest.mark.parametrize(
    ("character", "radical"),
    [("桥", 75), ("橋", 75), ("树", 75), ("计", 149), ("語", 149), ("一", 1), ("㐀", 1), ("龥", 214), ("丸", 3)]
    + [("鿿", 85), ("䶿", 184), ("𠀀", 1), ("𣈶", 72), ("豈", 151)],
)
def test_known_radicals(character, radical):
    assert radicals([character]).tolist() == [radical]


def test_what_is_no_han_character_has_none():
    assert radicals("aア。\u3007\U0010ffff🙂〡").tolist() == [0] * 7
    assert radicals([]).shape == (0,)


def test_every_character_of_uro_and_extension_a_has_one():
    found = radicals(map(chr, [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000)]))
    assert found.dtype == np.int64
    assert (found.min(), found.max()) == (1, NUMBER)
    assert set(found.tolist()) == set(range(1, NUMBER + 1))
    assert Counter(found.tolist()).most_common(1)[0][0] == 85  # water


def test_the_table_has_every_run():
    characters = [chr(code) for block in BLOCKS for code in range(*block)]
    assert len(characters) == 102_998
    assert radicals(characters).all()
