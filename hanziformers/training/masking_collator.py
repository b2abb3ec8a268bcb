"""Batches for pre-training: characters are masked together with everything that would give them away.

A masked position has its own glyph image and its own reading; nothing of the character that was there stays.
"""

from collections.abc import Mapping
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

    Of an example's n ordinary tokens round(`mlm_probability` * n), at least one, are selected for prediction. Of these
    `mask_replace_prob` become [MASK], `random_replace_prob` become a token chosen uniformly from all that are not
    special, and the others stay. With an example's `word_ids` and with probability `whole_word_ratio`, whole words are
    selected instead: in random order, skipping those that no longer fit into that number (the shortest word, if none
    fits). Each token of a word is then replaced by itself, as in BERT's whole-word masking. The Trainer removes
    `word_ids` and `epoch` before they get here unless it has `remove_unused_columns=False`.

    `glyph_ids` and `pinyin_ids`, where the tokenizer makes them, follow: [MASK] has its own glyph image and no reading,
    a random token its own glyph image and the reading that it has by itself; a token that stays keeps both.
    (In transformers' DataCollatorForLanguageModeling they follow too: see `CharacterBatch`.)

    Masks can be made again. An example with an `epoch` (see `PretrainingStream`) is masked by (`seed`, epoch, its own
    tokens): the same whatever the batch, the number of workers or processes, or a restart. Other examples are masked
    by `seed` and the order of the calls, without a seed by torch's global generator.

    Args:
        tokenizer: of the model.
        mlm: False only pads, and every token is to be predicted (the labels are the ids) but those of `shown_as`.
        mlm_probability: ratio of the tokens that are selected for prediction, in (0, 1].
        mask_replace_prob: ratio of the selected tokens that become [MASK], in [0, 1].
        random_replace_prob: ratio of the selected tokens that become a random token, in [0, 1].
        whole_word_ratio: probability that an example is masked by words; above 0 every example needs `word_ids`.
        predict_unknown: whether [UNK] may be selected: GlyphCRM's target for a character that its label vocabulary
            lacks (section 3.4.1).
        shown_as: tokens that a model is not to know, and the token that stands in the place of each, with its glyph
            image and reading: [UNK], as a rule. They are never selected, and never random tokens.
        seed: see above.
        pad_to_multiple_of: the padded length is a multiple of this number.
        return_tensors: "pt" or "np".

    The call takes a list of encoded examples (input_ids and what else the tokenizer makes, each a list or array with
    one value per token; `word_ids`, -1 for a token that is a word by itself; `next_sentence_label`, a number). It
    returns int64 tensors [B, L] (pinyin_ids [B, L, 8]), labels [B, L] with -100 where nothing is predicted, and
    extra_glyphs where the tokenizer renders. The examples themselves are not changed.

    Raises:
        ValueError: a probability is out of range, there is no example, or one lacks `word_ids` where words are needed.
    """

    tokenizer: PreTrainedTokenizerBase
    mlm: bool = True
    mlm_probability: float = 0.15
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    whole_word_ratio: float = 0.0
    predict_unknown: bool = False
    shown_as: Mapping[int, int] | None = None
    seed: int | None = None
    pad_to_multiple_of: int | None = None
    return_tensors: str = "pt"

    def __post_init__(self) -> None:
        names = ("mlm_probability", "mask_replace_prob", "random_replace_prob", "whole_word_ratio")
        values = {name: getattr(self, name) for name in names}
        values["mask_replace_prob + random_replace_prob"] = self.mask_replace_prob + self.random_replace_prob
        for name, value in values.items():
            lowest = "above 0" if name == "mlm_probability" else "from 0"
            if not 0 <= value <= 1 or (value == 0 and lowest == "above 0"):
                raise ValueError(f"{name}={value} is not allowed; give a number {lowest} to 1")
        special, hidden = np.array(self.tokenizer.all_special_ids), dict(self.shown_as or {})
        self._shown = np.arange(len(self.tokenizer))  # [V]: what stands in the place of each
        self._shown[[*hidden]] = [*hidden.values()]
        # what a random token is chosen from
        self._ordinary = np.setdiff1d(np.arange(len(self.tokenizer)), [*special, *hidden])
        self._predictable = np.ones(len(self.tokenizer), bool)  # [V]: which ids may be selected
        self._predictable[[*special, *hidden]] = False
        self._predictable[self.tokenizer.unk_token_id] = self.predict_unknown
        self._values: dict[str, np.ndarray] = {}  # what belongs to each token: [V, ...]
        if hasattr(self.tokenizer, "values_of_tokens"):  # BERT's has nothing but ids
            self._values = self.tokenizer.values_of_tokens(np.arange(len(self.tokenizer)))
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
        # the tokenizer pads what it knows, and makes rows of extra_glyphs of open glyph_ids; labels are padded here
        labels = [example.pop("labels") for example in masked]
        batch = self.tokenizer.pad(masked, pad_to_multiple_of=self.pad_to_multiple_of, return_tensors=return_tensors)
        padded = np.full(batch["input_ids"].shape, -100, np.int64)  # [B, L]
        left = self.tokenizer.padding_side == "left"
        for row, label in zip(padded, labels, strict=True):
            row[len(row) - len(label) if left else 0 :][: len(label)] = label
        batch["labels"] = torch.from_numpy(padded) if return_tensors == "pt" else padded
        return dict(batch)

    def mask(self, example: Example, rng: np.random.Generator) -> Example:
        """Masks one example: its keys as lists, and `labels` int64 [L] (-100 where nothing is predicted)."""
        ids = np.array(example["input_ids"], np.int64)  # a copy
        if not self.mlm:
            labels = np.where(self._shown[ids] == ids, ids, -100)
            return {**self._written(example, ids, ids[:0]), "labels": labels}
        labels = np.full(len(ids), -100, np.int64)
        selected = self._select(ids, example.get("word_ids"), rng)
        labels[selected] = ids[selected]
        # one number in [0, 1) per selected token: below mask_replace_prob it is masked, up to the sum it is random
        chance = rng.random(len(selected))
        randomized = (chance >= self.mask_replace_prob) & (chance < self.mask_replace_prob + self.random_replace_prob)
        masked, random = selected[chance < self.mask_replace_prob], selected[randomized]
        ids[masked] = self.tokenizer.mask_token_id
        ids[random] = self._ordinary[rng.integers(len(self._ordinary), size=len(random))]
        return {**self._written(example, ids, np.concatenate([masked, random])), "labels": labels}

    def _written(self, example: Example, ids: np.ndarray, changed: np.ndarray) -> Example:
        """An example as the model sees it.

        Args:
            example: as it was made.
            ids: its tokens in place of its own, int64 [L]; those of `shown_as` are replaced in it.
            changed: positions of the tokens that are not its own, int64 [n].
        """
        hidden = np.flatnonzero(self._shown[ids] != ids)
        ids[hidden] = self._shown[ids[hidden]]
        changed = np.concatenate([changed, hidden])
        not_for_the_model = ("epoch", "word_ids", "special_tokens_mask")
        output = {key: value for key, value in example.items() if key not in not_for_the_model}
        output["input_ids"] = ids.tolist()
        # glyph image and reading of a changed position would give its character away: both are the new token's
        for name, values in self._values.items():
            if name in output:
                output[name] = _replaced(output[name], changed, values[ids[changed]])
        return output

    def _select(self, ids: np.ndarray, words: Any, rng: np.random.Generator) -> np.ndarray:
        """The positions that are to be predicted, int64 [n]."""
        candidates = np.flatnonzero(self._predictable[ids])
        if not len(candidates):
            return candidates
        if words is None and self.whole_word_ratio:
            raise ValueError(
                f"an example has no word_ids, which whole_word_ratio={self.whole_word_ratio} needs; give every token "
                "the number of its word (a Trainer removes them unless it has remove_unused_columns=False)"
            )
        number = max(1, round(self.mlm_probability * len(candidates)))
        if words is None or rng.random() >= self.whole_word_ratio:
            return rng.choice(candidates, number, replace=False)
        words = np.asarray(words)[candidates]
        # a token with the word -1 is a word by itself: it gets a negative number that no other token has
        names, word = np.unique(np.where(words < 0, -1 - candidates, words), return_inverse=True)
        chosen = _words_that_fit(rng.permutation(len(names)), np.bincount(word), number)
        return candidates[np.isin(word, chosen)]

    def _own_rng(self, example: Example) -> np.random.Generator | None:
        """The generator of an example that has an epoch."""
        if "epoch" not in example:
            return None
        identity = crc32(np.asarray(example["input_ids"], np.int64).tobytes())
        return np.random.default_rng((self.seed or 0, int(example["epoch"]), identity))

    def _rng(self) -> np.random.Generator:
        """The generator of examples without an epoch; with a seed each worker has one for all of its calls."""
        if self.seed is None:
            return np.random.default_rng(int(torch.randint(2**62, ())))
        if self._generator is None:
            worker = get_worker_info()
            self._generator = np.random.default_rng((self.seed, 0 if worker is None else worker.id))
        return self._generator


def _words_that_fit(order: np.ndarray, sizes: np.ndarray, budget: int) -> np.ndarray:
    """Words in their order, each if it fits into what is left of the budget; the smallest, if none fits.

    Args:
        order: the words 0..n - 1 in random order, int64 [n].
        sizes: tokens of each word, int64 [n].
        budget: how many tokens are to be selected.
    """
    left, chosen = order[sizes[order] <= budget], []
    while len(left):
        fit = int((np.cumsum(sizes[left]) <= budget).sum())  # those before the first that does not fit
        chosen.append(left[:fit])
        budget -= int(sizes[left[:fit]].sum())
        left = left[fit:][sizes[left[fit:]] <= budget]  # that one is skipped, with all that are too large from now on
    return np.concatenate(chosen) if chosen else order[[np.argmin(sizes[order])]]


def _replaced(values: Any, positions: np.ndarray, new: np.ndarray) -> list:
    """A copy of one key's values [L] or [L, 8], with `new` at the positions."""
    values = np.array(values, np.int64)
    values[positions] = new
    return values.tolist()


__all__ = ["DataCollatorForMaskedCharacters"]
