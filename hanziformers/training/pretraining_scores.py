"""The validation figures of a pre-training: losses and accuracies of the masked tokens and of the sentence pairs.

Of the tokens that are to be predicted most are shown as [MASK], some as a random token, and some stay. One that stays
can be copied, so a model may gain there, and in the mean over all, without having learnt to predict anything. Each kind
therefore has figures of its own beside those over all; [MASK] decides.

Axes: B batch, L length, V vocabulary.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import EvalPrediction

KINDS = ("mlm", "mask", "random", "unchanged")  # all, and what is shown in the place of the token
# what a model card says where there is such a figure
NOTES = {
    "mask_loss": "Of the masked tokens `mask_` has those shown as [MASK], `random_` those shown as a random token and "
    "`unchanged_` those shown as they are. The last can be copied, so `mask_` says what was learnt.",
    "vectors_mean_cosine": "The vectors of at most 500 Chinese characters, evenly spaced in the vocabulary: "
    "`vectors_mean_cosine` between two of them, `vectors_nearest_cosine` to the nearest other one (mean), "
    "`vectors_effective_rank`, the exponential of the entropy of the singular values divided by their sum.",
    "vectors_saturation": "`vectors_saturation` is the ratio of their values beyond 0.99, where tanh learns no more.",
    "chance_accuracy": "`chance_accuracy` is that of always answering with the commonest label.",
    "withheld_true_loss": "Some Chinese characters were [UNK] in training: `withheld_` are losses near them, shown as "
    "they are, as another one of them, and as [UNK].",
    "rare_true_loss": "`rare_` are such losses near, and `rare_label_` figures at, characters that are rare in the "
    "training text.",
}


def per_example(logits: Any, labels: Any, shown: Tensor | None = None, mask_token_id: int | None = None) -> Tensor:
    """Sums up every example, so that no logits are kept, and without waiting for their device.

    Args:
        logits: of the tokens [B, L, V], and with next sentence [B, 2] in a tuple with them.
        labels: int64 of the tokens [B, L], -100 where nothing is predicted, and with next sentence [B] in a tuple with
            them.
        shown: int64 [B, L], the tokens that the model was shown (input_ids); None for no figures of the kinds.
        mask_token_id: of [MASK]; None as for `shown`.

    Returns:
        float32 [B, 12]: loss, hits and number of all masked tokens, of those shown as [MASK], as a random token and
        unchanged; with next sentence [B, 14]: its loss and hit, too.
    """
    scores = logits[0] if isinstance(logits, tuple) else logits
    masked = labels[0] if isinstance(labels, (tuple, list)) else labels
    losses = F.cross_entropy(scores.float().transpose(1, 2), masked, reduction="none")  # [B, L]
    right = (scores.argmax(-1) == masked).float()  # never where the label is -100
    sums = [losses.sum(1), right.sum(1), (masked != -100).sum(1)]
    for kind in kinds_of(masked, shown, mask_token_id):
        # not a product: an infinite loss elsewhere would make it nan
        sums += [torch.where(kind, losses, 0).sum(1), torch.where(kind, right, 0).sum(1), kind.sum(1)]
    if isinstance(labels, (tuple, list)) and len(labels) > 1:
        nsp = logits[1].float()
        sums += [F.cross_entropy(nsp, labels[1], reduction="none"), nsp.argmax(-1) == labels[1]]
    return torch.stack([value.float() for value in sums], dim=1)


def kinds_of(labels: Tensor, shown: Tensor | None, mask_token_id: int | None) -> list[Tensor]:
    """Which masked tokens are shown as [MASK], as another token, and unchanged: bool [B, L] each.

    What the model sees decides: a random token that happens to be the one that was there is an unchanged one. Without
    `shown` or `mask_token_id` no token is of any kind.
    """
    if shown is None or mask_token_id is None:
        return [torch.zeros_like(labels, dtype=torch.bool)] * 3
    mask, same = shown == mask_token_id, shown == labels
    return [selected & (labels != -100) for selected in (mask, ~mask & ~same, same & ~mask)]


def summarise(prediction: EvalPrediction) -> dict[str, float]:
    """Means over all masked tokens, over those of each kind and over all pairs, from `per_example`.

    A kind of which there is no token has no figures: it is left out, and never nan.
    """
    sums = np.asarray(prediction.predictions, np.float64).sum(0)
    metrics = {}
    for kind, (loss, hits, number) in zip(KINDS, sums[: 3 * len(KINDS)].reshape(-1, 3), strict=True):
        if number:
            metrics |= {f"{kind}_loss": loss / number, f"{kind}_accuracy": hits / number}
    if len(sums) > 3 * len(KINDS):
        number = len(prediction.predictions)
        metrics |= {"nsp_loss": sums[-2] / number, "nsp_accuracy": sums[-1] / number}
    return {name: float(value) for name, value in metrics.items()}


__all__ = ["KINDS", "NOTES", "kinds_of", "per_example", "summarise"]
