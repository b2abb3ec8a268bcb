"""The tokenizer of Lattice-LSTM: Glyce's inputs on every text, and the words of a lexicon beside them."""

from hypothesis import example, given
from word_tools import LEXICON, PIECES, make_lattice_tokenizer, texts

from hanziformers import GlyceTokenizer, LatticeLstmTokenizer

TOKENIZER = make_lattice_tokenizer()
GLYCE = GlyceTokenizer(TOKENIZER.get_vocab())


@given(texts)
@example("银行行长2020\u200b行𠮷")
def test_the_other_inputs_are_those_of_glyce(text):
    encoded = TOKENIZER(text)
    words = {name: encoded.pop(name) for name in ("lexicon_ids", "lexicon_spans")}
    assert dict(encoded) == dict(GLYCE(text))
    assert len(words["lexicon_ids"]) == len(words["lexicon_spans"])


def test_the_lexicon_is_given_as_words_or_as_a_file(tmp_path):
    vocabulary = {token: number for number, token in enumerate(PIECES)}
    path = tmp_path / "words.txt"
    path.write_text("\n".join(LEXICON), encoding="utf-8")
    for given_as in (path, str(path), LEXICON, tuple(LEXICON)):
        tokenizer = LatticeLstmTokenizer(vocabulary, lexicon_file=given_as)
        assert tokenizer.lexicon.words == LEXICON
        assert tokenizer("银行行长")["lexicon_spans"] == [[1, 2], [1, 4], [3, 4]]
    without = LatticeLstmTokenizer(vocabulary)("银行行长", return_tensors="pt")
    assert (without["lexicon_ids"].shape, without["lexicon_spans"].shape) == ((1, 1), (1, 1, 2))
    names = [*GlyceTokenizer.model_input_names, "lexicon_ids", "lexicon_spans", "extra_glyphs"]
    assert TOKENIZER.model_input_names == names
