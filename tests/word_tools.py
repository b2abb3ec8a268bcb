"""A small tokenizer of words and one with a lexicon, for several test files."""

from glyph_tools import NumberGlyphs
from hypothesis import strategies as st

from hanziformers import LatticeLstmTokenizer, WordTokenizer

WORDS = ["[PAD]", "[UNK]", "银行", "行长", "今天", "New York", "ab", "很"]
VOCABULARY = {word: number for number, word in enumerate(WORDS)}
CHARACTERS = "".join(sorted(set("银行长今天NewYorkab很")))  # of the bank's rows 2..N-1
N = 2 + len(CHARACTERS)
LEXICON = ["银行", "行长", "银行行长", "20", "2020", "长2", "e\u0301很", "很한", "天气", "ab"]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"银行长很今天气ab한e", "20", "##20", "2020", "ab", "##b"]

pieces = [
    *WORDS,
    *LEXICON,
    "𠮷",
    "\ue000",
    " ",
    "\u3000",
    "\u200b",
    "\x00",
    "\r\n",
    "👩\u200d🔬",
    "\u0301",
    "한",
    "犇" * 50,
]
some = st.sampled_from(pieces) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
texts = st.lists(some, max_size=8).map("".join)
word_lists = st.lists(some, max_size=6)


def make_word_tokenizer(**kwargs):
    tokenizer = WordTokenizer(VOCABULARY, **kwargs)
    tokenizer.image_processor = NumberGlyphs()
    return tokenizer


def make_lattice_tokenizer(**kwargs):
    vocabulary = {token: number for number, token in enumerate(PIECES)}
    tokenizer = LatticeLstmTokenizer(vocabulary, lexicon_file=LEXICON, **kwargs)
    tokenizer.image_processor = NumberGlyphs()
    return tokenizer
