"""BERT's word pieces: the same ids as a stock BERT, and Chinese decoded without spaces."""

import pytest
from transformers import BertTokenizer

from hanziformers.tokenization.word_pieces import ChineseWordPieces

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"银行很忙，", "ex", "##s", "20"]
VOCABULARY = {token: row for row, token in enumerate(TOKENS)}
TEXTS = ["银行，很 忙", "exs 20银ex", "龘EX[MASK]"]


def test_ids_of_bert_and_chinese_without_spaces():
    pieces, bert = ChineseWordPieces(VOCABULARY), BertTokenizer(VOCABULARY)
    decoded = []
    for text in TEXTS:
        assert dict(pieces(text)) == dict(bert(text))
        decoded.append(pieces.decode(pieces(text)["input_ids"][1:-1]))
    assert decoded == ["银行，很忙", "exs 20银ex", "[UNK] ex [MASK]"]


def test_vocabulary_files(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    for tokenizer in (ChineseWordPieces(str(path)), ChineseWordPieces(vocab_file=str(path))):
        assert tokenizer.get_vocab() == VOCABULARY
    with pytest.raises(ValueError, match="lacks"):
        ChineseWordPieces({"[UNK]": 0})
