"""The tokenizer of ChineseBERT: BERT's WordPiece on the Rust backend, and every character's pinyin in its sentence.

Axes: B batch, L tokens, V vocabulary, P = 8 pinyin slots.
"""

import gc
from importlib.metadata import version
from typing import Any

import numpy as np
from tokenizers import Encoding, Regex, decoders
from transformers import BatchEncoding, BertTokenizer
from transformers.utils import logging

from .alignment import JoinedTexts, check_batch, explain, is_batch, samples_of
from .pinyin import PINYIN_LENGTH, pinyin_table
from .vocabulary import read_vocabulary

logger = logging.get_logger(__name__)

# Where decoding leaves out BERT's space between tokens: beside Han, kana, CJK punctuation and full-width forms.
_CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]"


class ChineseBertTokenizer(BertTokenizer):
    """Turns texts into `input_ids`, `attention_mask`, `token_type_ids` and `pinyin_ids`.

    All but the last are BERT's. `pinyin_ids` [L, 8] (or [B, L, 8]) holds the symbols of each character's reading, as
    pypinyin decides it in the whole text or line of words (windows of an overflowing text included): letters a-z are
    6..31, tones 1..5 (5 is the neutral one), 0 fills up. A token of one Chinese character has its reading, as [UNK]
    too; every other token (special, padding, several characters, Latin, digits, punctuation) has zeros.

    Pairs get the token types 0 and 1, as in BERT. (The published fine-tuning of pairs passed none, which is all 0.)
    Decoding writes Chinese without spaces between the characters.

    Args:
        vocab: path of vocab.txt, or token -> id.
        do_lower_case: lower-case, and strip accents unless `strip_accents` says otherwise.
        pypinyin_version: set when the tokenizer is saved. Readings depend on pypinyin's dictionary; loading under
            another version logs a warning.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for `transformers.BertTokenizer`.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used (see `read_vocabulary`); on a call, text that
            is None, no string, not valid Unicode, or an empty list.

    Example:
        >>> tokenizer = ChineseBertTokenizer("vocab.txt")
        >>> tokenizer("银行行长")["pinyin_ids"][2]  # hang2
        [13, 6, 19, 12, 2, 0, 0, 0]
    """

    model_input_names = ["input_ids", "token_type_ids", "attention_mask", "pinyin_ids"]
    padding_side = "right"
    marks_word_pieces = True  # read by WordPieceTokenClassificationPipeline

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        do_lower_case: bool = True,
        unk_token: str = "[UNK]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        cls_token: str = "[CLS]",
        mask_token: str = "[MASK]",
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        pypinyin_version: str | None = None,
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        vocab = vocab_file if vocab is None else vocab
        if vocab is not None:
            vocab = read_vocabulary(vocab, [str(t) for t in (unk_token, sep_token, pad_token, cls_token, mask_token)])
        installed = version("pypinyin")
        if pypinyin_version is not None and pypinyin_version != installed:
            logger.warning_once(
                f"this tokenizer was saved with pypinyin {pypinyin_version}; {installed} is installed, and about one "
                f"reading in 200 may differ. pip install pypinyin=={pypinyin_version} for the same readings"
            )
        super().__init__(
            vocab=vocab,
            do_lower_case=do_lower_case,
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            tokenize_chinese_chars=tokenize_chinese_chars,
            strip_accents=strip_accents,
            pypinyin_version=installed,
            vocab_file=vocab_file,
            **kwargs,
        )
        self._tokenizer.decoder = decoders.Sequence(
            [
                decoders.WordPiece(prefix="##"),
                decoders.Fuse(),
                decoders.Replace(Regex(f"(?<={_CJK}) | (?={_CJK})"), ""),
            ]
        )

    def token_pinyin_ids(self) -> np.ndarray:
        """The reading of every token by itself, without a context: uint8 [V, 8], zeros where there is none.

        What stands in place of a masked character gets its pinyin from here.
        """
        table = pinyin_table()
        tokens = self.convert_ids_to_tokens(range(len(self)))
        bare = [token.removeprefix("##") for token in tokens]
        return table.ids[[table.row_of(token) if len(token) == 1 else 0 for token in bare]]

    def _encode_plus(
        self,
        text: Any,
        text_pair: Any = None,
        *args: Any,
        is_split_into_words: bool = False,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Every way of encoding text (calls, processors, pipelines) ends here: adds `pinyin_ids` to BERT's keys."""
        check_batch(text, is_split_into_words)
        try:
            output = super()._encode_plus(
                text, text_pair, *args, is_split_into_words=is_split_into_words, return_tensors=None, **kwargs
            )
        except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
            explain(text, text_pair, error)
            raise
        several = is_batch(text, is_split_into_words) or kwargs.get("return_overflowing_tokens", False)
        if "pinyin_ids" in self.model_input_names and output.encodings is not None:
            texts = JoinedTexts(samples_of(text, text_pair, is_split_into_words))
            rows = _pinyin_rows(output.encodings, output.get("overflow_to_sample_mapping"), texts)
            if return_tensors is None:
                rows = _lists(rows)
            output["pinyin_ids"] = rows if several else rows[0]
        if return_tensors is not None:
            output.convert_to_tensors(return_tensors, prepend_batch_axis=not several)
        return output

    def _pad(self, encoded_inputs: Any, *args: Any, padding_side: str | None = None, **kwargs: Any) -> dict:
        """Pads `pinyin_ids` with zeros on the side where the other keys are padded; collators end here too."""
        name = self.model_input_names[0]
        before = len(encoded_inputs[name])
        output = super()._pad(encoded_inputs, *args, padding_side=padding_side, **kwargs)
        missing = len(output[name]) - before
        if missing and "pinyin_ids" in output:
            rows, empty = list(output["pinyin_ids"]), [[0] * PINYIN_LENGTH] * missing
            output["pinyin_ids"] = empty + rows if (padding_side or self.padding_side) == "left" else rows + empty
        return output


def _pinyin_rows(encodings: list[Encoding], owners: list[int] | None, texts: JoinedTexts) -> list[np.ndarray]:
    """One int64 array [L, 8] for each encoding. All texts are read in one go.

    Args:
        encodings: what the Rust tokenizer made: one a sample, or several windows of it.
        owners: the sample that each encoding belongs to; None: encoding i belongs to sample i.
        texts: the sequences of all samples.
    """
    table = pinyin_table()
    readings = table.rows(texts.text)  # [characters]
    rows = []
    for index, encoding in enumerate(encodings):
        place, width = texts.places(encoding, index if owners is None else owners[index])
        found = np.zeros(len(place), dtype=readings.dtype)
        found[width == 1] = readings[place[width == 1]]
        rows.append(table.ids[found].astype(np.int64))  # [L, 8]
    return rows


def _lists(rows: list[np.ndarray]) -> list[list[list[int]]]:
    """The rows as lists, without the garbage collector: it would walk them all again at every few hundred new lists."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return [row.tolist() for row in rows]
    finally:
        if enabled:
            gc.enable()


ChineseBertTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["ChineseBertTokenizer"]
