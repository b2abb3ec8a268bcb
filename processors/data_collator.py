"""Batches for pre-training: characters are masked together with what else would tell them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DataCollatorForLanguageModeling


@dataclass
class DataCollatorForMaskedCharacters(DataCollatorForLanguageModeling):
    """Masks tokens for a model that also sees `pinyin_ids`.

    Whatever is masked or replaced gets the pinyin of what now stands there (none for [MASK], its own reading for a
    random character), so that pinyin never tells the answer.

    Glyphs follow the ids. Everything else is transformers' collator: 15 % of the tokens, of which 80 % become [MASK],
    10 % a random token, 10 % stay (`mlm_probability`, `mask_replace_prob`, `random_replace_prob`, `seed`). For token
    classification transformers' own `DataCollatorForTokenClassification` keeps `pinyin_ids` aligned.

    Args of the call: a list of encoded examples. Returns input_ids, attention_mask, token_type_ids [B, L],
    pinyin_ids [B, L, 8] and labels [B, L] (-100 where nothing is asked), all int64. [UNK] is special to transformers
    and is never asked. `whole_word_mask` takes touching tokens for one word, in Chinese a whole clause: leave it off.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._readings = self.tokenizer.token_pinyin_ids().astype(np.int64)  # [V, 8]

    def torch_call(self, examples: list[Any]) -> dict[str, Tensor]:
        """Collates, masks, and corrects the pinyin of every token that is not what it was."""
        return self._correct(super().torch_call(examples), torch.from_numpy(self._readings))

    def numpy_call(self, examples: list[Any]) -> dict[str, np.ndarray]:
        """The same for `return_tensors="np"`."""
        return self._correct(super().numpy_call(examples), self._readings)

    def _correct(self, batch: dict, readings: Tensor | np.ndarray) -> dict:
        ids, labels = batch["input_ids"], batch["labels"]
        changed = (labels != -100) & (ids != labels)
        batch["pinyin_ids"][changed] = readings[ids[changed]]
        return batch


__all__ = ["DataCollatorForMaskedCharacters"]
