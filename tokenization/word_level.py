"""Words as the tokens of a Rust tokenizer: one id a word, and no special tokens in a text."""

from typing import Any

from tokenizers import Encoding, Tokenizer
from tokenizers.models import WordLevel
from transformers import BatchEncoding
from transformers.tokenization_utils_tokenizers import TokenizersBackend

from .vocabulary import check_rows, read_vocabulary
from .word_pieces import chinese_decoder


class WordLevelTokenizer(TokenizersBackend):
    """Gives every word of lists of words its id: the key `word_ids` in place of `input_ids`.

    A word is looked up as it stands. One that is written like a special token ("[PAD]") is a word, and unknown.

    Args:
        vocab: path of vocab.txt, or word -> id; ids must be 0..V-1, of them 0 and 1 [PAD] and [UNK].
        unk_token: unknown words.
        pad_token: fills up.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for transformers' tokenizers.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used.
    """

    vocab_files_names = {"vocab_file": "vocab.txt", "tokenizer_file": "tokenizer.json"}
    model_input_names = ["word_ids", "token_type_ids", "attention_mask"]
    padding_side = "right"
    model = WordLevel

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        unk_token: str = "[UNK]",
        pad_token: str = "[PAD]",
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        specials = [str(pad_token), str(unk_token)]
        vocab = vocab_file if vocab is None else vocab
        vocab = dict(zip(specials, range(2), strict=True)) if vocab is None else read_vocabulary(vocab, specials)
        check_rows(vocab)
        if [vocab[token] for token in specials] != [0, 1]:
            raise ValueError(
                f"{specials[0]} and {specials[1]} have the ids {[vocab[token] for token in specials]}, but must be the "
                "first two words of a vocabulary of words, in this order; write them into its first two lines"
            )
        self._tokenizer = Tokenizer(WordLevel(vocab, unk_token=specials[1]))
        super().__init__(vocab_file=vocab_file, unk_token=unk_token, pad_token=pad_token, **kwargs)
        self._tokenizer.decoder = chinese_decoder()

    def encode(self, *args: Any, **kwargs: Any) -> list[int]:
        """The ids of a text's words; arguments as for a call."""
        return self(*args, **kwargs)[self.model_input_names[0]]

    def _encode_plus(self, *args: Any, **kwargs: Any) -> BatchEncoding:
        """As in transformers, of lists of words and in lists alone, under the name of words."""
        kwargs["split_special_tokens"] = True  # what is written in a text is no special token
        output = super()._encode_plus(*args, **kwargs)
        rows = [_ids(encoding) for encoding in output.encodings]
        several = bool(output["input_ids"]) and isinstance(output["input_ids"][0], list)
        named = {"word_ids": rows if several else rows[0], **output}
        del named["input_ids"]
        return BatchEncoding(named, output.encodings)


def _ids(encoding: Encoding) -> list[int]:
    """The ids of an encoding; a word that is written like [PAD] is no padding."""
    ids = encoding.ids
    if 0 not in ids:
        return ids
    return [1 if here and not index else index for index, here in zip(ids, encoding.attention_mask, strict=True)]


__all__ = ["WordLevelTokenizer"]
