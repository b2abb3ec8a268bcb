"""Batches for pre-training: characters are masked together with all that would tell them.

What stands at a masked place has its own glyph image and its own reading; nothing of the character that was there stays.
"""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch.utils.data import get_worker_info
from transformers import PreTrainedTokenizerBase
from transformers.data.data_collator import DataCollatorMixin

Example = dict[str, Any]


@dataclass
class DataCollatorForMaskedCharacters(DataCollatorMixin):
    """Masks characters (or whole words) and pads: masked language modelling for every model of this package and BERT.

    Of an example's n ordinary tokens round(`mlm_probability` * n), at least one, are asked for: `mask_replace_prob` of
    them become [MASK], `random_replace_prob` a token rendered uniformly from all that are not special, the others stay.
    With an example's `word_ids` and with probability `whole_word_ratio`, whole words are asked for instead: words in
    random order, those skipped that no longer fit into that number (the shortest word, if none fits). Each token of
    a word is then replaced by itself, as in BERT's whole-word masking. The Trainer drops `word_ids` and `epoch` on its
    way here unless it is told `remove_unused_columns=False`.

    `glyph_ids` and `pinyin_ids`, where the tokenizer makes them, follow: [MASK] has its own glyph image and no reading, a
    random token its own glyph image and the reading it has by itself; a token that stays keeps both.

    The render is reproducible. An example with an `epoch` (see `PretrainingStream`) is masked by (`seed`, epoch, its own
    tokens): the same whatever the batch, the number of workers, processes or restarts. Other examples are masked by
    `seed` and the order of the calls, without a seed by torch's global generator.

    Args:
        tokenizer: of the model.
        mlm: False only pads, and asks for every token (labels are the ids).
        mlm_probability: share of the tokens asked for, in (0, 1].
        mask_replace_prob: share of these that become [MASK].
        random_replace_prob: share of these that become a random token.
        whole_word_ratio: probability that an example is masked by words; above 0 every example needs `word_ids`.
        predict_unknown: whether [UNK] is asked for: GlyphCRM's target for what its label vocabulary lacks (section 3.4.1).
        seed: see above.
        pad_to_multiple_of: length of the padded batch.
        return_tensors: "pt" or "np".

    The call takes a list of encoded examples (input_ids and what else the tokenizer gives, each a list or array of the
    length of the text; `word_ids`, -1 for a word of its own; `next_sentence_label`, a number) and returns int64 tensors
    [B, L] (pinyin_ids [B, L, 8]), labels [B, L] with -100 where nothing is asked, extra_glyphs where the tokenizer
    renders. It leaves the examples as they are.

    Raises:
        ValueError: a probability outside of its range, no example, or one without `word_ids` where words are wanted.
    """

    tokenizer: PreTrainedTokenizerBase
    mlm: bool = True
    mlm_probability: float = 0.15
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    whole_word_ratio: float = 0.0
    predict_unknown: bool = False
    seed: int | None = None
    pad_to_multiple_of: int | None = None
    return_tensors: str = "pt"

    def __post_init__(self) -> None:
        shares = ("mlm_probability", "mask_replace_prob", "random_replace_prob", "whole_word_ratio")
        values = {name: getattr(self, name) for name in shares}
        values["mask_replace_prob + random_replace_prob"] = self.mask_replace_prob + self.random_replace_prob
        for name, value in values.items():
            lowest = "above 0" if name == "mlm_probability" else "from 0"
            if not 0 <= value <= 1 or (value == 0 and lowest == "above 0"):
                raise ValueError(f"{name}={value} is not allowed; it is a share, {lowest} to 1")
        special = np.array(self.tokenizer.all_special_ids)
        self._ordinary = np.setdiff1d(np.arange(len(self.tokenizer)), special)
        self._may_be_asked = np.ones(len(self.tokenizer), bool)
        self._may_be_asked[special] = False
        self._may_be_asked[self.tokenizer.unk_token_id] = self.predict_unknown
        self._readings = None
        if "pinyin_ids" in self.tokenizer.model_input_names:
            self._readings = self.tokenizer.token_pinyin_ids().astype(np.int64)  # [V, 8]
        self._generator: np.random.Generator | None = None

    def torch_call(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Masks and pads; tensors of torch."""
        return self._collate(examples, "pt")

    def numpy_call(self, examples: list[Example]) -> dict[str, np.ndarray]:
        """Masks and pads; arrays of numpy."""
        return self._collate(examples, "np")

    def _collate(self, examples: list[Example], return_tensors: str) -> dict:
        if not examples:
            raise ValueError("the batch has no example; give one or more")
        rng = self._rng()
        masked = [self.mask(example, self._own_rng(example) or rng) for example in examples]
        labels = [example.pop("labels") for example in masked]
        batch = self.tokenizer.pad(masked, pad_to_multiple_of=self.pad_to_multiple_of, return_tensors=return_tensors)
        padded = np.full(batch["input_ids"].shape, -100, np.int64)
        left = self.tokenizer.padding_side == "left"
        for row, label in zip(padded, labels, strict=True):
            row[len(row) - len(label) if left else 0 :][: len(label)] = label
        batch["labels"] = torch.from_numpy(padded) if return_tensors == "pt" else padded
        return dict(batch)

    def mask(self, example: Example, rng: np.random.Generator) -> Example:
        """One example, masked: its keys as lists, and `labels` [L] int64 (-100 where nothing is asked)."""
        kept = ("epoch", "word_ids", "special_tokens_mask")
        output = {key: value for key, value in example.items() if key not in kept}
        ids = np.array(example["input_ids"], np.int64)  # a copy
        if not self.mlm:
            return {**output, "labels": ids}
        labels = np.full(len(ids), -100, np.int64)
        asked = self._choose(ids, example.get("word_ids"), rng)
        labels[asked] = ids[asked]
        fate = rng.random(len(asked))
        masked = asked[fate < self.mask_replace_prob]
        random = asked[(fate >= self.mask_replace_prob) & (fate < self.mask_replace_prob + self.random_replace_prob)]
        ids[masked] = self.tokenizer.mask_token_id
        ids[random] = self._ordinary[rng.integers(len(self._ordinary), size=len(random))]
        changed = np.concatenate([masked, random])
        output["input_ids"], output["labels"] = ids.tolist(), labels
        if "glyph_ids" in output:
            output["glyph_ids"] = _with(output["glyph_ids"], changed, ids[changed])
        if "pinyin_ids" in output and self._readings is not None:
            output["pinyin_ids"] = _with(output["pinyin_ids"], changed, self._readings[ids[changed]])
        return output

    def _choose(self, ids: np.ndarray, words: Any, rng: np.random.Generator) -> np.ndarray:
        """Places of the tokens that are asked for."""
        candidates = np.flatnonzero(self._may_be_asked[ids])
        if not len(candidates):
            return candidates
        if words is None and self.whole_word_ratio:
            raise ValueError(
                f"an example has no word_ids, which whole_word_ratio={self.whole_word_ratio} needs; give every token "
                "the number of its word (a Trainer drops them unless it has remove_unused_columns=False)"
            )
        number = max(1, round(self.mlm_probability * len(candidates)))
        if words is None or rng.random() >= self.whole_word_ratio:
            return rng.choice(candidates, number, replace=False)
        words = np.asarray(words)[candidates]
        names, word = np.unique(np.where(words < 0, -1 - candidates, words), return_inverse=True)
        chosen = _that_fit(rng.permutation(len(names)), np.bincount(word), number)
        return candidates[np.isin(word, chosen)]

    def _own_rng(self, example: Example) -> np.random.Generator | None:
        if "epoch" not in example:
            return None
        identity = crc32(np.asarray(example["input_ids"], np.int64).tobytes())
        return np.random.default_rng((self.seed or 0, int(example["epoch"]), identity))

    def _rng(self) -> np.random.Generator:
        if self.seed is None:
            return np.random.default_rng(int(torch.randint(2**62, ())))
        if self._generator is None:
            worker = get_worker_info()
            self._generator = np.random.default_rng((self.seed, 0 if worker is None else worker.id))
        return self._generator


def _that_fit(order: np.ndarray, sizes: np.ndarray, room: int) -> np.ndarray:
    """Words in their order, each if it fits into what room is left; the smallest, if none fits."""
    left, chosen = order[sizes[order] <= room], []
    while len(left):
        fit = int((np.cumsum(sizes[left]) <= room).sum())  # those up to the first that does not
        chosen.append(left[:fit])
        room -= int(sizes[left[:fit]].sum())
        left = left[fit:][sizes[left[fit:]] <= room]
    return np.concatenate(chosen) if chosen else order[[np.argmin(sizes[order])]]


def _with(values: Any, places: np.ndarray, new: np.ndarray) -> list:
    values = np.array(values, np.int64)
    values[places] = new
    return values.tolist()


__all__ = ["DataCollatorForMaskedCharacters"]
