"""The tokenizer of ChineseBERT: BERT's WordPiece on the Rust backend, and every character's pinyin in its sentence.

Axes: B batch, L tokens, V vocabulary, P = 8 pinyin slots.
"""

from importlib.metadata import version
from typing import Any

import numpy as np
from transformers.utils import logging

from .alignment import TextAlignment
from .character_inputs import CharacterInputs
from .pinyin import PINYIN_LENGTH, pinyin_table
from .published_pinyin import check_published
from .word_pieces import ChineseWordPieces

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

# what published folders have beside a vocabulary
PUBLISHED = ("pinyin_map_file", "pinyin_map", "pinyin2tensor_file", "pinyin2tensor", "id2pinyin")


class ChineseBertTokenizer(CharacterInputs, ChineseWordPieces):
    """Turns texts into `input_ids`, `attention_mask`, `token_type_ids` and `pinyin_ids`.

    All but the last are BERT's. `pinyin_ids` [L, 8] (or [B, L, 8]) holds the symbols of each character's reading, as
    pypinyin decides it in the whole text or line of words (windows of an overflowing text included): letters a-z are
    6..31, tones 1..5 (5 is the neutral one), 0 is padding. A token of one Chinese character has its reading, as [UNK]
    too; every other token (special, padding, several characters, Latin, digits, punctuation) has zeros.

    Pairs get the token types 0 and 1, as in BERT. (The published fine-tuning of pairs passed none, which is all 0.)
    Decoding writes Chinese without spaces between the characters.

    Published folders load as they are. Their pinyin files are compared with our alphabet and readings: another alphabet
    is refused, other readings are warned of.

    Args:
        vocab: path of vocab.txt, or token -> id.
        do_lower_case: lower-case, and strip accents unless `strip_accents` says otherwise.
        pypinyin_version: set when the tokenizer is saved. Readings depend on pypinyin's dictionary; loading under
            another version logs a warning.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for `transformers.BertTokenizer`. What published folders have besides is compared and not kept:
            `pinyin_map_file` and `pinyin2tensor_file` (paths of config/pinyin_map.json and config/pinyin2tensor.json,
            set by `from_pretrained`), or `pinyin_map` and `pinyin2tensor` in tokenizer_config.json.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used (see `read_vocabulary`); on a call, text that
            is None, no string, not valid Unicode, or an empty list.

    Example:
        >>> tokenizer = ChineseBertTokenizer("vocab.txt")
        >>> tokenizer("银行行长")["pinyin_ids"][2]  # hang2
        [13, 6, 19, 12, 2, 0, 0, 0]
    """

    # transformers looks for these files and hands their paths to `__init__`
    vocab_files_names = ChineseWordPieces.vocab_files_names | {
        "pinyin_map_file": "config/pinyin_map.json",
        "pinyin2tensor_file": "config/pinyin2tensor.json",
    }
    model_input_names = ["input_ids", "token_type_ids", "attention_mask", "pinyin_ids"]
    extra_inputs = {"pinyin_ids": [0] * PINYIN_LENGTH}

    def __init__(self, *args: Any, pypinyin_version: str | None = None, **kwargs: Any) -> None:
        # the files, whose paths `from_pretrained` gives, or what they would hold
        found = {name: kwargs.pop(name, None) for name in PUBLISHED}
        check_published(
            found["pinyin_map_file"] or found["pinyin_map"], found["pinyin2tensor_file"] or found["pinyin2tensor"]
        )
        installed = version("pypinyin")
        if pypinyin_version is not None and pypinyin_version != installed:
            logger.warning_once(
                f"this tokenizer was saved with pypinyin {pypinyin_version}; {installed} is installed, and about one "
                f"reading in 200 may differ. pip install pypinyin=={pypinyin_version} for the same readings"
            )
        super().__init__(*args, pypinyin_version=installed, **kwargs)

    def values_of_tokens(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """A token of one character has the reading of the character by itself, every other token none."""
        table = pinyin_table()
        distinct, index = np.unique(np.asarray(ids, np.int64), return_inverse=True)
        # an id that no token has (a vocabulary may have gaps) has no reading either
        tokens = [(token or "").removeprefix("##") for token in self.convert_ids_to_tokens(distinct.tolist())]
        rows = np.array([table.row_of(token) if len(token) == 1 else 0 for token in tokens], np.int64)
        return {**super().values_of_tokens(ids), "pinyin_ids": table.ids[rows[index]].astype(np.int64)}

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """Pinyin of the tokens: all texts of the call are read in one go."""
        table = pinyin_table()
        readings = alignment.gather(table.rows(alignment.text))  # 0, no reading, where a token is not one character
        return {**super().extra_values(alignment), "pinyin_ids": [table.ids[row].astype(np.int64) for row in readings]}


ChineseBertTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["ChineseBertTokenizer"]
