"""The tokenizer of ChineseBERT: BERT's WordPiece on the Rust backend, and every character's pinyin in its sentence.

Axes: B batch, L tokens, V vocabulary, P = 8 pinyin slots.
"""

import gc
from collections.abc import Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Any

import numpy as np
from tokenizers import Encoding, Regex, decoders
from transformers import BatchEncoding, BertTokenizer
from transformers.utils import logging

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
        **kwargs: Any,
    ) -> None:
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
        if isinstance(text, (list, tuple)) and not text and not is_split_into_words:
            raise ValueError("text is an empty list; a batch needs one text or more ('' is a text)")
        try:
            output = super()._encode_plus(
                text, text_pair, *args, is_split_into_words=is_split_into_words, return_tensors=None, **kwargs
            )
        except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
            _explain(text, text_pair, error)
            raise
        batched = isinstance(text, (list, tuple))
        if is_split_into_words:
            batched = batched and bool(text) and isinstance(text[0], (list, tuple))
        several = batched or kwargs.get("return_overflowing_tokens", False)
        if "pinyin_ids" in self.model_input_names and output.encodings is not None:
            samples = list(zip(text, text_pair, strict=True)) if batched and text_pair is not None else text
            samples = [_sequences(s, is_split_into_words) for s in (samples if batched else [(text, text_pair)])]
            rows = _pinyin_rows(output.encodings, output.get("overflow_to_sample_mapping"), samples)
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


def _sequences(sample: Any, is_split_into_words: bool) -> list[str | Sequence[str]]:
    """The one or two sequences of a sample: strings, or lists of words."""
    if isinstance(sample, str):
        return [sample]
    if is_split_into_words and all(isinstance(word, str) for word in sample):
        return [sample]
    return [sequence for sequence in sample if sequence is not None]


def _pinyin_rows(
    encodings: list[Encoding], owners: list[int] | None, samples: list[list[str | Sequence[str]]]
) -> list[np.ndarray]:
    """One int64 array [L, 8] for each encoding. All texts are read in one go, joined by line breaks.

    Args:
        encodings: what the Rust tokenizer made: one a sample, or several windows of it.
        owners: the sample that each encoding belongs to; None: encoding i belongs to sample i.
        samples: the sequences of each sample.
    """
    texts = [sequence if isinstance(sequence, str) else "".join(sequence) for sample in samples for sequence in sample]
    starts = list(accumulate((len(text) + 1 for text in texts), initial=0))  # of each text in the joined one
    firsts = list(accumulate((len(sample) for sample in samples), initial=0))  # each sample's first text
    table = pinyin_table()
    readings = table.rows("\n".join(texts))  # [characters]
    rows = []
    for index, encoding in enumerate(encodings):
        owner = index if owners is None else owners[index]
        place, width = _places(encoding, samples[owner], starts[firsts[owner] :])
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


def _places(encoding: Encoding, sample: list, starts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Start in the joined text and width in characters of every token, [L] each; special tokens have the width 0."""
    spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    place = spans[:, 0] + starts[0]
    if len(sample) > 1:
        place += np.array([starts[s or 0] - starts[0] for s in encoding.sequence_ids])
    if not isinstance(sample[0], str):  # offsets count from the start of the word
        words = [list(accumulate(map(len, sequence), initial=0)) for sequence in sample]
        pairs = zip(encoding.sequence_ids, encoding.word_ids, strict=True)
        place += np.array([0 if s is None else words[s][w] for s, w in pairs])
    return place, spans[:, 1] - spans[:, 0]


def _explain(text: Any, text_pair: Any, error: Exception) -> None:
    """Raises an error that names the piece of text which cannot be encoded, if one is found."""

    def leaves(value: Any, path: str) -> Any:
        if isinstance(value, (list, tuple)):
            for index, part in enumerate(value):
                yield from leaves(part, f"{path}[{index}]")
        else:
            yield path, value

    both = [*leaves(text, "text"), *(leaves(text_pair, "text_pair") if text_pair is not None else ())]
    for path, value in both:
        if not isinstance(value, str):
            raise ValueError(f"{path} is {value!r}; a text must be a string (replace missing values by '')") from error
        surrogate = next((c for c in value if "\ud800" <= c <= "\udfff"), None)
        if surrogate is not None:
            raise ValueError(
                f"{path} holds the lone surrogate {surrogate!r} at {value.index(surrogate)}, which is no character; "
                "read the file with the right encoding, or text.encode('utf-16', 'surrogatepass').decode('utf-16')"
            ) from error


ChineseBertTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["ChineseBertTokenizer"]
