"""Batches for predicting the next character from those before it: a cheap proxy for masked language modelling.

Every position has a label, seven times as many as with masks, so a comparison of models needs fewer steps.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .masking_collator import DataCollatorForMaskedCharacters, Example


@dataclass
class DataCollatorForNextCharacters(DataCollatorForMaskedCharacters):
    """Pads, labels every position with the token after it, and hides from it what comes after it.

    `labels` int64 [B, L] are -100 where the next token is special or one of `shown_as`; `attention_mask` bool
    [B, 1, L, L] says which positions (last axis) a position sees: itself, and tokens before it. Only models with
    scaled dot product attention (transformers' default) take it as it is: others must be refused. A reading is the one
    that a token has by itself: that of 长 in its sentence would tell whether 大 or 短 comes next. The other arguments
    are those of the base class; the ones about masks have no effect.
    """

    def _collate(self, examples: list[Example], return_tensors: str) -> dict:
        batch = super()._collate(examples, return_tensors)
        is_token = torch.as_tensor(batch["attention_mask"]).bool()  # [B, L]
        length = is_token.shape[1]
        before = torch.ones(length, length, dtype=torch.bool).tril()  # [L, L]
        # every position sees itself, padding too: a softmax over nothing would be nan
        mask = (before & is_token[:, None]) | torch.eye(length, dtype=torch.bool)  # [B, L, L]
        batch["attention_mask"] = mask[:, None] if return_tensors == "pt" else mask[:, None].numpy()
        return batch

    def mask(self, example: Example, rng: np.random.Generator) -> Example:
        """Labels one example with its next tokens: its keys as lists, and `labels` int64 [L]."""
        ids = np.array(example["input_ids"], np.int64)
        following = np.append(ids[1:], self.tokenizer.pad_token_id)
        labels = np.where(self._predictable[following], following, -100)
        output = self._written(example, ids, ids[:0])
        # open glyph_ids, of characters outside of the vocabulary, stay: a glyph image says nothing of other characters
        readings = {name: values[ids].tolist() for name, values in self._values.items() if name != "glyph_ids"}
        return {**output, **{name: readings[name] for name in output.keys() & readings}, "labels": labels}


__all__ = ["DataCollatorForNextCharacters"]
