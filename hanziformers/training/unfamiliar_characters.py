"""What a model makes of characters that it hardly knows: withheld from training, or rare in its text.

A withheld character is [UNK] in training. Where glyph images say something of what characters mean, a model that is
shown one afterwards, by its image, should predict its neighbours better than where it is shown the image of another
such character, or [UNK]. The same positions are predicted three times, with the same masks:

    true        every such character as it is: its own row, glyph image and reading
    permuted    every one as another one of them
    unknown     every one as [UNK]

Predicted are the [MASK] positions, of `ROUNDS` masks of every example, within `NEAR` tokens of such a character, which
is never one of them itself; without masks the next `NEAR` tokens after it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import PreTrainedConfig, PreTrainedTokenizerBase, Trainer
from transformers.utils import logging

from ..tokenization.vocabulary_building import count_characters
from .controls import chinese_characters, rows_by_character
from .masking_collator import DataCollatorForMaskedCharacters, Example

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

NEAR = 2  # tokens
ROUNDS = 4  # masks of an example


@dataclass
class ControlArguments:
    """Controls for what glyph images do in pre-training."""

    permute_glyphs: int | None = field(
        default=None, metadata={"help": "control: seed by which glyph images are permuted between characters"}
    )
    random_glyphs: int | None = field(
        default=None, metadata={"help": "control: seed of random images in place of the Chinese characters' own"}
    )
    withhold: float = field(
        default=0.0, metadata={"help": "fraction of the vocabulary's Chinese characters that are [UNK] in training"}
    )
    withhold_seed: int = field(default=1, metadata={"help": "which characters are withheld"})
    rare_below: int = field(
        default=0, metadata={"help": "score Chinese characters apart that occur so rarely in the training text"}
    )


def withheld_characters(tokenizer: PreTrainedTokenizerBase, fraction: float, seed: int) -> np.ndarray:
    """Chooses Chinese characters of the vocabulary, each as probable as any other: their ids, int64 [n], ascending.

    Raises:
        ValueError: a fraction that is not in [0, 1), or so small that it is of one character.
    """
    rows = chinese_characters(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    number = round(fraction * len(rows)) if 0 <= fraction < 1 else -1
    if number < 0 or (fraction and number < 2):
        raise ValueError(
            f"withhold={fraction} is not allowed; give a fraction below 1 of the vocabulary's {len(rows)} Chinese "
            "characters that makes two or more, e.g. 0.05, or 0"
        )
    return np.sort(np.random.default_rng(seed).choice(rows, number, replace=False))


def rare_characters(tokenizer: PreTrainedTokenizerBase, counts: Mapping[str, int], below: int) -> np.ndarray:
    """The ids of the Chinese characters of the vocabulary that occur fewer than `below` times: int64 [n], ascending.

    Args:
        tokenizer: with the vocabulary.
        counts: character -> how often it occurs in the training text.
        below: see above.
    """
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    rare = [row for row in chinese_characters(tokens) if counts.get(tokens[row], 0) < below]
    return np.array(rare, np.int64)


def unfamiliar_groups(
    args: ControlArguments, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]
) -> dict[str, np.ndarray]:
    """What `score_unfamiliar` takes: the ids of withheld characters, and of the others those rare in training texts."""
    withheld = withheld_characters(tokenizer, args.withhold, args.withhold_seed)
    groups = {"withheld": withheld} if args.withhold else {}
    if args.rare_below:
        rare = rare_characters(tokenizer, count_characters(texts), args.rare_below)
        groups["rare"] = np.setdiff1d(rare, withheld)
    return groups


def as_unknown(ids: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> dict[int, int]:
    """What `shown_as` of the collator is in training: every id as [UNK], and all tokens that show the same characters.

    "##天" is a token of no text, but it may be a random one.
    """
    _, character = rows_by_character(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    same = np.flatnonzero(np.isin(character, character[ids]) & (character >= 0))
    return dict.fromkeys(same.tolist(), tokenizer.unk_token_id)


def note_withheld(config: PreTrainedConfig, ids: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes into a configuration which characters its model is not trained on, in the field `withheld_characters`."""
    if len(ids) or hasattr(config, "withheld_characters"):
        config.withheld_characters = "".join(tokenizer.convert_ids_to_tokens(ids.tolist())) or None


def ways_of_showing(ids: np.ndarray, tokenizer: PreTrainedTokenizerBase, seed: int) -> dict[str, dict[int, int]]:
    """Name -> id -> the id that it is shown as; see above. Permuted, no character stays the one that it is."""
    order = np.random.default_rng(seed).permutation(ids)
    return {
        "true": dict(zip(ids.tolist(), ids.tolist(), strict=True)),
        "permuted": dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True)),
        # the same ids as above, so that the same tokens are random ones
        "unknown": dict.fromkeys(ids.tolist(), tokenizer.unk_token_id),
    }


def near(found: np.ndarray, masks: bool) -> np.ndarray:
    """Which positions are predicted near those that are `found`: bool [L] -> bool [L].

    Without masks a position predicts the token after it, and it is found characters before that one that count.
    """
    width = 2 * NEAR + 1 if masks else NEAR
    start = NEAR if masks else 0
    return np.convolve(found, np.ones(width))[start : start + len(found)] > 0.5


class KeepLabels:
    """A collator that keeps some of another one's labels, and makes -100 of the others.

    Args:
        collator: of a recipe.
        keep: input_ids int64 [L] of an example, its labels int64 [L] -> bool [L].
        masks: whether only labels of [MASK] are kept.
    """

    def __init__(
        self,
        collator: DataCollatorForMaskedCharacters,
        keep: Callable[[np.ndarray, np.ndarray], np.ndarray],
        masks: bool,
    ) -> None:
        self.collator, self.keep, self.masks = collator, keep, masks

    def __call__(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """A batch as of `collator`, with fewer labels."""
        batch = self.collator(examples)
        length, left = batch["labels"].shape[1], self.collator.tokenizer.padding_side == "left"
        for example, labels in zip(examples, batch["labels"], strict=True):
            ids = np.asarray(example["input_ids"], np.int64)
            own = labels[length - len(ids) if left else 0 :][: len(ids)]  # a view
            own[torch.from_numpy(~self.keep(ids, own.numpy()))] = -100
        if self.masks:
            batch["labels"][batch["input_ids"] != self.collator.tokenizer.mask_token_id] = -100
        return batch


def score_unfamiliar(
    trainer: Trainer, examples: Sequence[Example], groups: Mapping[str, np.ndarray], masks: bool, seed: int
) -> dict[str, float]:
    """The figures of a trained model: of every group near its characters, of rare ones at them too, and of chance.

    Args:
        trainer: with the collator of training.
        examples: of the validation text, see `PretrainingStream`.
        groups: "withheld", "rare": ids of characters, int64 [n]; a group of fewer than two is left out.
        masks: whether tokens are masked, or the next one is predicted.
        seed: of the permutation.
    """
    figures = {"eval_chance_accuracy": chance_accuracy(examples, trainer.data_collator, masks)}
    for name, ids in groups.items():
        logger.warning(f"{len(ids)} Chinese characters of the vocabulary are {name}")
        if len(ids) > 1:
            figures |= score_near(trainer, examples, ids, name, masks, seed)
            figures |= score_labels(trainer, examples, ids, name, masks) if name != "withheld" else {}
    return figures


@torch.no_grad()
def predict(trainer: Trainer, examples: Sequence[Example], collate: KeepLabels) -> tuple[float, float, int]:
    """Mean loss and accuracy over all labels, and their number; nan where there is none. Each process computes all."""
    model = trainer.model.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    for batch in DataLoader(list(examples), trainer.args.per_device_eval_batch_size, collate_fn=collate):
        labels = batch.pop("labels")
        if not (labels != -100).any():
            continue
        batch.pop("next_sentence_label", None)  # without labels the scores of the tokens are a model's first output
        with trainer.compute_loss_context_manager():
            scores = model(**{name: value.to(trainer.args.device) for name, value in batch.items()})[0]
        scores, labels = scores[labels != -100].float().cpu(), labels[labels != -100]  # [n, V], [n]
        right = scores.argmax(-1) == labels
        sums += torch.stack([F.cross_entropy(scores, labels, reduction="sum"), right.sum(), torch.tensor(len(labels))])
    loss, hits, number = sums.tolist()
    return (loss / number, hits / number, int(number)) if number else (float("nan"), float("nan"), 0)


def score_near(
    trainer: Trainer, examples: Sequence[Example], ids: np.ndarray, name: str, masks: bool, seed: int
) -> dict[str, float]:
    """The losses near characters that are shown in three ways: eval_<name>_true_loss, ..., eval_<name>_positions.

    Args:
        trainer: with the collator of training.
        examples: of the validation text, see `PretrainingStream`.
        ids: of the characters, int64 [n].
        name: "withheld" or "rare".
        masks: whether tokens are masked, or the next one is predicted.
        seed: of the permutation.
    """
    several = in_rounds([example for example in examples if np.isin(example["input_ids"], ids).any()])
    collator, figures = trainer.data_collator, {}
    for way, shown_as in ways_of_showing(ids, collator.tokenizer, seed).items():
        shown = replace(collator, shown_as={**(collator.shown_as or {}), **shown_as})
        kept = KeepLabels(shown, lambda own, _: near(np.isin(own, ids), masks), masks)
        loss, _, number = predict(trainer, several, kept)
        figures |= {f"eval_{name}_{way}_loss": loss, f"eval_{name}_positions": number}
    return _without_nan(figures)


def score_labels(
    trainer: Trainer, examples: Sequence[Example], ids: np.ndarray, name: str, masks: bool
) -> dict[str, float]:
    """Loss and accuracy of the characters themselves, where they are [MASK]: eval_<name>_label_loss, ..._accuracy.

    The arguments are those of `score_near`.
    """
    several = in_rounds([example for example in examples if np.isin(example["input_ids"], ids).any()])
    kept = KeepLabels(trainer.data_collator, lambda _, labels: np.isin(labels, ids), masks)
    figures = zip(("loss", "accuracy", "positions"), predict(trainer, several, kept), strict=True)
    return _without_nan({f"eval_{name}_label_{figure}": value for figure, value in figures})


def _without_nan(figures: dict[str, float]) -> dict[str, float]:
    """Figures without those of no position."""
    return {name: value for name, value in figures.items() if value == value}


def in_rounds(examples: Sequence[Example]) -> list[Example]:
    """The examples `ROUNDS` times, each time with another epoch, so that other tokens are masked."""
    return [{**example, "epoch": epoch} for epoch in range(ROUNDS) for example in examples]


def chance_accuracy(examples: Sequence[Example], collator: Any, masks: bool) -> float:
    """The accuracy of a model that always answers with the commonest label of the positions that are scored."""
    kept = KeepLabels(collator, lambda own, _: np.ones(len(own), bool), masks)
    labels = np.concatenate([kept([example])["labels"].flatten().numpy() for example in examples])
    counts = np.bincount(labels[labels != -100], minlength=1)
    return float(counts.max() / max(1, counts.sum()))


__all__ = [
    "ControlArguments",
    "KeepLabels",
    "as_unknown",
    "chance_accuracy",
    "in_rounds",
    "near",
    "note_withheld",
    "predict",
    "rare_characters",
    "score_labels",
    "score_near",
    "score_unfamiliar",
    "unfamiliar_groups",
    "ways_of_showing",
    "withheld_characters",
]
