"""Every token stands in the joined text where a walk over the texts, one character after the other, says it stands."""

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from hanziformers.tokenization.alignment import TextAlignment, is_batch

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"银行长的了abcdefx1", *(f"##{c}" for c in "abcdefx1"), "fac"]


def make_tokenizer(lower=True):
    """BERT's: removes controls and formats, and with `lower` accents too; spaces around Chinese."""
    tokenizer = Tokenizer(WordPiece({token: index for index, token in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


NASTY = ["\u200b", "\x00", "\ufe0f", "\u200d", "\xad", "e\u0301", "é", "a\u0301\u0302", "a\u200bb", "か\u3099"]
NASTY += [
    "한",
    "각",
    "😀",
    "👨\u200d👩\u200d👧",
    "𠀀",
    "𰻝",
    "龘",
    "[SEP]",
    "face",
    "\n",
    "\r\n",
    "\u3000",
    " ",
    "İ",
    "ﬁ",
]
texts = st.lists(
    st.sampled_from([*NASTY, *"银行长的了ab1，"]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=2),
    max_size=7,
).map("".join)
sequences = {False: texts, True: st.lists(texts, max_size=4)}


@st.composite
def calls(draw):
    """Samples of one call, and how they are encoded: pairs or not, words or not, windows, padding on either side."""
    words, pairs = draw(st.booleans()), draw(st.booleans())
    one = sequences[words]
    samples = draw(st.lists(st.tuples(one, one) if pairs else one.map(lambda text: (text,)), min_size=1, max_size=4))
    options = {
        "lower": draw(st.booleans()),
        "windows": draw(st.none() | st.tuples(st.integers(8, 11), st.integers(0, 1))),
    }
    return (
        [list(sample) for sample in samples],
        words,
        options | {"side": draw(st.sampled_from([None, "left", "right"]))},
    )


def encode(samples, words, lower, windows, side):
    """The encodings, windows included, and the sample that each belongs to."""
    tokenizer = make_tokenizer(lower)
    if windows:
        tokenizer.enable_truncation(windows[0], stride=windows[1])
    if side:
        tokenizer.enable_padding(direction=side, pad_id=0, pad_token="[PAD]")
    given = [sample[0] if len(sample) == 1 else tuple(sample) for sample in samples]
    encodings, owners = [], []
    for owner, encoding in enumerate(tokenizer.encode_batch(given, is_pretokenized=words)):
        encodings += [encoding, *encoding.overflowing]
        owners += [owner] * (1 + len(encoding.overflowing))
    return encodings, owners


def walk(samples):
    """(sample, sequence, word, offset) of every character of the joined text; None between two texts."""
    names = []
    for number, sample in enumerate(samples):
        for index, sequence in enumerate(sample):
            pieces = [sequence] if isinstance(sequence, str) else sequence
            names += [(number, index, w, offset) for w, piece in enumerate(pieces) for offset in range(len(piece))]
            names.append(None)
    return names[:-1]


@settings(max_examples=400)
@given(calls())
@example(([["银e\u0301行", "\u200b长"]], False, {"lower": True, "windows": (8, 1), "side": "left"}))
@example(([[["a\u200b", "", "行"], ["😀", "的"]]], True, {"lower": True, "windows": (8, 0), "side": "left"}))
@example(([[""], ["了"]], False, {"lower": False, "windows": None, "side": "right"}))
def test_every_token_stands_where_a_walk_finds_it(call):
    samples, words, options = call
    encodings, owners = encode(samples, words, **options)
    alignment = TextAlignment(encodings, samples, owners)
    names = walk(samples)
    assert len(alignment.text) == len(names)
    for index, (encoding, owner) in enumerate(zip(encodings, owners, strict=True)):
        start, width = alignment.spans(index)
        assert start.dtype == width.dtype == np.int64
        assert len(start) == len(width) == len(encoding.ids)
        for token in range(len(encoding.ids)):
            sequence, (first, last) = encoding.token_to_sequence(token), encoding.offsets[token]
            if sequence is None:  # added by the tokenizer
                assert width[token] == 0
                continue
            word = encoding.token_to_word(token) if words else 0
            found = names[start[token] : start[token] + width[token]]
            assert found == [(owner, sequence, word, offset) for offset in range(first, last)]
            piece = samples[owner][sequence][word] if words else samples[owner][sequence]
            assert alignment.text[start[token] : start[token] + width[token]] == piece[first:last]


@given(calls())
def test_tokens_of_one_character_gather_its_value(call):
    samples, words, options = call
    encodings, owners = encode(samples, words, **options)
    alignment = TextAlignment(encodings, samples, owners)
    values = np.arange(len(alignment.text), dtype=np.int32) + 7
    gathered = alignment.gather(values)
    assert len(gathered) == len(encodings)
    for index, row in enumerate(gathered):
        assert row.dtype == np.int32
        slow = [values[s] if w == 1 else 0 for s, w in zip(*alignment.spans(index), strict=True)]
        assert row.tolist() == slow


def test_removed_characters_do_not_shift_the_rest():
    encodings, _ = encode([["\u200b银e\u0301\x00x行"]], False, True, None, None)
    alignment = TextAlignment(encodings, [["\u200b银e\u0301\x00x行"]])
    start, width = alignment.spans(0)
    assert encodings[0].tokens == ["[CLS]", "银", "e", "##x", "行", "[SEP]"]
    assert start[[1, 2, 3, 4]].tolist() == [1, 2, 5, 6]
    assert width[[0, 1, 3, 4, 5]].tolist() == [0, 1, 1, 1, 0]


A, B, C, D = "银行", "的x", "长", ""
WRITTEN = {
    "text": ((A,), [[A]]),
    "pair": ((A, B), [[A, B]]),
    "texts": (([A, D],), [[A], [D]]),
    "two lists": (([A, C], [B, D]), [[A, B], [C, D]]),
    "list of pairs": (([(A, B), [C, D]],), [[A, B], [C, D]]),
}
WORDS = {
    "words": (([A, C],), [[[A, C]]]),
    "pair of words": (([A, C], [B]), [[[A, C], [B]]]),
    "no words": (([],), [[[]]]),
    "lists of words": (([[A, C], [], [B]],), [[[A, C]], [[]], [[B]]]),
    "two lists of lists": (([[A], [C]], [[B], [A, D]]), [[[A], [B]], [[C], [A, D]]]),
    "pairs of lists": (([([A], [B]), ([C], [])],), [[[A], [B]], [[C], []]]),
}


@pytest.mark.parametrize("name", [*WRITTEN, *WORDS])
def test_a_call_is_read_as_transformers_reads_it(name):
    words = name in WORDS
    arguments, samples = (WORDS if words else WRITTEN)[name]
    encodings, _ = encode(samples, words, True, None, None)
    alignment = TextAlignment.of_call(encodings, *arguments, is_split_into_words=words)
    expected = TextAlignment(encodings, samples)
    assert alignment.text == expected.text
    for index in range(len(encodings)):
        assert np.array_equal(alignment.spans(index), expected.spans(index))
    assert is_batch(arguments[0], words) is (name not in ("text", "pair", "words", "pair of words", "no words"))


def test_owners_of_windows():
    samples = [["的"], ["银行长的了银"]]
    encodings, owners = encode(samples, False, True, (5, 1), None)
    alignment = TextAlignment.of_call(encodings, ["的", "银行长的了银"], owners=owners)
    assert owners == [0, 1, 1, 1]
    starts = [alignment.spans(index)[0][1:-1].tolist() for index in range(4)]
    assert starts == [[0], [2, 3, 4], [4, 5, 6], [6, 7]]


def seconds(function, size):
    """The shortest of three runs: other processes only make it longer."""
    runs = []
    for _ in range(3):
        start = time.process_time()
        function(size)
        runs.append(time.process_time() - start)
    return min(runs)


def many_texts(size):
    encoding = encode([["行"]], False, True, None, None)[0][0]
    TextAlignment([encoding] * size, [["行"]] * size).gather(np.arange(2 * size))


def windows_of_words(size):
    encodings, owners = encode([[["行"] * size]], True, True, (12, 0), None)
    TextAlignment(encodings, [[["行"] * size]], owners).gather(np.arange(size))


@pytest.mark.parametrize("call", [many_texts, windows_of_words])
def test_the_time_grows_with_the_texts_not_with_their_square(call):
    small, large = seconds(call, 5_000), seconds(call, 40_000)
    assert large < 20 * small, (small, large)  # 8 times the text
